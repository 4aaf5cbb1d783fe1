"""One file per verb; each flow reads like the runbook on the operator's desk. Built from the operation's plan, deciding nothing."""
