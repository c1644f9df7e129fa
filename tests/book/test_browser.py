"""Every page of the built book in a real browser, light and dark, wide and narrow.

Each page is loaded once. Asked of it: no serious or critical finding of axe-core, no sideways scrolling, no error
in the console, no request to another host, all mathematics typeset. ``gate.js`` holds the questions.
"""

from __future__ import annotations

import importlib.resources
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from book_pages import book_pages

from companion.errors import CompanionError
from companion.site.browser import VARIABLE, find_chromium, served
from companion.site.checks import Site

AXE = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
GATE = Path(__file__).with_name("gate.js").read_text(encoding="utf-8")
STILL = "*, *::before, *::after { transition: none !important; animation: none !important; }"
HEIGHT = 900
FIRST_THEMES = {1300: ("light", "dark"), 390: ("dark", "light")}
"""Width to the themes, in the order in which they are looked at.

Structure (names, roles, sizes of targets, what can be reached by keys) follows from the markup and the width, not
from the theme, so it is asked once at each width; as the first theme differs, each theme is asked as well. Colours
are asked in all four combinations, with everything that folds unfolded: each way of painting text once (gate.js).
"""
UNFOLDED = 390
"""The width at which structure is asked again, of what unfolding brings to light."""


FOCUSABLE = """() => [...document.querySelectorAll("pre")].every(
    e => e.tabIndex === 0 || e.scrollWidth <= e.clientWidth)"""
"""Whether the theme is done; where it never is, axe says so all the same."""


class Passed:
    """The ways of painting text that axe has passed, by theme; test processes tell each other through a file."""

    def __init__(self, path: Path | None = None) -> None:
        self.path, self.read = path, 0
        self.ways: dict[str, set[str]] = {"light": set(), "dark": set()}

    def known(self, theme: str) -> list[str]:
        """Return the ways passed so far in a theme, here or in another process."""
        if self.path is not None and self.path.is_file():
            with self.path.open("rb") as file:
                file.seek(self.read)
                lines = file.read().splitlines(keepends=True)
            for line in lines:
                if line.endswith(b"\n"):  # else another process is still writing it
                    self.read += len(line)
                    name, ways = json.loads(line)
                    self.ways[name].update(ways)
        return list(self.ways[theme])

    def add(self, theme: str, ways: list[str]) -> None:
        """Note ways that passed."""
        self.ways[theme].update(ways)
        if self.path is not None and ways:
            line = f"{json.dumps([theme, ways])}\n".encode()
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                os.write(file, line)  # whole, since the file is only appended to
            finally:
                os.close(file)


class Reader:
    """One window that notes what pages do wrong."""

    def __init__(self, browser: Any, host: str, passed: Passed | None = None) -> None:
        self.host = host
        self.context = browser.new_context(reduced_motion="reduce", viewport={"width": 1300, "height": HEIGHT})
        self.context.add_init_script(f"{AXE};\n{GATE}")
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.passed = passed or Passed()
        self.page.on(
            "console",
            lambda said: said.type == "error" and self.note(f"console: {said.text} ({said.location.get('url')})"),
        )
        self.page.on("pageerror", lambda error: self.note(f"a script fails: {error}"))
        # the browser resolves no other host (companion.site.browser), so these requests fail: intercepting
        # them here would switch off the cache, and the mathematics script would be read anew for each page
        self.page.on("request", lambda request: self.own(request.url) or self.note(f"asks for {request.url}"))

    def own(self, url: str) -> bool:
        """Tell whether an address is part of the book."""
        return url.startswith((self.host, "data:", "blob:"))

    def note(self, fault: str) -> None:
        """Keep a fault, once."""
        if fault not in self.faults:
            self.faults.append(fault)

    def look(self, url: str) -> list[str]:
        """Open a page and return its faults in all four combinations."""
        self.faults = []
        self.page.goto("about:blank")  # else the page before would be laid out once more
        self.page.set_viewport_size({"width": 1300, "height": HEIGHT})
        self.page.goto(url, wait_until="load")
        self.page.add_style_tag(content=STILL)
        for fault in self.page.evaluate("gate.mathematics()"):
            self.note(fault)
        for width, themes in FIRST_THEMES.items():
            if width != 1300:
                self.page.set_viewport_size({"width": width, "height": HEIGHT})
                for wait in (350, *[250] * 10):  # the theme makes what scrolls focusable 300 ms after
                    self.page.wait_for_timeout(wait)
                    if self.page.evaluate(FOCUSABLE):
                        break
            self.page.evaluate("name => gate.theme(name)", themes[0])
            self.scrolls(width, "")
            self.judged(self.page.evaluate("gate.structure()"), f"{width} px")
            self.page.evaluate("gate.unfold(true)")
            self.scrolls(width, ", unfolded")
            if width == UNFOLDED:
                self.judged(self.page.evaluate("gate.unfolded()"), f"{width} px, unfolded")
            for theme in themes:
                self.page.evaluate("name => gate.theme(name)", theme)
                found = self.page.evaluate("known => gate.colours(known)", self.passed.known(theme))
                self.judged(found["faults"], f"{theme}, {width} px")
                self.passed.add(theme, found["fresh"])
            self.page.evaluate("gate.unfold(false)")
        return self.faults

    def scrolls(self, width: int, how: str) -> None:
        """Note a page that scrolls sideways, and what makes it do so."""
        if wide := self.page.evaluate("gate.wide()"):
            self.note(f"scrolls sideways at {width} px{how}: {'; '.join(wide)}")

    def judged(self, found: list[dict[str, Any]], where: str) -> None:
        """Note what axe found: rule, how many, then selector and summary of the first few."""
        for one in found:
            nodes = "".join(f"\n      {selector}: {summary}" for selector, summary in one["nodes"])
            self.note(f"{one['rule']} ({one['impact']}; {where}; {one['count']} places): {one['help']}{nodes}")


