"""The other site's Protector: signed messages, the metadata document, claims. `base` is the promise."""
