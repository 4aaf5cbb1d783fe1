"""The steps that take one VM under replication, and out of it again."""
