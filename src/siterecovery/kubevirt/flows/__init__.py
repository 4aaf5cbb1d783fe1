"""How a group is moved: each flow reads like the runbook."""
