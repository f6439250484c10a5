"""The pages as a site: it is built without warnings, every link leads somewhere, and no page loads from elsewhere."""

import os
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """The anchors of a page, where it leads, and what a browser loads with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag in LOADED and given.get(LOADED[tag]):
            self.loads.append(given[LOADED[tag]])
        if tag == "link" and given.get("rel") in {"stylesheet", "preload", "preconnect", "icon"}:
            self.loads.append(given.get("href") or "")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """The site, built as `make docs` builds it, by file."""
    site = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    # Nothing of the build may need a network: a proxy that does not answer stands for one that is not there.
    environment |= {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


@pytest.mark.slow
def test_every_link_of_the_site_leads_somewhere(pages):
    """A link inside the site names a file of it, and an anchor that this file has."""
    broken = []
    for path, page in pages.items():
        if path.name == "404.html":  # shown at any address, so its links begin at the host
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            known = target.is_file() and (not parts.fragment or target.suffix != ".html" or target in pages)
            if not known or (parts.fragment and unquote(parts.fragment) not in pages[target].anchors):
                broken.append(f"{path.name}: {link}")

    assert len(pages) > 60
    assert broken == []


@pytest.mark.slow
def test_no_page_loads_anything_from_another_host(pages):
    """Scripts, styles, fonts and pictures are files of the site."""
    elsewhere = {
        f"{path.name}: {loaded}" for path, page in pages.items() for loaded in page.loads if urlsplit(loaded).netloc
    }

    assert elsewhere == set()


@pytest.mark.slow
def test_the_api_pages_show_docstrings(pages):
    """A page of the API names what it documents and says what its docstring says."""
    text = {path.stem: path.read_text(encoding="utf-8") for path in pages}

    assert "What a policy wants to hold in a market" in text["strategy"]
    assert 'id="pipelines.decide.decide"' in text["decision"]


def test_the_table_of_features_is_that_of_the_code():
    """docs/api/features.md has every feature with its meaning and unit, in the order of the code."""
    from pipelines.features.spec import FEATURES

    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \|$", (ROOT / "docs/api/features.md").read_text(), flags=re.M)

    assert rows == [(one.name, one.meaning, one.unit) for one in FEATURES]


def test_the_first_screen_is_short():
    """README has fewer than 600 words."""
    assert len((ROOT / "README.md").read_text().split()) < 600


def test_the_newest_heading_of_the_changelog_is_the_version():
    """CHANGELOG begins with the version that pyproject.toml names, and every heading is a version with its day."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)

    assert headings[0].split()[0] == project["version"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", heading) for heading in headings)
    assert f"| {'.'.join(project['version'].split('.')[:2])} | yes |" in (ROOT / "SECURITY.md").read_text()
