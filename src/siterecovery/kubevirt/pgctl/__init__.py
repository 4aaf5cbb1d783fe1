"""`pgctl`: what a person or a script asks of Site Recovery's clusters. It talks to their API servers only, and to no controller or user interface."""
