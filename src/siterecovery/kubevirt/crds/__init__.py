"""The kinds of `siterecovery.trilio.io/v1alpha1` as typed models: the one source of the YAML in `deploy/crds` and of the checks.

An API server that knows CEL refuses a bad object itself; for older ones each rule is also a check in Python: `kinds.problems`."""
