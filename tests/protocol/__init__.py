"""The rules of two sites on the real code: real databases, keys, messages, flows, steps and engines; only the clouds and arrays are in memory.

Each scenario is a story that the model (tests/model) has told. It holds on the code as it is, and breaks its property when the one function
that keeps the rule is replaced by one that does not.
"""
