"""A replication driver without arrays (`[storage] driver = mock`): it keeps the same promise, remembers everything in one SQLite file, and
passes the same conformance suite. For trying the product, never for data."""
