"""The `cxone-idem` command line; nothing else of the package imports it."""
