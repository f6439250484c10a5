"""What the site needs beyond the files of docs/: the pages at the top of the repository, and links to them.

MkDocs reads one folder. README, CHANGELOG, CONTRIBUTING and SECURITY lie at the top, because GitHub shows them there.
The site gets copies of them. A link from a page to any other file of the repository becomes the file's name, because
the site does not carry that file.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

TOP = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""A page at the top of the repository, and where the site shows it."""

LINK = re.compile(r"(?<!!)\[(?P<text>[^\[\]]+)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
PICTURE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<target>docs/[^)\s]+)\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """The files of docs/ and the pages at the top, whose links are those of the site."""
    root = Path(config.config_file_path).parent
    for name, place in TOP.items():
        text = (root / name).read_text(encoding="utf-8")
        text = PICTURE.sub(lambda found: f"![{found['text']}]({found['target'].removeprefix('docs/')})", text)
        files.append(File.generated(config, place, content=rewritten(text, name)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The text of a page, with links to files outside docs/ replaced; copies from the top are rewritten already."""
    if page.file.src_uri in TOP.values():
        return markdown
    return rewritten(markdown, f"docs/{page.file.src_uri}")


def rewritten(text: str, name: str) -> str:
    """The page `name` of the repository with its relative links as the site needs them."""
    here = posixpath.dirname(TOP.get(name, name.removeprefix("docs/")))

    def link(found: re.Match[str]) -> str:
        target = found["target"]
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        of_repository = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        if of_repository in TOP:
            place = TOP[of_repository]
        elif of_repository.startswith("docs/"):
            place = of_repository.removeprefix("docs/")
        else:
            return found["text"] if found["text"].startswith("`") else f"`{found['text']}`"
        return f"[{found['text']}]({posixpath.relpath(place, here or '.')}{found['anchor'] or ''})"

    return LINK.sub(link, text)
