"""The site: the pages of this folder, and the docstrings of the package. ``sphinx-build docs docs/_build`` makes it.

The pages are plain Markdown with relative links, so that a clone or a forge shows them as well.
"""

from __future__ import annotations

import re

from sphinx.application import Sphinx

from cxb_recordings import __version__

project = "cxb_recordings"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "literal"  # what docstrings have between single backticks are arguments
nitpick_ignore_regex = [("py:.*", r"(?!cxb_recordings\.).*|.*\._\w+")]  # of other projects no inventory is fetched

myst_heading_anchors = 3

autoclass_content = "both"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"cxb_recordings {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False


def _adapt(_: Sphinx, page: str, source: list[str]) -> None:
    """Make of a page for a forge one of the site.

    Links out of this folder become their text. The links in each section of the index become the navigation, so that a
    page that stands in none is a warning.
    """
    source[0] = re.sub(r"\[([^\]]+)\]\(\.\./[^)]+\)", r"\1", source[0])
    if page == "index":
        for caption, section in re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", source[0], re.MULTILINE | re.DOTALL):
            pages = "\n".join(re.findall(r"\]\(([\w-]+)\.md\)", section))
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _adapt)
