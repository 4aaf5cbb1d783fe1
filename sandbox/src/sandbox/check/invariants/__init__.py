"""One file per invariant: a function from the picture to sentences of what is broken."""
