"""A real browser, headless: it opens pages of a site and reports what it finds there.

No driver: a page of ours opens the others in a frame as wide as a phone and posts its report.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from examples.local_stack import ENGINES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CHROMIUM = ENGINES / "chromium" / "chromium"
PHONE_WIDTH = 390
_INSTALLED = ("chromium", "chromium-browser", "google-chrome")
_INSPECTOR = "/inspector.html"

# For each page: what its document is like once `ready` finds something in it.
_SCRIPT = """
<link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width">
<iframe id="frame" style="border: 0; width: %(width)dpx; height: 844px"></iframe>
<script>
const pause = () => new Promise(resolve => setTimeout(resolve, 50));
async function inspect([page, ready]) {
  await new Promise(resolve => { frame.onload = resolve; frame.src = page; });
  const view = frame.contentWindow, root = view.document.documentElement;
  for (let tries = 0; !root.querySelector(ready) && tries < 200; tries++) await pause();
  return {
    page,
    ready: [...root.querySelectorAll(ready)].map(found => found.textContent.slice(-99)),
    clientWidth: root.clientWidth,
    scrollWidth: root.scrollWidth,
    viewport: root.querySelector("meta[name=viewport]")?.content ?? "",
    fontSize: parseFloat(view.getComputedStyle(view.document.body).fontSize),
    // Letters of a diagram shrink with it, from 16 pixels.
    letters: [...root.querySelectorAll("pre.mermaid svg")].map(
      svg => 16 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width),
    loaded: view.performance.getEntriesByType("resource").map(entry => entry.name),
  };
}
(async () => {
  const reports = [];
  try {
    for (const page of %(pages)s) reports.push(await inspect(page));
  } catch (error) {
    reports.push(String(error));
  }
  await fetch("/report", {method: "POST", body: JSON.stringify(reports)});
})();
</script>
"""


def find_browser() -> str | None:
    """Return the browser that a make target installed, or else one of this machine."""
    if CHROMIUM.exists():
        return str(CHROMIUM)
    return next(filter(None, map(shutil.which, _INSTALLED)), None)


class _Site(ThreadingHTTPServer):
    def __init__(self, home: Path, inspector: str) -> None:
        class Handler(_Handler):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args, directory=str(home))

        super().__init__(("127.0.0.1", 0), Handler)
        self.inspector = inspector.encode()
        self.reports: SimpleQueue[Any] = SimpleQueue()
        self.missing: list[str] = []


class _Handler(SimpleHTTPRequestHandler):
    server: _Site

    def do_GET(self) -> None:
        if self.path != _INSPECTOR:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.server.inspector)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.server.reports.put(json.loads(body))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.server.missing.append(self.path)
        super().send_error(code, message, explain)

    def log_message(self, *_: Any) -> None:
        pass


def inspect(
    browser: str, home: Path, pages: Sequence[tuple[str, str]], profile: Path
) -> tuple[list[dict[str, Any]], list[str]]:
    """Open pages, each with what to wait for; return a report of each, and what was missing."""
    script = _SCRIPT % {"width": PHONE_WIDTH, "pages": json.dumps(pages)}
    site = _Site(home, script)
    Thread(target=site.serve_forever, daemon=True).start()
    try:
        with _running(browser, f"http://127.0.0.1:{site.server_port}{_INSPECTOR}", profile):
            return site.reports.get(timeout=60), site.missing
    finally:
        site.shutdown()
        site.server_close()


@contextmanager
def _running(browser: str, url: str, profile: Path) -> Iterator[None]:
    environ = dict(os.environ)
    if browser == str(CHROMIUM):  # it brings what a bare machine lacks
        environ |= {
            "LD_LIBRARY_PATH": str(CHROMIUM.parent / "lib"),
            "FONTCONFIG_PATH": str(CHROMIUM.parent),
        }
    options = [
        "--headless",
        "--no-sandbox",  # which root cannot have; the pages are our own
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--hide-scrollbars",  # as on a phone
        "--disable-background-networking",
        "--remote-debugging-port=0",  # or it would end as soon as the page is there
        f"--user-data-dir={profile}",
    ]
    process = subprocess.Popen(
        [browser, *options, url],
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)
