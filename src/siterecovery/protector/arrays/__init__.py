"""Replication drivers. `base` is the promise; `flasharray` keeps it on Pure FlashArray, `mock` without any array."""
