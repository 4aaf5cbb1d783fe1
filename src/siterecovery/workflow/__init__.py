"""The ground floor: a durable runner of steps that never heard of recovery, OpenStack, Kubernetes or SQL.

Read in this order: `step` (what a step promises), `flow` (how steps are put together), `journal` and `lease` (what makes
them durable), `watch` (how a thousand steps wait for one list call), `runner` (what carries them out).
"""
