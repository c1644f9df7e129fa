"""The scripts of the figures to drag compute what the library computes; they are small and load nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "book/_assets/widgets"
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
MOST = 8192
"""A script has fewer bytes."""

Evaluate = Callable[[str, str, object], Any]


@pytest.fixture(scope="module")
def evaluate(browser: Any) -> Iterator[Evaluate]:
    """Give what an expression of ``data`` is after a script was loaded: script, expression, data."""
    context = browser.new_context()
    window, loaded = context.new_page(), set()

    def found(name: str, expression: str, data: object) -> Any:
        if name not in loaded:
            window.evaluate(f"{(FOLDER / name).read_text(encoding='utf-8')};0")
            loaded.add(name)
        return json.loads(window.evaluate(f"data => JSON.stringify({expression})", data))

    yield found
    context.close()


def test_stability_has_the_roots_of_the_library(evaluate: Evaluate) -> None:
    import torch

    from contdepth.schemes import LinearTwoStep, largest_stable_step
    from contdepth.schemes.stability import amplification, two_step_roots

    draws = torch.rand(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    grid = [
        [-1.5 + 3 * a, -4.4 + 5.6 * b, -2.3 + 4.6 * c, number % 2 == 1]
        for number, (a, b, c) in enumerate(draws.tolist())
    ]
    moduli = evaluate("stability.js", "data.map(d => contdepthStability.rootModulus(...d))", grid)
    places = torch.complex(*torch.tensor([place[1:3] for place in grid], dtype=torch.float64).T)
    wanted = [
        amplification(LinearTwoStep(k=k, rescale=rescale), z).abs()
        if -1 < k < 1
        else two_step_roots(k, z, rescale=rescale).abs().max()
        for (k, _, _, rescale), z in zip(grid, places, strict=True)
    ]
    torch.testing.assert_close(torch.tensor(moduli, dtype=torch.float64), torch.stack(wanted), **CLOSE)

    pairs = torch.tensor(
        evaluate("stability.js", "data.map(d => contdepthStability.roots(...d))", grid), dtype=torch.float64
    )
    wanted = torch.stack([two_step_roots(k, z, rescale=r) for (k, _, _, r), z in zip(grid, places, strict=True)])
    found = torch.view_as_complex(pairs)
    gaps = torch.minimum((found - wanted).abs().amax(-1), (found.flip(-1) - wanted).abs().amax(-1))
    assert gaps.max() <= 1e-9

    ks = [(k, rescale) for k in (-0.95, -0.5, 0.0, 0.4, 0.9) for rescale in (False, True)]
    limits = evaluate("stability.js", "data.map(d => contdepthStability.limit(...d))", ks)
    wanted = [largest_stable_step(k, rescale=rescale) for k, rescale in ks]  # a bisection in single precision
    assert limits == pytest.approx(wanted, rel=1e-6)
    assert (
        evaluate("stability.js", "data.map(k => contdepthStability.limit(k, false))", [-1.5, -1, 1, 1.2])
        == [None] * 4
    )


def test_the_border_is_where_a_root_reaches_the_unit_circle(evaluate: Evaluate) -> None:
    points = [[k, 0.1 + i, rescale] for k in (-0.9, -0.3, 0.0, 0.6) for i in range(6) for rescale in (False, True)]
    expression = (
        "data.map(([k, t, r]) => { const z = contdepthStability.border(k, t, r);"
        "return contdepthStability.rootModulus(k, z[0], z[1], r); })"
    )
    assert evaluate("stability.js", expression, points) == pytest.approx([1.0] * len(points), abs=1e-9)


@pytest.mark.parametrize("size", [3, 5, 7])
def test_filters_and_moments_are_those_of_the_library(evaluate: Evaluate, size: int) -> None:
    import torch

    from contdepth.pde.filters.moments import filter_from_moments, moment_matrix

    given = 3 * torch.rand(200, size, dtype=torch.float64, generator=torch.Generator().manual_seed(size)) - 1.5
    found = evaluate("filter-moments.js", "data.map(contdepthMoments.filter)", given.tolist())
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), filter_from_moments(given, 1), **CLOSE)
    found = evaluate("filter-moments.js", "data.map(contdepthMoments.moments)", given.tolist())
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), moment_matrix(given, 1), **CLOSE)


def test_accuracy_orders_are_those_of_the_library(evaluate: Evaluate) -> None:
    import itertools

    import torch

    from contdepth.pde.filters.moments import accuracy_order, filter_from_moments, finite_difference

    cases = []
    for size, a, spoilt, by in itertools.product((5, 7), (1, 2, 3), range(5), (0.0, 0.05, -1.0)):
        moments = [float(b == a) + by * (b == spoilt) for b in range(size)]
        cases.append((moments, a, filter_from_moments(torch.tensor(moments, dtype=torch.float64))))
    cases += [
        ([float(b == a) for b in range(n)], a, finite_difference(n, (a,))) for n in (5, 7) for a in (1, 2, 3)
    ]
    found = evaluate(
        "filter-moments.js",
        "data.map(([m, a]) => contdepthMoments.accuracy(contdepthMoments.filter(m), a))",
        [case[:2] for case in cases],
    )
    assert found == [accuracy_order(q, (a,)) for _, a, q in cases]


def test_the_slope_of_the_drawn_error_is_the_accuracy(evaluate: Evaluate) -> None:
    """Measured on the curve that the reader sees, between two of its steps."""
    cases = [
        ([0, 1, 0, 0, 0], 1, 4),
        ([0, 1, 0.5, 0, 0], 1, 1),
        ([0, 1, 0, 0.4, 0], 1, 2),
        ([0, 0, 1, 0, 0], 2, 4),
        ([0, 0, 0, 1, 0], 3, 2),
        ([0, 0, 1, -0.5, 0], 2, 1),
        ([0.5, 1, 0, 0, 0], 1, -1),
    ]
    expression = (
        "data.map(([m, a]) => { const q = contdepthMoments.filter(m);"
        "const e = t => contdepthMoments.error(q, a, t); return Math.log2(e(0.1) / e(0.05)); })"
    )
    slopes = evaluate("filter-moments.js", expression, [case[:2] for case in cases])
    assert slopes == pytest.approx([case[2] for case in cases], abs=0.05)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.js")), ids=lambda path: path.stem)
def test_a_script_is_small_and_calls_nobody(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.encode()) < MOST, f"{path.name} has {len(text.encode())} bytes, fewer than {MOST} are allowed"
    assert not re.search(r"https?://|fetch\(|import\b|XMLHttpRequest|eval\(", text)
    for part in ("role=img", "aria-live=polite", "valuetext"):
        assert part in text.replace('"', ""), f"{path.name} has no {part}"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.js")), ids=lambda path: path.stem)
def test_a_script_stands_on_a_page(path: Path) -> None:
    wanted = f"{{widget}} {path.stem}\n"
    pages = [page for page in (ROOT / "book").rglob("*.md") if wanted in page.read_text("utf-8")]
    assert len(pages) == 1, f"{path.name}: expected one page that shows it, found {len(pages)}"
