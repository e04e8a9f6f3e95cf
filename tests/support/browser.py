"""browser - headless Chromium: a page as it is after its script has run."""

import re
import shutil
import subprocess
import tempfile
from html.parser import HTMLParser

from support.wait import PATIENCE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
REASON = "Chromium is not installed (Debian's package chromium)"
SETTLE_MS = 3000  # of the page's own clock, which runs ahead of ours
PHONE, DESK = (390, 1600), (1200, 1200)
COMPLAINT = re.compile(r"CONSOLE.*(Refused to|Uncaught|violates|Error)", re.I)


class _Text(HTMLParser):
    """What a reader sees: each element's own text, by id where it has one."""

    SILENT = {"script", "style", "title", "noscript"}
    VOID = {"meta", "link", "br"}

    def __init__(self):
        super().__init__()
        self._open = []
        self.pieces = []
        self.resources = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self._open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "data", "action"):
                self.resources.append((tag, value))

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if not self.SILENT & set(self._open) and data.strip():
            self.pieces.append(data.strip())


class Page:
    def __init__(self, dom, log):
        reader = _Text()
        reader.feed(dom)
        self.dom = dom
        self.pieces = reader.pieces
        self.text = " ".join(reader.pieces)
        self.resources = reader.resources
        self.complaints = [line for line in log.splitlines() if COMPLAINT.search(line)]


def _run(url, size, dark, *options):
    with tempfile.TemporaryDirectory(prefix="ub-chromium-") as profile:
        result = subprocess.run(
            [
                CHROMIUM,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--no-first-run",
                "--hide-scrollbars",
                "--enable-logging=stderr",
                f"--user-data-dir={profile}",
                f"--window-size={size[0]},{size[1]}",
                f"--blink-settings=preferredColorScheme={0 if dark else 1}",
                f"--virtual-time-budget={SETTLE_MS}",
                *options,
                url,
            ],
            capture_output=True,
            timeout=2 * PATIENCE,
            check=False,
        )
    log = result.stderr.decode("utf-8", "replace")
    assert result.returncode == 0, log[-2000:]
    return result.stdout.decode("utf-8", "replace"), log


def visit(url, size=DESK, dark=False):
    """The Page at url."""
    return Page(*_run(url, size, dark, "--dump-dom"))


def screenshot(url, path, size=DESK, dark=False):
    """For people to look at; tests compare text."""
    _run(url, size, dark, f"--screenshot={path}")
