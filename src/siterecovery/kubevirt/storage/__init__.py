"""Replicated volumes under a protection group. `base` is the promise, `states` its words; `linstor` and `drbd_operator` keep it."""
