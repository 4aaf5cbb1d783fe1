"""How fast the Kubernetes half is: on light worlds (`sandbox.kubernetes.light_world`), with every controller a process of its own."""
