"""One Kubernetes cluster, as far as this product talks to it: API client, informer and queue, and the nouns VM, node, Lease, Event, cluster."""
