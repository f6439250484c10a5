"""The HTML of every page: one layout around the part that is the page's own.

A file of `pages/` holds what its header shows after the name of the program, a line `<!-- below the header -->`, and
the rest. The style comes inside the page and scripts wait for it, so that the first paint waits for one answer.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

from starlette.responses import HTMLResponse

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss:; "
    "img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

CHARTS: Final = "static/lightweight-charts.js"
SWAGGER: Final = "static_content/swagger-ui-bundle.js"
SWAGGER_STYLE: Final = "static_content/swagger-ui.css"

_BORDER: Final = "<!-- below the header -->\n"
_IMPORT: Final = re.compile(r'^import .* from "\./(\w+\.js)";$', re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """What a page loads: its module of `static/`, scripts before it and style sheets, from the root of the site."""

    title: str
    module: str
    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    mode: str = "simulated"
    """Colour of the border until the page knows the bot's mode."""
    depth: int = 0
    """Folders between the root of the site and the page's address."""


PAGES: Final = {
    "index": Page("oddsmith", "app.js", (CHARTS,), mode="waiting"),
    "market": Page("Market · oddsmith", "market.js", (CHARTS,), depth=1),
    "days": Page("Looking back · oddsmith", "days.js", (CHARTS,)),
    "reports": Page("Reports · oddsmith", "reports.js"),
    "profiles": Page("Profiles · oddsmith", "profiles.js"),
    "glossary": Page("Glossary · oddsmith", "words.js"),
    "docs": Page("API · oddsmith", "api.js", (SWAGGER,), (SWAGGER_STYLE,)),
}


def page(folder: Path, name: str) -> HTMLResponse:
    """A page of `PAGES`; `folder` is the dashboard's."""
    about, root = PAGES[name], "../" * PAGES[name].depth
    header, _, body = (folder / "pages" / f"{name}.html").read_text(encoding="utf-8").partition(_BORDER)
    layout = Template((folder / "pages" / "layout.html").read_text(encoding="utf-8"))
    html = layout.substitute(
        title=about.title,
        root=root,
        mode=about.mode,
        head="\n".join(_head(folder / "static", about, root)),
        style=(folder / "static" / "app.css").read_text(encoding="utf-8"),
        header=header.rstrip("\n"),
        body=body.rstrip("\n"),
    )
    return HTMLResponse(html, headers=HEADERS)


def _head(static: Path, about: Page, root: str) -> list[str]:
    """Links and scripts. Imported modules are named, so that they load together and not one after the other."""
    styles = [f'  <link rel="stylesheet" href="{root}{path}">' for path in about.styles]
    imported = [f'  <link rel="modulepreload" href="{root}static/{name}">' for name in _imports(static, about.module)]
    scripts = [f'  <script src="{root}{path}" defer></script>' for path in about.scripts]
    return [*styles, *imported, *scripts, f'  <script type="module" src="{root}static/{about.module}"></script>']


def _imports(static: Path, module: str) -> list[str]:
    """Modules that a module imports, and those that they import, each once."""
    found: dict[str, None] = {}
    left = [module]
    while left:
        new = [name for name in _IMPORT.findall((static / left.pop()).read_text(encoding="utf-8")) if name not in found]
        found |= dict.fromkeys(new)
        left += new
    return [name for name in found if name != module]
