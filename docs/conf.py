"""How Sphinx builds these pages: sphinx-build -W --keep-going docs OUT."""

import sys
from pathlib import Path

import onlinemode

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "onlinemode"
author = "the onlinemode developers"
copyright = f"2026, {author}"
release = version = onlinemode.__version__

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode",
              "sphinx_click", "sphinx_copybutton", "sphinx_design", "sphinx-mathjax-offline", "section_links"]
exclude_patterns = ["_build", "jupyter_execute", "reference/generated/README.md"]
nitpicky = True

# numpydoc
numpydoc_show_class_members = False
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"

# MyST: formulas between dollars, anchors of headings as in the repository's own view
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 4
myst_dmath_double_inline = True
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

html_theme = "pydata_sphinx_theme"
html_title = "onlinemode"
html_static_path = ["_static"]
html_css_files = ["onlinemode.css"]
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False, "show_toc_level": 2, "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 7}
