"""A pretend world on real wire protocols; it imports nothing of the product."""
