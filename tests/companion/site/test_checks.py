"""The checks of built HTML find what is planted, and nothing in a clean page."""

from __future__ import annotations

from pathlib import Path

import pytest

from companion.site import checks
from companion.sphinxext.pages.icons import without_unused

CLEAN = """<html><head><title>A page</title><link rel="stylesheet" href="look.css"></head><body>
<article><h1 id="top">A page</h1><a href="#top">up</a> <a href="https://example.org">out</a>
<img src="fig.png" alt="Two lines"></article><script>var a = "book/page.html";</script></body></html>"""


def written(folder: Path, html: str, css: str = "p { color: #123 }") -> checks.Site:
    (folder / "page.html").write_text(html, encoding="utf-8")
    (folder / "look.css").write_text(css, encoding="utf-8")
    (folder / "fig.png").write_bytes(b"\x89PNG")
    return checks.Site(folder)


def test_a_clean_page_has_no_fault(tmp_path: Path) -> None:
    built = written(tmp_path, CLEAN)
    assert [fault for check in checks.ALL for fault in check(built)] == []


@pytest.mark.parametrize(
    ("check", "old", "new"),
    [
        (checks.broken_links, 'href="#top"', 'href="#bottom"'),
        (checks.broken_links, 'href="#top"', 'href="none.html"'),
        (checks.broken_links, 'src="fig.png"', 'src="gone.png"'),
        (checks.outside_loads, "<script>", '<script src="https://cdn.example.org/a.js">'),
        (checks.outside_loads, "<script>", '<script src="//cdn.example.org/a.js">'),
        (checks.outside_loads, 'href="look.css"', 'href="https://fonts.example.org/a.css"'),
        (checks.outside_loads, '"fig.png"', '"https://example.org/fig.png"'),
        (checks.outside_loads, "<article>", '<article><iframe src="https://example.org"></iframe>'),
        (checks.outside_loads, "<article>", '<article style="background: url(https://example.org/a.png)">'),
        (checks.outside_loads, '"book/page.html"', '"https://unpkg.com/thebe@0.9.0/lib/index.js"'),
        *(
            (checks.outside_loads, "<article>", f"<article>{markup}")
            for markup in (
                '<svg><image href="https://example.org/a.png"/></svg>',
                '<svg><image xlink:href="//example.org/a.png"/></svg>',
                '<svg><use href="https://example.org/a.svg#x"/></svg>',
                '<video poster="https://example.org/a.png"></video>',
                '<video><source src="https://example.org/a.mp4"></video>',
                '<audio src="https://example.org/a.ogg"></audio>',
                '<picture><source srcset="fig.png 1x, https://example.org/b.png 2x"></picture>',
                "<iframe srcdoc='&lt;img src=&quot;https://example.org/a.png&quot;&gt;'></iframe>",
                '<meta http-equiv="refresh" content="0; URL=\'https://example.org/\'">',
                "<style>p { background: url(//example.org/a.png) }</style>",
                "<script>import(`https://example.org/a.js`)</script>",
                "<script>import ( 'https://example.org/a.js' )</script>",
            )
        ),
        (checks.image_faults, ' alt="Two lines"', ""),
        (checks.image_faults, "Two lines", ""),
        (checks.image_faults, "Two lines", "fig.png"),
        (checks.image_faults, "Two lines", "../../_images/fig.png"),
        (checks.heading_faults, "</article>", "<h1>Another</h1></article>"),
        (checks.heading_faults, '<h1 id="top">A page</h1>', '<p id="top">A page</p>'),
        (checks.heading_faults, "<title>A page</title>", ""),
        (checks.double_ids, "<article>", '<article id="top">'),
        (checks.leftovers, "</article>", "<pre>Traceback (most recent call last)</pre></article>"),
    ],
)
def test_a_planted_fault_is_found(check, old: str, new: str, tmp_path: Path) -> None:
    assert old in CLEAN
    assert len(check(written(tmp_path, CLEAN.replace(old, new)))) == 1


@pytest.mark.parametrize("css", ["@import 'https://example.org/a.css';", "p { src: url('//example.org/a.woff') }"])
def test_style_sheets_are_read_too(css: str, tmp_path: Path) -> None:
    assert len(checks.outside_loads(written(tmp_path, CLEAN, css))) == 1


def test_weight_counts_what_a_page_loads_but_not_the_mathematics(tmp_path: Path) -> None:
    (tmp_path / "mathjax").mkdir()
    (tmp_path / "mathjax/tex.js").write_text("x" * 5000, encoding="utf-8")
    html = CLEAN.replace("<script>", '<script src="mathjax/tex.js"></script><script>')
    assert checks.heavy_pages(written(tmp_path, html), 2000) == []
    assert len(checks.heavy_pages(written(tmp_path, html, "x" * 3000), 2000)) == 1


def test_icons_are_kept_by_name_and_alias() -> None:
    bars, other, mark = (
        'bars:[448,512,["navicon"],"f0c9","M0"],',
        '"a-b":[1,2,[],"e0",["M1","M2"]],',
        'xmark:[3,4,[],"f00d","M3"]',
    )
    script = f"var i={{{bars}{other}{mark}}};"
    assert without_unused(script, {"navicon", "xmark"}) == f"var i={{{bars}{mark}}};"


def test_scripts_of_this_project_are_read_but_not_the_themes(tmp_path: Path) -> None:
    built = written(tmp_path, CLEAN)
    for name in ("_static/own.js", "_static/mathjax/tex.js", "_static/scripts/theme.js"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("fetch('https://example.org/a.json'); import(`https://example.org/b.js`)")
    assert checks.outside_loads(built) == [
        "_static/own.js: a script loads https://example.org/a.json",
        "_static/own.js: a script loads https://example.org/b.js",
    ]
    (tmp_path / "_static/own.js").write_text("// see https://example.org\nfetch('a.json')")
    assert checks.outside_loads(built) == []
