"""One file a noun; each handler takes a `Call` and answers an `Answer`. `routes` says which path is whose."""
