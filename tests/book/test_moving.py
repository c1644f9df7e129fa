"""The player of moving pictures in a browser: at rest until it is played, dragged by hand, calm where asked."""

from __future__ import annotations

from typing import Any

import pytest

FRAME = "document.querySelector('[data-role=frame]').src"
VALUE = "document.querySelector('[data-role=value]').textContent"


@pytest.fixture(scope="module")
def film() -> str:
    """A film of three frames."""
    from contdepth.studies.common.moving import moving_picture

    def draw(figure: Any, t: float) -> None:
        figure.subplots().barh([0], [t])

    picture = moving_picture("film", draw, [0, 0.5, 1], alt="a bar", width=2, height=1.5, shown=2, seconds=0.3)
    return f"<!doctype html><title>film</title><body>{picture}</body>"


def opened(browser: Any, film: str, **options: Any) -> Any:
    window = browser.new_context(**options).new_page()
    window.set_content(film)
    return window


def test_it_rests_plays_and_stops(browser: Any, film: str) -> None:
    window = opened(browser, film, reduced_motion="no-preference")
    first = window.evaluate(FRAME)
    window.wait_for_timeout(350)
    assert window.evaluate(FRAME) == first and window.evaluate(VALUE) == "1"
    button = window.get_by_role("button")
    button.click()
    window.wait_for_function(f"{VALUE} !== '1'")
    assert window.evaluate(FRAME) != first and button.inner_text() == "Pause"
    window.wait_for_function(f"{VALUE} === '1'")
    assert window.evaluate(FRAME) == first
    button.click()
    held = window.evaluate(VALUE)
    window.wait_for_timeout(350)
    assert window.evaluate(VALUE) == held and button.inner_text() == "Play"
    window.context.close()


def test_the_slider_has_a_name_and_holds_a_frame(browser: Any, film: str) -> None:
    window = opened(browser, film)
    slider = window.get_by_role("slider", name="t")
    slider.fill("0")
    assert window.evaluate(VALUE) == "0" and slider.get_attribute("aria-valuetext") == "t = 0"
    window.context.close()


def test_less_motion_leaves_the_slider_and_no_scripts_the_still_picture(browser: Any, film: str) -> None:
    window = opened(browser, film, reduced_motion="reduce")
    assert not window.get_by_role("button").is_visible() and window.get_by_role("slider").is_visible()
    window.context.close()
    window = opened(browser, film, java_script_enabled=False)
    assert window.get_by_alt_text("a bar").is_visible() and not window.locator("[data-role=controls]").is_visible()
    window.context.close()
