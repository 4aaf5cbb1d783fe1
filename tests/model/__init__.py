"""An explicit-state model of two sites and one group: every order in which the protocol, its faults and its users can act, within a budget.

The rules of the databases are not written again here: rows go through `siterecovery.protector.domain.claims`, so that the model and the product
cannot drift apart. What the clouds and arrays do, calls under way, late calls, cut links, deaths and take-overs are the model's own.
"""
