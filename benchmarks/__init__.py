"""How fast Protector is, as ratios: `make bench` prints the table, README.md says how to read it."""
