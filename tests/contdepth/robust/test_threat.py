"""Threats: projection, random starts, directions and budgets."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contdepth.robust.threat import Threat, budget, lengths, unit
from contdepth.seeds import generator

THREAT = Threat("1/5")


NORMS = st.sampled_from(["linf", "l2"])
RADII = st.fractions(min_value=Fraction(1, 255), max_value=1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(NORMS, RADII, st.floats(0.01, 30), st.integers(0, 10**6), st.sampled_from([torch.float32, torch.float64]))
def test_projection_lies_in_ball_and_box_and_stays(norm, radius, size, seed, dtype):
    threat = Threat(radius, norm)
    source = torch.Generator().manual_seed(seed)
    x = (1.4 * torch.rand(3, 2, 4, 5, generator=source) - 0.2).clamp(0, 1).to(dtype)
    delta = size * torch.randn(x.shape, generator=source).to(dtype)
    found = threat.project(delta, x)
    slack = 1e-6 if dtype == torch.float32 else 1e-14
    point = x + found
    assert float(threat.size(found).max()) <= threat.radius * (1 + slack) + slack
    assert float(point.min()) >= 0 and float(point.max()) <= 1
    assert found.dtype == dtype
    assert float((threat.project(found, x) - found).abs().max()) <= 4 * slack
    inside = threat.project(0.999 * found, x)
    assert float((inside - 0.999 * found).abs().max()) <= 4 * slack, "inside the threat nothing moves"


@settings(max_examples=40, deadline=None, derandomize=True)
@given(NORMS, st.integers(0, 10**6))
def test_projection_on_the_ball_is_the_nearest_point(norm, seed):
    """For images in the middle of a wide box: no other point of the ball is nearer."""
    threat = Threat("1/20", norm)
    source = torch.Generator().manual_seed(seed)
    x = torch.full((2, 1, 3, 3), 0.5, dtype=torch.float64)
    delta = 0.1 * torch.randn(x.shape, generator=source, dtype=torch.float64)
    found = threat.project(delta, x)
    for _ in range(10):
        other = threat.start(x, source)
        near, far = ((delta - one).flatten(1).norm(dim=1) for one in (found, other))
        assert bool((near <= far + 1e-12).all())


def test_linf_projection_is_the_nearest_point_of_ball_and_box():
    x = torch.tensor([[0.0, 0.1, 0.5, 0.95, 1.0]], dtype=torch.float64)
    delta = torch.tensor([[-0.3, -0.15, 0.5, 0.3, 0.1]], dtype=torch.float64)
    expected = torch.tensor([[0.0, -0.1, 0.2, 0.05, 0.0]], dtype=torch.float64)
    assert float((THREAT.project(delta, x) - expected).abs().max()) < 1e-15


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_start_is_inside_and_uniform(norm):
    """In d dimensions the share of starts within t·ε is t^d; every coordinate is symmetric around 0."""
    threat = Threat("1/10", norm)
    x = torch.full((20000, 1, 1, 3), 0.5)
    sizes = threat.size(threat.start(x, generator(0, "start"))) / threat.radius
    assert float(sizes.max()) <= 1 + 1e-6
    for t in (0.3, 0.5, 0.8, 0.95):
        assert float((sizes <= t).double().mean()) == pytest.approx(t**3, abs=0.012)
    delta = threat.start(x, generator(0, "start"))
    assert float(delta.mean(0).abs().max()) < 0.002
    assert torch.equal(delta, threat.start(x, generator(0, "start")))
    assert not torch.equal(delta, threat.start(x, generator(1, "start")))
    edge = torch.randint(2, x.shape, generator=generator(0, "edge")).float()
    clipped = edge + threat.start(edge, generator(0, "start"))
    assert float(clipped.min()) >= 0 and float(clipped.max()) <= 1
    assert threat.start(x[:2].double(), generator(0, "s")).dtype == torch.float64


def test_direction_is_the_steepest_of_unit_size():
    gradient = torch.randn(5, 2, 3, 3, generator=generator(0, "g"), dtype=torch.float64)
    gradient[0, 0, 0, 0] = 0
    other = torch.randn(200, *gradient.shape, generator=generator(1, "g"), dtype=torch.float64)
    for norm, dual in (("linf", 1), ("l2", 2)):
        threat = Threat("1", norm)
        best = (gradient * threat.direction(gradient)).flatten(1).sum(1)
        assert torch.allclose(best, gradient.flatten(1).norm(dual, dim=1))
        for one in other:
            unit = one / threat.size(one).view(-1, 1, 1, 1)
            assert bool(((gradient * unit).flatten(1).sum(1) <= best + 1e-12).all())
        assert float(threat.direction(torch.zeros_like(gradient)).abs().max()) == 0
        assert torch.allclose(threat.size(threat.direction(gradient)), torch.ones(5, dtype=torch.float64))


FACTORS = [2.0**-100, 2.0**-60, 2.0**60, 2.0**100]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("factor", [1e-30, 1e-20, 1e-12, 1e20, 1e30, *FACTORS])
def test_an_l2_direction_does_not_depend_on_the_scale_of_the_gradient(factor, dtype):
    """No floor under the norm, and no square that is lost or infinite; powers of two change no bit."""
    threat, gradient = Threat("1", "l2"), torch.randn(4, 2, 3, 3, generator=generator(0, "g"), dtype=dtype)
    gradient[1] = 0
    gradient[2, 1:] = 0
    gradient[3] = gradient[3].abs().clamp_max(1e-3)
    exact = gradient.double() / gradient.double().flatten(1).norm(dim=1).clamp_min(1e-300).view(-1, 1, 1, 1)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    found = threat.direction(gradient * factor)
    assert float((found - exact).abs().max()) < tolerance and not found[1].any()
    assert float((threat.size(gradient * factor) / factor - threat.size(gradient)).abs().max()) < 10 * tolerance
    if factor in FACTORS:
        assert torch.equal(found, threat.direction(gradient))
    assert torch.equal(Threat("1").direction(gradient * factor), gradient.sign()), "l∞ is the sign, as ever"


def test_subnormal_gradients_have_a_direction():
    smallest = torch.tensor([[1e-45, 0.0], [0.0, -3e-45], [0.0, 0.0]])
    assert torch.equal(unit(smallest), torch.tensor([[1.0, 0.0], [0.0, -1.0], [0.0, 0.0]]))
    assert torch.equal(lengths(torch.zeros(2, 3)), torch.zeros(2, 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("radius", ["1e-30", "1e-20", "1e-8", "1e20"])
def test_l2_balls_of_any_radius(radius, dtype):
    """Projection and random starts around black images, where rounding cuts nothing off."""
    threat, source = Threat(radius, "l2"), generator(0, "ball")
    x = torch.zeros(200, 1, 2, 2, dtype=dtype)
    if threat.radius < 1:
        starts = threat.size(threat.start(x, source)) / threat.radius
        assert 0.3 < float(starts.mean()) < 0.9 and float(starts.max()) <= 1 + 1e-6
    far = 100 * threat.radius * torch.rand(x.shape, generator=source, dtype=dtype)
    moved = threat.project(far, x)
    if threat.radius < 1:
        assert torch.allclose(threat.size(moved) / threat.radius, torch.ones(200, dtype=dtype), rtol=1e-5)
    assert float(threat.size(moved).max()) <= threat.radius * (1 + 1e-6) and bool((moved >= 0).all())


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_an_ascent_step_goes_along_the_direction_and_comes_back_into_the_threat(norm):
    threat, source = Threat("1/5", norm), generator(0, "ascend")
    x = torch.rand(3, 1, 4, 4, generator=source, dtype=torch.float64)
    delta = threat.start(x, source)
    gradient = torch.randn(x.shape, generator=source, dtype=torch.float64)
    unit = gradient.sign() if norm == "linf" else gradient / gradient.flatten(1).norm(dim=1).view(3, 1, 1, 1)
    for size in (0.01, 3.0, torch.tensor([0.01, 0.1, 3.0], dtype=torch.float64).view(3, 1, 1, 1)):
        found = threat.ascend(delta, x, gradient, size)
        assert float((found - threat.project(delta + size * unit, x)).abs().max()) < 1e-14
        assert float(threat.size(found).max()) <= threat.radius * (1 + 1e-12)
        assert float((x + found).min()) >= 0 and float((x + found).max()) <= 1


def test_size_is_the_norm_of_each_image():
    delta = torch.tensor([[[[3.0, -4.0]]], [[[0.0, 0.5]]]])
    assert Threat("1/5").size(delta).tolist() == [4.0, 0.5]
    assert Threat("1/5", "l2").size(delta).tolist() == [5.0, 0.5]


ODD = [
    (None, TypeError, "expected a torch.Tensor, found NoneType"),
    (3, TypeError, "expected a torch.Tensor, found int"),
    ([[0.1]], TypeError, "expected a torch.Tensor, found list"),
    (torch.zeros(2, 4).numpy(), TypeError, "expected a torch.Tensor, found ndarray"),
    (torch.zeros(2, 4, dtype=torch.long), TypeError, "expected a floating-point tensor, found dtype torch.int64"),
    (torch.zeros(2, 4, dtype=torch.bool), TypeError, "expected a floating-point tensor, found dtype torch.bool"),
    (torch.zeros(2, 4) + 0j, TypeError, "expected a real dtype of 16 bits or more, found dtype torch.complex64"),
    (torch.zeros(4), ValueError, r"expected \(batch, …\), mostly .*, found shape \(4,\)"),
    (torch.zeros(()), ValueError, r"expected \(batch, …\), mostly .*, found shape \(\)"),
    (torch.zeros(2, 0), ValueError, r"expected images with pixels, found shape \(2, 0\)"),
]


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize(("odd", "error", "message"), ODD)
def test_what_is_no_batch_of_images_is_named(norm, odd, error, message):
    threat, x = Threat("1/5", norm), torch.full((2, 4), 0.5)
    for name, call in (
        ("delta", lambda: threat.project(odd, x)),
        ("x", lambda: threat.project(x, odd)),
        ("x", lambda: threat.start(odd)),
        ("gradient", lambda: threat.direction(odd)),
        ("gradient", lambda: threat.ascend(x, x, odd, 0.1)),
        ("delta", lambda: threat.size(odd)),
    ):
        with pytest.raises(error, match=f"^{name}: {message}"):
            call()


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("shape", [(4, 4), (1, 4), (2, 4, 1)])
def test_a_perturbation_has_the_shape_of_the_images(norm, shape):
    with pytest.raises(ValueError, match=r"delta: expected shape \(2, 4\), found"):
        Threat("1/5", norm).project(torch.zeros(shape), torch.zeros(2, 4))


@pytest.mark.parametrize(("factor", "error"), [
    (-1, ValueError), (float("nan"), ValueError), (float("inf"), ValueError), (10**400, ValueError),
    (None, TypeError), (1j, TypeError), ("2", TypeError), (torch.zeros(2), TypeError),
])  # fmt: skip
def test_noise_of_no_size_is_refused(factor, error):
    with pytest.raises(error, match="^factor: expected"):
        THREAT.start(torch.zeros(2, 4), factor=factor)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_batch_without_images_stays_one(norm):
    threat, none = Threat("1/5", norm), torch.zeros(0, 4)
    for found in (threat.start(none), threat.project(none, none), threat.direction(none)):
        assert found.shape == (0, 4)
    assert threat.size(none).shape == (0,)


def test_budgets_are_exact_fractions():
    assert Threat("8/255").epsilon == Fraction(8, 255) == Threat(Fraction(8, 255)).epsilon
    assert Threat(0.3).epsilon == Fraction(3, 10) and Threat("0.3") == Threat("3/10")
    assert Threat("8/255").radius == 8 / 255
    assert Threat(1).radius == 1 and Threat(8, "l2").radius == 8
    assert Threat("8/255").scaled(0.5) == Threat("4/255")
    assert Threat("2", "l2").scaled(1.25) == Threat("5/2", "l2")
    assert Threat("3/10").scaled(1 / 3).radius == pytest.approx(0.1)
    assert str(Threat("8/255")) == "l∞, ε = 8/255" and str(Threat(2, "l2")) == "l2, ε = 2"
    assert hash(Threat("8/255")) == hash(Threat("16/510"))


@pytest.mark.parametrize(("value", "error", "message"), [
    (None, ValueError, "none"),
    (8, ValueError, "at most 1"),
    ("8", ValueError, "at most 1"),
    (0, ValueError, "> 0"),
    ("-1/255", ValueError, "> 0"),
    ("eight", ValueError, "fraction"),
    ("1/0", ValueError, "fraction"),
    ("inf", ValueError, "fraction"),
    ("1e400", ValueError, "fraction"),
    ("1e-400", ValueError, "> 0"),
    ("1e-60", ValueError, "range of float32.*smaller"),
    (Fraction(10) ** 400, ValueError, "range of float32.*larger"),
    (float("nan"), ValueError, "fraction"),
    (float("inf"), ValueError, "fraction"),
    (True, TypeError, "bool"),
    ([8], TypeError, "list"),
    (torch.tensor(0.1), TypeError, "Tensor"),
])  # fmt: skip
def test_bad_budgets(value, error, message):
    with pytest.raises(error, match=f"epsilon.*{message}.*8/255"):
        Threat(value)
    if value not in (8, "8"):
        with pytest.raises(error, match="radius"):
            budget("radius", value)


def test_unknown_norm():
    with pytest.raises(ValueError, match="norm.*'linf', 'l2'"):
        Threat("1/5", "l1")
