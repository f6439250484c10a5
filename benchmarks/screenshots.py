"""The pictures of the documentation: every page of the bot that runs here, in headless Chromium.

`make run` first; what its flows have not written (drift, say) is left out.
"""

import argparse
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, sync_playwright

CHROMIUM: Final = "/usr/bin/chromium"
HEIGHT: Final = 900
DRAWN_MS: Final = 2_500
"""Wall time until a page is drawn: its charts take a moment after its tables."""

SHOWN: Final = ((1_280, "dark"), (390, "light"))
"""Width and theme of each picture; `--every` and `--all` draw every width in both themes."""
EVERY: Final = tuple((width, theme) for width in (1_500, 1_280, 768, 390) for theme in ("dark", "light"))


def places(url: str) -> dict[str, str]:
    """Name of a picture -> path of its page: the market with most fills of ours, and each report that is there."""
    state = _json(f"{url}api/state")
    traded = [fill["market_id"] for fill in state["fills"]] or [one["market_id"] for one in state["markets"]]
    found = {"dashboard": "", "market": f"market/{max(set(traded), key=traded.count)}" if traded else ""}
    found |= {name: name for name in ("days", "reports", "profiles", "glossary", "docs")}
    reports = _json(f"{url}api/reports")["reports"]
    return found | {one["name"]: f"reports/{one['name']}" for one in reports if one["page"]}


def draw(url: str, folder: Path, *, every: bool, whole: bool, only: list[str]) -> dict[str, int]:
    """Write a PNG of each page; name -> bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    with sync_playwright() as chromium:
        browser = chromium.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, path in places(url).items():
            for width, theme in (EVERY if every or whole else SHOWN) if not only or name in only else ():
                picture = folder / f"{name}-{width}-{theme}.png"
                _draw(browser, url + path, width, theme, picture, whole=whole)
                written[picture.name] = picture.stat().st_size
        browser.close()
    return written


def _draw(browser: Browser, url: str, width: int, theme: str, path: Path, *, whole: bool) -> None:
    page = browser.new_page(
        viewport={"width": width, "height": HEIGHT}, color_scheme="light" if theme == "light" else "dark"
    )
    page.goto(url)
    page.wait_for_timeout(DRAWN_MS)
    page.screenshot(path=path, full_page=whole)
    page.close()


def _json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def main() -> None:
    """`python -m benchmarks.screenshots`: writes the pictures and prints their sizes as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:3000/", help="the bot's pages (http://127.0.0.1:3000/)")
    parser.add_argument("--folder", type=Path, default=Path("docs/images"), help="where pictures go (docs/images)")
    parser.add_argument("--all", action="store_true", help="every width in both themes, whole pages: to look at")
    parser.add_argument("--every", action="store_true", help="the first screen at every width in both themes")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these pages alone")
    given = parser.parse_args()
    try:
        made = draw(f"{given.url.rstrip('/')}/", given.folder, every=given.every, whole=given.all, only=given.only)
    except urllib.error.URLError as error:
        parser.error(
            f"no bot answers at {given.url} ({error.reason}); start one with `make run`, or name it with --url"
        )
    print(json.dumps({"pictures": made}))


if __name__ == "__main__":
    main()
