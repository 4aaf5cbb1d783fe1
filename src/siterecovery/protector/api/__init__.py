"""The REST API. `routes` says which handler owns which path; the same noun has the same file name in handlers, schemas and policies.

Nothing here talks to a cloud or an array: what needs them is an operation for the engine, or a promise (`precheck`, `promises`) that
`processes` keeps.
"""
