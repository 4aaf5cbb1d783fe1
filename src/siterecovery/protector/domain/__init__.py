"""The nouns of Protector, their states and rules, and the error tree: plain values, no I/O, no clock."""
