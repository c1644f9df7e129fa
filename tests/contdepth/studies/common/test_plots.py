import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from contdepth.studies.common import plots


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def _contrast(colour: str) -> float:
    """WCAG contrast of a colour against white."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


def test_series_differ_in_colour_and_marker():
    pairs = list(zip(plots.COLOURS, plots.MARKERS, strict=True))
    assert len(set(plots.COLOURS)) == len(set(plots.MARKERS)) == len(pairs)
    assert min(map(_contrast, plots.COLOURS)) > 2


def test_convergence_draws_every_series_and_guide_on_log_axes():
    _, ax = plots.new_figure()
    h = np.array([0.1, 0.05])
    plots.convergence(ax, h, {"one": h, "two": h**2}, guides=(1, 2))
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert len(ax.lines) == 4
    slopes = [np.diff(np.log(line.get_ydata()))[0] / np.diff(np.log(h))[0] for line in ax.lines]
    assert np.allclose(slopes, [1, 2, 1, 2])


@pytest.mark.parametrize("values", [[0.1, 0.0], [0.1, -1.0], [0.1]])
def test_convergence_names_a_series_it_cannot_draw(values):
    _, ax = plots.new_figure()
    with pytest.raises(ValueError, match=r"errors\['bad'\]: expected 2 positive numbers"):
        plots.convergence(ax, [0.1, 0.05], {"bad": values})


def test_region_draws_the_border_of_the_unit_disc():
    _, ax = plots.new_figure()
    x = y = np.linspace(-2, 2, 81)
    plots.region(ax, 0, x, y, np.hypot(x[None, :], y[:, None]), "disc")
    points = np.concatenate([path.vertices for path in ax.collections[0].get_paths()])
    assert np.allclose(np.hypot(*points.T), 1, atol=2e-3)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [({"columns": 0}, ValueError), ({"columns": 1.5}, TypeError), ({"height": -1.0}, ValueError)],
)
def test_new_figure_refuses_nonsense(arguments, error):
    with pytest.raises(error, match=f"{next(iter(arguments))}: expected"):
        plots.new_figure(**arguments)
