"""Names, kinds of objects and the rules of two clusters: plain values, no I/O, no clock."""
