"""Three Kubernetes clusters on loopback: real control planes, real KubeVirt, and nodes that are played.

`binaries` finds or builds the programs, `plane` runs one control plane, `kubevirt` puts KubeVirt on it, `agent` plays its
machines and guests, and `world` holds all of it together. Every process started here ends with the one that started it.
"""
