"""The site: built without a warning, its lists those of the code, opened in a real browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from html.parser import HTMLParser
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

import pytest

import cxone_idem
from cxone_idem import Cause, Config, MessageStatus, Origin
from cxone_idem.cli.app import COMMANDS
from cxone_idem.cli.output import Exit
from cxone_idem.setting import variable
from cxone_idem.sqs import metrics
from tests.documents.site.pages import API, MERMAID, public_names
from tests.support.browser import PHONE_WIDTH, find_browser, inspect
from tests.support.documents import GUIDES, ROOT

if TYPE_CHECKING:
    from pathlib import Path

NO_BROWSER = "there is no browser here: make browser fetches one"


class Page(HTMLParser):
    """What a page links to, loads, and can be linked at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = {""}
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.add(values.get("id", ""))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag in {"script", "img", "iframe", "source"} and "src" in values:
            self.loads.append(values["src"])
        elif tag == "link" and values.get("rel") in {"stylesheet", "icon", "preload"}:
            self.loads.append(values["href"])

    def handle_data(self, data: str) -> None:
        self.text += data


class Site(NamedTuple):
    home: Path
    pages: dict[str, Page]

    def is_dead(self, page: str, link: str) -> bool:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            return False
        target = (self.home / page).parent / unquote(parts.path) if parts.path else self.home / page
        name = os.path.relpath(target, self.home)
        if name in self.pages:
            return unquote(parts.fragment) not in self.pages[name].anchors
        return name.startswith("..") or not target.is_file()

    def dead_links(self) -> list[tuple[str, str]]:
        return [
            (name, link)
            for name, page in self.pages.items()
            for link in (*page.links, *page.loads)
            if self.is_dead(name, link)
        ]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return the site, built as `make docs` does it; a warning fails."""
    home = tmp_path_factory.mktemp("site") / "docs"
    done = subprocess.run(
        [sys.executable, "-m", "tests.documents.site", home],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr
    pages = {
        path.relative_to(home).as_posix(): Page(path.read_text()) for path in home.rglob("*.html")
    }
    return Site(home, pages)


def test_no_link_is_dead(site: Site) -> None:
    """Each page and anchor that a page of the site names is there."""
    assert sum(len(page.links) for page in site.pages.values()) > 1000
    assert not site.dead_links()


@pytest.mark.parametrize("link", ["nowhere.html", "#nowhere", "api/cxone_idem.html#x", "../x"])
def test_a_dead_link_of_the_site_is_seen(site: Site, link: str) -> None:
    """Control: the check can fail."""
    assert site.is_dead("index.html", link)


def test_nothing_is_fetched_from_elsewhere(site: Site) -> None:
    """Scripts, styles, fonts and pictures are the site's own."""
    elsewhere = [load for page in site.pages.values() for load in page.loads if "//" in load]
    assert not elsewhere
    for style in site.home.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", style.read_text()), style


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("settings", [variable(setting.name) for setting in fields(Config)]),
        ("statuses", [status.value for status in MessageStatus]),
        ("causes", [cause.value for cause in Cause]),
        ("log_fields", ["status", "cause", "error", *(field.name for field in fields(Origin))]),
        ("metrics", metrics.UNITS),
        ("exit_codes", [code.name for code in Exit]),
        ("command_line", [f"cxone-idem {name}" for name in COMMANDS]),
    ],
)
def test_the_reference_has_every_name(site: Site, page: str, names: list[str]) -> None:
    """What the code has, the site lists."""
    text = site.pages[f"reference/{page}.html"].text
    assert not [name for name in names if name not in text]


def test_the_api_has_every_public_name(site: Site) -> None:
    """Each name that a module offers can be linked at."""
    assert set(cxone_idem.__all__) == set(public_names("cxone_idem"))
    for module in API:
        anchors = site.pages[f"api/{module}.html"].anchors
        assert not {f"{module}.{name}" for name in public_names(module)} - anchors


def test_the_site_has_every_guide(site: Site) -> None:
    """Each is linked from the front page."""
    assert {f"examples/{name}/index.html" for name in GUIDES} <= set(site.pages["index.html"].links)


@pytest.fixture
def browser() -> str:
    """Return a browser; skip without one, or fail where every test must run."""
    found = find_browser()
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(NO_BROWSER)
    return found


def test_a_browser_reads_it_on_a_phone(site: Site, browser: str, tmp_path: Path) -> None:
    """Every page fits the screen, nothing is missing, search finds an error, diagrams are drawn."""
    diagrams = "pre.mermaid svg" if MERMAID.exists() else "h1"
    search = "search.html?q=InProgressError"
    pages = [(name, "h1") for name in site.pages if name not in {"index.html", "search.html"}]
    pages += [("index.html", diagrams), (search, "#search-results li a")]
    reports, missing = inspect(browser, site.home, pages, tmp_path)
    assert not missing
    assert [report["page"] for report in reports] == [name for name, _ in pages]
    for report in reports:
        assert report["ready"], report
        assert report["clientWidth"] == PHONE_WIDTH, report
        assert report["scrollWidth"] <= PHONE_WIDTH, report
        assert "width=device-width" in report["viewport"], report
        assert report["fontSize"] >= 16, report
        assert all(size >= 9 for size in report["letters"]), report
        assert all(load.startswith("http://127.0.0.1:") for load in report["loaded"])
    assert reports[-1]["ready"][0] == "cxone_idem.InProgressError"
    assert len(reports[-2]["ready"]) == (2 if MERMAID.exists() else 1)


def test_a_browser_sees_a_page_that_is_too_wide(browser: str, tmp_path: Path) -> None:
    """Control: a wide page and a missing picture are reported."""
    wide = '<h1>x</h1><img src="none.png"><p style="width: 800px">x</p>'
    (tmp_path / "wide.html").write_text(wide)
    (report,), missing = inspect(browser, tmp_path, [("wide.html", "h1")], tmp_path / "profile")
    assert report["scrollWidth"] > PHONE_WIDTH
    assert not report["viewport"]
    assert missing == ["/none.png"]