@pytest.fixture(scope="module")
def reader(browser: Any, book: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    session = tmp_path_factory.getbasetemp()
    folder = session.parent if "PYTEST_XDIST_WORKER" in os.environ else session
    with served(book.folder) as host:
        found = Reader(browser, host, Passed(folder / "passed.jsonl"))
        yield found
        found.context.close()


@pytest.mark.parametrize("name", book_pages())
def test_page(reader: Reader, name: str) -> None:
    faults = reader.look(f"{reader.host}/{name}")
    assert not faults, f"{name}:\n" + "\n".join(f"  - {fault}" for fault in faults)


def test_no_page_escapes_the_gate(book: Site) -> None:
    assert {page.name for page in book.written} == set(book_pages())


BAD = """<!doctype html><html lang="en"><head><title>Bad</title>
<style>html[data-theme="dark"] .dim { color: #444; background: #333 }
details:not([open]) + select { display: none }</style></head><body><main>
<h1>A bad page</h1><p style="color:#aaa;background:#fff">Pale words.</p><p class="dim">Dim in the dark.</p>
<input type="text"><div style="width:700px">wide</div><span class="math">\\(x\\)</span>
<details><summary>More</summary><p style="color:#eee;background:#fff">Folded and pale.</p>
<input type="text" id="within"></details><select id="beside"><option>One</option></select>
<img src="http://outside.example/a.png" alt="An image">
<script>console.error("it broke"); undefinedFunction();</script>
</main></body></html>"""


@pytest.fixture(scope="module")
def found_bad(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("bad")
    (folder / "bad.html").write_text(BAD, encoding="utf-8")
    (folder / "favicon.ico").write_bytes(b"")
    with served(folder) as host:
        reader = Reader(browser, host)
        faults = reader.look(f"{host}/bad.html")
        reader.context.close()
    return faults


@pytest.mark.parametrize(
    "words",
    [
        ("color-contrast", "light, 1300 px", "#aaaaaa"),
        ("color-contrast", "dark, 1300 px", "#444444"),
        ("color-contrast", "dark, 390 px", "#444444"),
        ("color-contrast", "#eeeeee"),
        ("label", "critical", "input"),
        ("label", "390 px, unfolded", "#within"),
        ("select-name", "390 px, unfolded", "#beside"),
        ("console: it broke",),
        ("a script fails", "undefinedFunction"),
        ("asks for http://outside.example/a.png",),
        ("scrolls sideways at 390 px", "div"),
        ("mathematics not typeset",),
    ],
    ids=lambda words: " ".join(words),
)
def test_the_gate_can_fail(found_bad: list[str], words: tuple[str, ...]) -> None:
    assert any(all(word in fault for word in words) for fault in found_bad), "\n".join(found_bad)


def test_a_good_page_passes(browser: Any, tmp_path: Path) -> None:
    good = (
        BAD[: BAD.index("<style>")] + "</head><body><main><h1>A good page</h1><p>Words.</p></main></body></html>"
    )
    (tmp_path / "good.html").write_text(good, encoding="utf-8")
    (tmp_path / "favicon.ico").write_bytes(b"")
    with served(tmp_path) as host:
        reader = Reader(browser, host)
        assert reader.look(f"{host}/good.html") == []
        assert len(reader.page.evaluate("gate.rest")) > 40, "axe's rules no longer say how grave they are"
        reader.context.close()


@pytest.mark.parametrize(
    ("named", "path", "words"),
    [("none", None, "go without"), ("no-such-browser", None, "expected a program"), (None, "", "install one")],
)
def test_a_missing_browser_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str | None, path: str | None, words: str
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if named:
        monkeypatch.setenv(VARIABLE, named)
    if path is not None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr("companion.site.browser.PLACES", ())
    with pytest.raises(CompanionError, match=words):
        find_chromium()
