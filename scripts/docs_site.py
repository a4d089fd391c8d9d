"""Hooks of mkdocs: pages from the top of the repository, and the navigation in the order of docs/index.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
INDEX = "index.md"
# Pages at the top of the repository -> their names in the site, where README.md would be a second index.
TOP = {"README.md": "readme.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}

_LINK = re.compile(r"\]\(([^)\s]+)\)")
# A link to a file of the repository that is neither a page nor shown in one.
_FILE = re.compile(r"(?<!!)\[([^\]]*)\]\((?![a-z]+:|#)(?![^)\s]*\.(?:md|svg)(?:#|\)))[^)\s]+\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation: the pages that docs/index.md links to, in its order."""
    linked = _LINK.findall((ROOT / "docs" / INDEX).read_text(encoding="utf-8"))
    pages = [_in_site(link) for link in linked if link.endswith(".md")]
    config.nav = [INDEX, *dict.fromkeys(pages)]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages at the top of the repository."""
    for source, name in TOP.items():
        content = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links across docs/ and the top of the repository to pages; other files leave the link's text."""
    markdown = _FILE.sub(r"\1", markdown)
    return _LINK.sub(lambda match: f"]({_in_site(match[1])})", markdown)


def _in_site(link: str) -> str:
    """A link as it stands in the repository -> the same within the site."""
    path, mark, anchor = link.removeprefix("../").partition("#")
    if path in TOP:
        return TOP[path] + mark + anchor
    return link.removeprefix("docs/")
