"""The mean-field ODE: drift against two other integrals, adjoint against differences, nets at rate ½."""

import numpy as np
import pytest
import torch

from contdepth.meanfield.block import Block
from contdepth.meanfield.density import GaussianDensity
from contdepth.meanfield.limit import MeanFieldODE, time_derivative
from contdepth.meanfield.network import MeanFieldNet
from contdepth.meanfield.particles import Particles
from contdepth.meanfield.task import small_net, waves
from contdepth.seeds import generator
from contdepth.studies.meanfield.depth_scaling import LAWS, Batch, law, sampled, scaling

NET = small_net()
X, Y = waves(6)


def correlated(dimension=2, scale=0.7, nodes=128):
    """A law with every entry correlated and a mean that moves."""
    block = Block(dimension)
    source = generator(3, "factor")
    factor = scale * torch.randn(block.size, block.size, generator=source, dtype=torch.float64)
    still = torch.randn(block.size, generator=source, dtype=torch.float64)
    return GaussianDensity(block, lambda t: still * (1 + t)[..., None], factor, nodes)


def points(dimension=2, batch=5):
    return torch.randn(batch, dimension, generator=generator(0, "points"), dtype=torch.float64)


def test_drift_and_second_moment_against_monte_carlo():
    density, x, t = correlated(), points(), torch.tensor(0.3, dtype=torch.float64)
    theta = density.draw(t.expand(200_000), generator(1, "draw"))
    v = points(batch=5).flip(0)
    for x_one, v_one, drift, second in zip(x, v, density.drift(x, t), density.second_moment(x, v, t), strict=True):
        f = density.block(theta, x_one[None])[:, 0]
        assert bool(((f.mean(0) - drift).abs() < 4.5 * f.std(0) / len(f) ** 0.5).all())
        square = (f @ v_one).square()
        assert abs(square.mean() - second) < 4.5 * square.std() / len(f) ** 0.5


