"""Sphinx's settings. The sources that it reads are written by `tests.documents.site.pages`."""

from __future__ import annotations

from importlib.metadata import version as version_of

project = "cxone_idem"
author = "The cxone_idem maintainers"
version = release = version_of("cxone-idem")
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
# Those that GitHub makes, down to the third level: the guides link to them.
myst_heading_anchors = 3

# In docstrings, `name` is a link if there is such a name, and code if not.
default_role = "py:obj"
# What a default is called, and not what it is made of.
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = f"cxone_idem {version}"
html_copy_source = False
html_show_copyright = False
