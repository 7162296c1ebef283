"""The documentation as a site: the guides, and a reference that is written from the code."""
