"""One OpenStack site, over keystoneauth1. `base` is the promise that flows and steps rely on; nothing else of this folder is theirs."""
