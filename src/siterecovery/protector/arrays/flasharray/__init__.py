"""FlashArray over its REST 2 interface: a thin client of our own and the driver for asynchronous protection groups.

`client` knows HTTP, sessions and versions; `volumes`, `tags`, `groups` and `snapshots` know one noun each; `async_groups` keeps the promise of
`arrays.base`.
"""
