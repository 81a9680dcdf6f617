"""How Sphinx builds these pages: sphinx-build -W --keep-going docs OUT."""

import sys
from pathlib import Path

import onlinemode

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
from numpydoc.xref import DEFAULT_LINKS  # noqa: E402
from reference_pages import Page, classes  # noqa: E402

project = "onlinemode"
author = "the onlinemode developers"
copyright = f"2026, {author}"
release = version = onlinemode.__version__

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode",
              "sphinx_click", "sphinx_copybutton", "sphinx_design", "sphinx-mathjax-offline", "section_links",
              "docstrings", "reference_pages", "command_help"]
templates_path = ["_templates"]
exclude_patterns = ["_build", "jupyter_execute"]
smartquotes = False  # --options and "words" are code
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(numpy|scipy|matplotlib|pandas|xarray|torch|tqdm|concurrent|dask|distributed)\..*")]

# the reference, from docstrings
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
autosummary_context = {"page": Page()}
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_aliases = {name: name for name in DEFAULT_LINKS} | classes()  # no links to other packages' pages
numpydoc_xref_ignore = "all"
numpydoc_validation_checks = {  # all but these, which the house's style has otherwise
    "all", "ES01", "EX01", "GL01", "GL02", "SA01", "SS05", "SS06"}
numpydoc_validation_exclude = {r"^onlinemode\.errors\."}  # made as their base is
numpydoc_validation_overrides = {"PR01": [r"Attributes\n *-+"]}  # of records: tests/test_documentation.py

# MyST: formulas between dollars, anchors of headings as in the repository's own view
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
nb_execution_mode = "cache"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

html_theme = "pydata_sphinx_theme"
html_title = "onlinemode"
html_static_path = ["_static"]
html_css_files = ["onlinemode.css"]
html_show_sourcelink = False
html_sidebars = {"start": []}
html_theme_options = {
    "navigation_with_keys": False, "show_toc_level": 2, "secondary_sidebar_items": ["page-toc"],
    "navbar_persistent": ["search-button"], "header_links_before_dropdown": 7}
