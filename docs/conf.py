"""The site: the pages of this folder, and the docstrings of the package. ``sphinx-build docs docs/_build`` makes it.

The pages are plain Markdown with relative links, so that a clone or a forge shows them as well.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

from cxb_recordings import __version__

project = "cxb_recordings"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
default_role = "literal"  # what docstrings have between single backticks are arguments
# Of other projects no inventory is fetched; what a kind of source is made of is internal.
nitpick_ignore_regex = [
    ("py:.*", r"(?!cxb_recordings\.).*|.*\._\w+|cxb_recordings\.sources\.kind\.(SourceKind|Settings)")
]

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
    """Turn a page for a forge into one of the site.

    Links out of this folder become their text. The links in each section of the index become the navigation, so that a
    page that no section links is a warning. The index begins with the README, the changelog is the project's.
    """
    if page == "index":
        index = source[0]
        source[0] = _of_the_project("README.md").partition("## More")[0] + index[index.index("\n## ") :]
        for caption, section in re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", index, re.MULTILINE | re.DOTALL):
            if pages := "\n".join(re.findall(r"\]\(([\w-]+)\.md\)", section)):
                source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n"
    elif page == "changelog":
        source[0] = _of_the_project("CHANGELOG.md")
    source[0] = re.sub(r"\[([^\]]+)\]\(\.\./[^)]+\)", r"\1", source[0])


def _of_the_project(name: str) -> str:
    """A page from the folder above, with links that fit this one."""
    text = (Path(__file__).parents[1] / name).read_text()
    text = re.sub(r"\]\((?!docs/|#|https?:)", "](../", text)
    return text.replace("](docs/", "](")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _adapt)