@pytest.mark.parametrize("scale", [0.2, 1.0, 2.0])
def test_drift_against_tensor_product_quadrature(scale):
    """d = 1: Gauss-Hermite in all three parameters at once, which knows nothing of Stein's identity."""
    block = Block(1)
    factor = scale * torch.tensor([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [-0.5, 0.3, 0.7]], dtype=torch.float64)
    mean = torch.tensor([0.4, -0.7, 0.2], dtype=torch.float64)
    density = GaussianDensity(block, mean, factor)
    nodes, weights = (torch.from_numpy(v) for v in np.polynomial.hermite_e.hermegauss(100))
    grid = torch.cartesian_prod(nodes, nodes, nodes)
    weight = torch.cartesian_prod(weights, weights, weights).prod(1) / weights.sum() ** 3
    x, t = torch.tensor([[0.9], [-1.3]], dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    f = block(mean + grid @ factor.T, x)
    tolerance = 1e-9 if scale <= 1 else 1e-5
    torch.testing.assert_close(density.drift(x, t), torch.einsum("n,nbd->bd", weight, f), rtol=0, atol=tolerance)
    second = torch.einsum("n,nbd->bd", weight, f.square())[:, 0]
    torch.testing.assert_close(density.second_moment(x, torch.ones_like(x), t), second, rtol=0, atol=tolerance)


@pytest.mark.parametrize("spread, tolerance", [(1.0, 1e-13), (4.0, 1e-6)])
def test_drift_is_converged_in_its_nodes(spread, tolerance):
    """At X = 1 the scalar z has the standard deviation ``spread`` and the correlation 0.6 with a."""
    factor = torch.tensor([[1, 0, 0], [0.6 * spread, 0.8 * spread, 0], [0, 0, 0]], dtype=torch.float64)
    mean = torch.tensor([0.5, 0.4, 0.3], dtype=torch.float64)
    t = torch.tensor(0.0, dtype=torch.float64)
    few, many = (
        GaussianDensity(Block(1), mean, factor, nodes).drift(torch.ones(1, 1).double(), t) for nodes in (128, 4000)
    )
    torch.testing.assert_close(few, many, rtol=0, atol=tolerance)


def test_drift_without_spread_is_the_block():
    block = Block(3)
    mean = torch.randn(block.size, generator=generator(0, "mean"), dtype=torch.float64)
    x = points(3).requires_grad_()
    drift = GaussianDensity(block, mean, 0.0).drift(x, torch.tensor(0.5, dtype=torch.float64))
    torch.testing.assert_close(drift, block(mean, x), rtol=1e-12, atol=1e-13)
    assert bool(torch.autograd.grad(drift.sum(), x)[0].isfinite().all())


def test_drift_broadcasts_over_times():
    density, t = correlated(), torch.tensor([0.1, 0.6, 0.9], dtype=torch.float64)
    x = torch.stack([points() + n for n in range(3)])
    each = torch.stack([density.drift(one, time) for one, time in zip(x, t, strict=True)])
    torch.testing.assert_close(density.drift(x, t), each, rtol=0, atol=1e-14)


def test_sample_follows_the_law():
    density = correlated()
    for times in ("uniform", "stratified", "grid"):
        particles = density.sample(40_000, generator(0, "sample"), times)
        assert particles.is_sorted
        standard = particles.theta - density.centre(particles.t)
        expected = density.factor(particles.t[:1])[0]
        white = torch.linalg.solve(expected, standard.T)
        assert float((white @ white.T / 40_000 - torch.eye(5)).abs().max()) < 0.04
        exact = (torch.arange(40_000) + 0.5) / 40_000
        assert float((particles.t - exact).abs().max()) < (0.02 if times == "uniform" else 1 / 40_000)
        if times == "stratified":
            place = (particles.t - exact) * 40_000 + 0.5
            assert float(place.mean()) == pytest.approx(0.5, abs=0.01)
            assert float(place.var()) == pytest.approx(1 / 12, rel=0.03)


def test_windowed_law_is_the_mean_over_the_window():
    density = law("moving mean", NET.block)
    x = points(4)
    mean = density.windowed(4).drift(x, torch.tensor(0.6, dtype=torch.float64))
    t = 0.5 + 0.25 * (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
    midpoint = density.drift(x.expand(2000, *x.shape), t).mean(0)
    torch.testing.assert_close(mean, midpoint, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", LAWS)
def test_ode_against_small_runge_kutta_steps(name):
    density = law(name, NET.block)
    state, n = NET.initial(X), 400
    for k in range(n):
        h, t = 1 / n, torch.tensor(k / n, dtype=torch.float64)
        k1 = density.drift(state, t)
        k2 = density.drift(state + h / 2 * k1, t + h / 2)
        k3 = density.drift(state + h / 2 * k2, t + h / 2)
        k4 = density.drift(state + h * k3, t + h)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    for options in ({}, {"method": "rk4", "steps": 100}):
        ode = MeanFieldODE(density, NET.w2, NET.w1, **options)
        torch.testing.assert_close(ode.states(X, torch.ones(1).double())[0], state, rtol=0, atol=1e-8)
    assert float((state - NET.initial(X)).abs().max()) > 0.1 or name == "zero mean"


def test_ode_of_a_windowed_law_sees_the_jumps():
    density = law("moving mean", NET.block)
    exact = MeanFieldODE(density.windowed(4), NET.w2, NET.w1)
    state = NET.initial(X)
    for k in range(4):
        part = exact.density
        t = torch.tensor((k + 0.5) / 4, dtype=torch.float64)
        n = 20
        for _ in range(n):
            h = 1 / (4 * n)
            k1 = part.drift(state, t)
            k2 = part.drift(state + h / 2 * k1, t)
            k3 = part.drift(state + h / 2 * k2, t)
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + part.drift(state + h * k3, t))
    torch.testing.assert_close(exact(X), state @ NET.w1, rtol=0, atol=1e-8)
    t = torch.tensor([0.0, 0.25, 0.4], dtype=torch.float64)
    torch.testing.assert_close(exact.sensitivities(X, t)[0], exact.states(X, t), rtol=0, atol=1e-8)


def test_costate_is_the_gradient_of_the_loss_in_the_state():
    ode = MeanFieldODE(law("moving mean", NET.block), NET.w2, NET.w1)
    t = torch.tensor([0.7, 0.0, 1.0], dtype=torch.float64)
    states, costates = ode.costates(X, Y, t)
    torch.testing.assert_close(states[2], ode.states(X, t)[2], rtol=0, atol=1e-9)
    torch.testing.assert_close(states[1], NET.initial(X), rtol=0, atol=1e-8)
    rate, n = 0.3, 400
    start = states[0].clone().requires_grad_()
    state = start
    for k in range(n):
        at = torch.tensor(0.7 + rate * (k + 0.5) / n, dtype=torch.float64)
        middle = state + rate / n / 2 * ode.density.drift(state, at)
        state = state + rate / n * ode.density.drift(middle, at)
    loss = 0.5 * (state @ NET.w1 - Y).square().sum()
    torch.testing.assert_close(costates[0], torch.autograd.grad(loss, start)[0], rtol=0, atol=1e-6)


class Extra:
    """ρ with a little mass at one θ, spread evenly over a window of time of length ``width`` about ``t``."""

    def __init__(self, density, theta, t, mass, width):
        self.density, self.block, self.theta, self.mass, self.width = density, density.block, theta, mass, width
        self.jumps = (t - width / 2, t + width / 2)

    def drift(self, x, t):
        inside = self.jumps[0] < float(t) < self.jumps[1]
        extra = self.mass / self.width * self.block(self.theta, x) if inside else 0
        return self.density.drift(x, t) + extra


def test_first_variation_is_the_derivative_in_the_mass_of_a_new_particle():
    density = law("moving mean", NET.block)
    ode = MeanFieldODE(density, NET.w2, NET.w1)
    theta = NET.block.draw((2,), generator(1, "candidates"))
    t = torch.tensor([0.4, 0.75], dtype=torch.float64)
    found = ode.first_variation(X, Y, theta, t)
    for one, time, value in zip(theta, t, found, strict=True):
        changed = [
            MeanFieldODE(Extra(density, one, float(time), mass, 2e-3), NET.w2, NET.w1).loss(X, Y)
            for mass in (1e-3, -1e-3)
        ]
        difference = float(changed[0] - changed[1]) / 2e-3
        assert abs(difference - float(value)) < 2e-5 * max(1, abs(float(value)) * 10)
        assert abs(float(value)) > 1e-3


def test_time_derivative_is_the_derivative_of_the_first_variation():
    ode = MeanFieldODE(law("moving mean", NET.block), NET.w2, NET.w1)
    theta = NET.block.draw((3,), generator(1, "candidates"))
    t, h = torch.tensor([0.1, 0.5, 0.8], dtype=torch.float64), 1e-3
    after, before = (ode.first_variation(X, Y, theta, t + s * h) for s in (1, -1))
    found = ode.time_derivative(X, Y, theta, t)
    torch.testing.assert_close(found, (after - before) / (2 * h), rtol=1e-4, atol=1e-6)
    assert float(found.abs().min()) > 1e-3


def test_finite_nets_have_the_costates_of_the_limit():
    """Without spread what remains is the O(1/L) of Euler's scheme."""
    density = law("moving mean", NET.block, deviation=0.0)
    ode = MeanFieldODE(density, NET.w2, NET.w1)
    expected = ode.costates(X, Y, torch.tensor([0.5], dtype=torch.float64))[1][0]
    gaps = []
    for depth in (64, 128):
        particles = density.sample(depth, generator(0, "p"), "grid")
        gaps.append(float((NET.along(particles, X, Y).costates[depth // 2] - expected).norm() / expected.norm()))
    assert gaps[0] < 0.1
    assert gaps[0] / gaps[1] == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize(
    "times, weighting",
    [
        ("uniform", "equal"),
        ("stratified", "equal"),
        ("grid", "equal"),
        ("uniform", "gaps"),
        ("stratified", "gaps"),
    ],
)
def test_error_of_sampled_nets_has_the_predicted_size(name, times, weighting):
    """Order ½ and its constant: E(error²) L against the variance of the first variation of the output."""
    density = law(name, NET.block, deviation=0.6)
    ode, depth, count = MeanFieldODE(density, NET.w2, NET.w1, tolerance=1e-8), 256, 400
    batch = Batch.of(sampled(density, [depth], range(count), times), depth, weighting)
    found = depth * (batch.outputs(NET, X) - ode(X)).square().mean()
    assert float(found / ode.fluctuation(X)[times, weighting].mean()) == pytest.approx(1, abs=0.2)


def test_scaling_recovers_a_power_and_its_error():
    depths, source = [8, 16, 32, 64], generator(0, "power")
    slopes, errors = [], []
    for _ in range(150):
        values = [3 * depth**-0.7 * torch.randn(50, 2, generator=source, dtype=torch.float64) for depth in depths]
        found = scaling(depths, values)
        slopes.append(found.slope)
        errors.append(found.slope_error)
    assert np.mean(slopes) == pytest.approx(-0.7, abs=0.015)
    assert np.mean(errors) == pytest.approx(np.std(slopes), rel=0.2)
    exact = scaling(depths, [torch.full((3, 2), depth**-2.0) for depth in depths])
    assert (exact.slope, exact.slope_error) == (pytest.approx(-2, abs=1e-6), pytest.approx(0, abs=1e-6))


def test_time_derivative_of_a_net_is_what_moving_a_block_costs():
    """Past n blocks in front of it the loss changes by m·(n/L)·∂_t, up to higher powers of n/L."""
    depth, window = 2048, 4
    particles = Particles.on_grid(NET.block.draw((depth,), generator(0, "net")))
    along = NET.along(particles, X, Y)
    forward = []
    for first in (700, 1500):
        order = list(range(depth))
        order.insert(first + window, order.pop(first))
        back = list(range(depth))
        back.insert(first - window, back.pop(first))
        change = NET.loss(particles.permute(order), X, Y) - NET.loss(particles.permute(back), X, Y)
        forward.append(float(change) * depth**2 / (2 * window))
    found = time_derivative(NET, along, window)[[700, 1500]]
    assert found.tolist() == pytest.approx(forward, rel=0.05)


def test_time_derivative_of_nets_tends_to_that_of_the_limit():
    density = law("moving mean", NET.block, deviation=0.5)
    ode = MeanFieldODE(density, NET.w2, NET.w1, tolerance=1e-8)
    distances = []
    x, y = X[:2], Y[:2]
    for depth, window in ((64, 8), (2048, 96)):
        particles = density.sample(depth, generator(0, f"net/{depth}"))
        found = time_derivative(NET, NET.along(particles, x, y), window)
        pick = torch.linspace(0, depth - 1, 40).long()
        expected = ode.time_derivative(x, y, particles.theta[pick], particles.t[pick])
        distances.append(float((found[pick] - expected).norm() / expected.norm()))
    assert distances[1] < 0.25
    assert distances[1] < distances[0] / 2


def test_input_errors_name_the_argument():
    block, mean = NET.block, torch.zeros(9, dtype=torch.float64)
    density = GaussianDensity(block, mean)
    time = torch.tensor([1.5], dtype=torch.float64)
    along = NET.along(density.sample(8, generator(0, "p")), X, Y)
    gaps = MeanFieldNet(block, NET.w2, NET.w1, "gaps")
    for call, text in (
        (lambda: GaussianDensity(Block(4, 2), mean), "block: expected width 1 and tanh"),
        (lambda: GaussianDensity(Block(4, activation="relu"), mean), "block: expected width 1 and tanh"),
        (lambda: GaussianDensity(block, mean[:3]), "mean: expected shape"),
        (lambda: GaussianDensity(block, lambda t: mean), r"mean\(t\): expected shape"),
        (lambda: GaussianDensity(block, mean, -mean - 1), "deviation: expected standard deviations"),
        (lambda: density.sample(3, generator(0, "p"), "sorted"), "kind: expected one of"),
        (lambda: MeanFieldODE(density, NET.w2, NET.w1, method="rk4"), "steps: expected a number"),
        (lambda: MeanFieldODE(density, NET.w2, NET.w1, steps=4), "steps: expected none"),
        (
            lambda: MeanFieldODE(density.windowed(2), NET.w2, NET.w1, method="rk4", steps=4),
            "method: expected dopri5",
        ),
        (lambda: MeanFieldODE(density, NET.w2, NET.w1).states(X, time), "t: expected times in"),
        (lambda: time_derivative(gaps, along, 2), "net: expected weighting"),
        (lambda: time_derivative(NET, along, 0), "window: expected"),
        (lambda: scaling([8, 16], [torch.ones(3, 2)]), "values: expected one entry"),
        (lambda: scaling([8, 16], [torch.zeros(3, 2)] * 2), "values: expected an RMS > 0"),
        (lambda: law("none", block), "name: expected one of"),
    ):
        with pytest.raises(ValueError, match=text):
            call()


def test_a_fixed_grid_has_no_interpolation_at_other_times():
    density = law("moving mean", NET.block)
    t = torch.tensor([0.7771, 0.3137], dtype=torch.float64)
    exact = MeanFieldODE(density, NET.w2, NET.w1).sensitivities(X, t)
    coarse = MeanFieldODE(density, NET.w2, NET.w1, method="rk4", steps=20).sensitivities(X, t)
    for a, b in zip(exact, coarse, strict=True):
        assert float((a - b).abs().max()) < 1e-4


def test_a_windowed_law_has_no_time_derivative():
    ode = MeanFieldODE(law("moving mean", NET.block).windowed(2), NET.w2, NET.w1)
    with pytest.raises(ValueError, match=r"^density: expected a GaussianDensity"):
        t = torch.tensor([0.3], dtype=torch.float64)
        ode.time_derivative(X, Y, NET.block.draw((1,), generator(0, "one")), t)
    with pytest.raises(ValueError, match=r"^density: expected a GaussianDensity"):
        ode.fluctuation(X)
