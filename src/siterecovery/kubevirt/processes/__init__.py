"""Settings, wiring and the entry points of the Kubernetes half: sees everything."""
