"""LINSTOR's controller REST (version 1, as of 1.28.0): the part of it that storage drivers and their tests use."""
