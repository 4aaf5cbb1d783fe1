"""Simulated FlashArrays: true enough on the wire for Cinder's Pure driver and py-pure-client.

`Fabric` holds the arrays and links of a world, `Array.call` is an array's only door, `servers` puts arrays on HTTPS,
`control.add_routes` adds them to the control port. Several call handlers name the rule of Purity they follow; a message
marked "own wording" was not seen on a real array.
"""
