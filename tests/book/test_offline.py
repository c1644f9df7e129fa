"""The built book, opened from the file system: no server, no other host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from companion.site.checks import Site

MATHEMATICAL = "book/yopo/hamiltonian.html"
WORD = "Hamiltonian"
LEFT = "net::ERR_ABORTED"
"""What a browser says of a request whose page was left before the answer; a missing file is ERR_FILE_NOT_FOUND."""


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A window in which no script may fail and nothing may be asked of another host."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, color_scheme="light")
    window, faults = context.new_page(), []
    window.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    window.on("pageerror", lambda error: faults.append(str(error)))
    window.on(
        "requestfailed",
        lambda request: (
            faults.append(f"cannot load {request.url}: {request.failure}") if request.failure != LEFT else None
        ),
    )
    window.on(
        "request",
        lambda request: (
            faults.append(f"asks for {request.url}")
            if not request.url.startswith(("file:", "data:", "blob:"))
            else None
        ),
    )
    yield window
    context.close()
    assert faults == []


def test_the_folder_opens_with_the_landing_page(page: Any, book: Site) -> None:
    page.goto((book.folder / "index.html").as_uri())
    page.wait_for_url("**/book/index.html")
    assert page.locator("article h1").count() == 1


def test_mathematics_is_typeset(page: Any, book: Site) -> None:
    page.goto((book.folder / MATHEMATICAL).as_uri())
    page.evaluate("MathJax.startup.promise.then(() => true)")
    assert page.locator("mjx-container svg").count() == page.locator(".math").count() > 10


def test_search_lists_the_pages_with_a_word(page: Any, book: Site) -> None:
    page.goto(f"{(book.folder / 'search.html').as_uri()}?q={WORD}")
    page.wait_for_function("document.querySelector('#search-results')?.innerText.includes('finished')")
    links = page.locator("#search-results li > a")
    assert links.count() >= 3
    addresses = links.evaluate_all("all => all.map(link => link.href)")
    assert any(MATHEMATICAL in address for address in addresses)
    links.first.click()
    page.wait_for_url("**/book/**")


def test_the_search_field_of_a_page_leads_to_the_search_page(page: Any, book: Site) -> None:
    page.goto((book.folder / MATHEMATICAL).as_uri())
    page.keyboard.press("Control+k")
    page.keyboard.type(WORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/search.html?q={WORD}")


def test_the_theme_can_be_switched_and_stays(page: Any, book: Site) -> None:
    page.goto((book.folder / "book/verdicts.html").as_uri())
    theme = "() => document.documentElement.dataset.theme"
    seen = [page.evaluate(theme)]
    for _ in range(3):
        page.locator("button.theme-switch-button:visible").first.click()
        seen.append(page.evaluate(theme))
    assert set(seen) == {"light", "dark"}
    while page.evaluate(theme) != "dark":
        page.locator("button.theme-switch-button:visible").first.click()
    page.reload()
    assert page.evaluate(theme) == "dark"
