"""What holds by construction: folded by the script, opened by the address of a row, open without scripts."""

from __future__ import annotations

from typing import Any

import pytest

from companion.site.checks import Site

LIST = "details.companion-folded"


@pytest.fixture(scope="module")
def page(book: Site) -> str:
    """The address of a chapter's claims page that has such a list."""
    for path in sorted((book.folder / "book").rglob("claims.html")):
        if "companion-folded" in path.read_text(encoding="utf-8"):
            return path.as_uri()
    pytest.skip("no chapter has claims that hold by construction")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_row_in_the_list_is_reached(browser: Any, page: str, scripts: bool) -> None:
    context = browser.new_context(
        viewport={"width": 1300, "height": 900}, java_script_enabled=scripts, reduced_motion="reduce"
    )
    window = context.new_page()
    window.route("**/mathjax/**", lambda asked: asked.abort())
    window.goto(page, wait_until="load")
    row = window.locator(f"{LIST} tbody[id]").last
    name = row.get_attribute("id")
    assert row.is_visible() != scripts, "folded by the script, open without it"
    window.goto("about:blank")
    window.goto(f"{page}#{name}", wait_until="load")
    row.wait_for(state="visible")
    assert -1 <= row.bounding_box()["y"] < 900
    context.close()


def test_a_link_on_the_page_opens_the_list(browser: Any, page: str) -> None:
    context = browser.new_context(viewport={"width": 1300, "height": 900}, reduced_motion="reduce")
    window = context.new_page()
    window.route("**/mathjax/**", lambda asked: asked.abort())
    window.goto(page, wait_until="load")
    row = window.locator(f"{LIST} tbody[id]").first
    window.evaluate("name => { location.hash = name; }", row.get_attribute("id"))
    row.wait_for(state="visible")
    context.close()
