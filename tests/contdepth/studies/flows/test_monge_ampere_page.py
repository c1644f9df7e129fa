"""What the page on Monge-Ampère flows measures by: normal laws, exact spins, steps, chance, transport."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.func import jacrev, vmap

from contdepth.flows import CRITICAL_TEMPERATURE, Drawn, DualIsing, MongeAmpereFlow, Potential, translations
from contdepth.seeds import generator
from contdepth.studies.flows.mongeampere import exact, gaussians, measures, plane, training
from contdepth.studies.flows.mongeampere.shuffled import ShuffledFlow


def spins(count: int) -> Tensor:
    return torch.tensor(list(itertools.product((1.0, -1.0), repeat=count)), dtype=torch.float64)


def points(count: int, d: int) -> Tensor:
    return torch.randn(count, d, generator=generator(0, "z"), dtype=torch.float64)


def flow_of(d: int = 3, *, size: float = 6.0, time: float = 1.0, steps: int = 8, seed: int = 0) -> MongeAmpereFlow:
    phi = Potential(d, 6, generator=generator(seed, "potential")).double()
    with torch.no_grad():
        phi.out.mul_(size)
    return MongeAmpereFlow(phi, d, time=time, steps=steps)


KINDS = [{"mean": False}, {}, {"pair": True}, {"full": False}]


@pytest.mark.parametrize("kind", KINDS)
def test_the_gap_of_a_normal_law_is_that_of_its_fields(kind: dict[str, bool]) -> None:
    model = DualIsing(3)
    law = gaussians.best_normal(model, **kind)
    x, log_q = law.draw(20000, generator(0, "normal"))
    found = measures.judge(model, Drawn(x, log_q))
    assert abs(found.gap - law.gap) < 3.5 * found.error and found.error < 0.01
    assert law.gap > 0


def test_a_normal_law_has_the_density_of_its_covariance() -> None:
    law = gaussians.best_normal(DualIsing(3), pair=True)
    first = torch.fft.ifft2(law.spectrum).real
    rows = [first.roll((i, j), (0, 1)).flatten() for i in range(3) for j in range(3)]
    m, x = torch.full((9,), law.mean, dtype=torch.float64), points(4, 9)
    parts = [torch.distributions.MultivariateNormal(sign * m, torch.stack(rows)) for sign in (1, -1)]
    expected = torch.stack([part.log_prob(x) for part in parts]).logsumexp(0) - math.log(2)
    torch.testing.assert_close(law.log_density(x), expected)


def test_no_covariance_beats_the_best_one() -> None:
    """Neither another variance of one wave nor another mean lowers the free energy, by fields alone."""
    model = DualIsing(3)
    law = gaussians.best_normal(model)
    z = torch.randn(40000, 3, 3, generator=generator(1, "normal"), dtype=torch.float64)

    def gap(spectrum: Tensor, mean: float) -> float:
        x = torch.fft.ifft2(torch.fft.fft2(z) * spectrum.sqrt()).real.flatten(1) + mean
        entropy = 0.5 * (spectrum.log().sum() + 9 * (math.log(2 * math.pi) + 1))
        return float((model.energy(x).mean() - entropy) / 9) - model.free_energy()

    best = gap(law.spectrum, law.mean)
    for factor in (0.7, 1.4):
        turned = law.spectrum.clone()
        turned[0, 1] = turned[0, 2] = factor * turned[0, 1]
        assert gap(turned, law.mean) > best
        assert gap(law.spectrum, factor * law.mean) > best


def test_exact_spins_are_those_of_the_sum_over_states() -> None:
    s = spins(9)
    lattice = s.reshape(-1, 3, 3)
    energy = -(lattice * (lattice.roll(1, -1) + lattice.roll(1, -2))).sum((-1, -2))
    weights = (-energy / CRITICAL_TEMPERATURE).softmax(0)
    assert exact.exact_energy(3) == pytest.approx(float(weights @ energy) / 9, abs=1e-6)
    values, law = exact.magnetisation_law(3)
    np.testing.assert_allclose(law, exact.magnetisations(s, weights), atol=1e-12)
    np.testing.assert_array_equal(values, np.arange(-9, 10, 2))


def test_fields_tell_the_energy_of_their_spins() -> None:
    """x given s is N(As, A): fields drawn so have the spins' exact energy, and spins drawn for them their law."""
    model, s = DualIsing(3), spins(9)
    first = torch.fft.ifft2(model.spectrum()).real
    a = torch.stack([first.roll((i, j), (0, 1)).flatten() for i in range(3) for j in range(3)])
    chance = torch.einsum("ni,ij,nj->n", s, a, s).div(2).softmax(0)
    drawn = s[torch.multinomial(chance, 40000, True, generator=generator(0, "states"))]
    noise = torch.randn(40000, 9, generator=generator(0, "noise"), dtype=torch.float64)
    x = drawn @ a + noise @ torch.linalg.cholesky(a).T
    found = exact.energy_of_fields(model, x)
    assert abs(float(found.mean()) - exact.exact_energy(3)) < 4 * float(found.std()) / 200
    again = exact.draw_spins(x, generator(1, "spins"))
    shares = exact.magnetisations(again, torch.full((40000,), 1 / 40000, dtype=torch.float64))
    assert np.abs(shares - exact.magnetisation_law(3)[1]).sum() / 2 < 0.02


def test_weights_of_the_exact_law_are_equal_and_reweighting_mends_another() -> None:
    model = DualIsing(3)
    law = gaussians.best_normal(model, pair=True)
    x, log_q = law.draw(20000, generator(2, "normal"))
    truth = Drawn(x, -model.energy(x) + model.sites * model.free_energy())
    found = measures.judge(model, truth)
    assert abs(found.gap) < 1e-12 and found.effective == pytest.approx(1) and abs(found.reweighted) < 1e-12
    found = measures.judge(model, Drawn(x, log_q))
    assert abs(found.reweighted) < 0.2 * found.gap and 0 < found.effective < 1


def test_the_round_trip_is_of_fifth_order_and_the_density_of_fourth() -> None:
    """What RK4 leaves out of a step is odd in h, so that it cancels on the way back, up to the next power."""
    steps = np.array([8, 16, 32])
    there, wrong = measures.round_trips(flow_of(), steps, 40, 0)
    orders = [np.log2(found[:-1] / found[1:])[-1] for found in (there, wrong)]
    assert orders == pytest.approx([5, 4], abs=0.35)


def test_the_asymmetry_of_the_map_is_of_third_order_in_time() -> None:
    z = points(20, 3)
    found = [float(measures.asymmetry(flow_of(time=t), z).mean()) for t in (0.1, 0.05)]
    assert math.log2(found[0] / found[1]) == pytest.approx(3, abs=0.15) and found[0] > 1e-7


def test_a_gradient_of_a_quadratic_is_transport_and_a_turn_is_not() -> None:
    z = points(200, 2)
    assert measures.extra_cost(z, z * torch.tensor([1.5, 0.5], dtype=z.dtype)) == pytest.approx(0, abs=1e-12)
    assert measures.extra_cost(z, z @ torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=z.dtype)) > 1


def test_steps_and_their_determinant() -> None:
    for steps, bound in ((2, 1e-1), (16, 1e-5)):
        found = np.abs(measures.discrete_error(flow_of(steps=steps), 10, 0)).max()
        assert 0 < found < bound


def test_one_permutation_is_no_chance() -> None:
    """With the identity alone the flow is that of ∇φ; with more it returns elsewhere; many steps average."""
    moves = translations(3)
    phi = Potential(9, 6, generator=generator(0, "potential")).double()
    with torch.no_grad():
        phi.out.mul_(6)
    z = points(5, 9)
    alone = ShuffledFlow(phi, moves[:1], 1.0, 4)
    plain = MongeAmpereFlow(phi, 9, time=1.0, steps=4)
    source = generator(0, "order")
    for found, expected in zip(alone.carried(z, alone.order(5, source)), plain.from_base(z), strict=True):
        torch.testing.assert_close(found, expected)
    full = vmap(jacrev(plain.moved))(z)
    determinant = alone.determinant(z, alone.order(5, source))
    torch.testing.assert_close(determinant, torch.linalg.slogdet(full).logabsdet)
    chance = ShuffledFlow(phi, moves, 1.0, 4)
    with torch.no_grad():
        x = chance.carried(z, chance.order(5, source)).x
        back = chance.carried(x, chance.order(5, source), -1.0).x
        many = ShuffledFlow(phi, moves, 1.0, 400)
        far = many.carried(z, many.order(5, source)).x
        whole = Potential(9, 6, symmetries=moves).double()
        whole.load_state_dict(phi.state_dict())
        mean = MongeAmpereFlow(whole, 9, time=1.0, steps=16).moved(z)
    assert (back - z).abs().max() > 1e-3
    assert (far - mean).abs().max() < 0.3 * (x - mean).abs().max()


@pytest.mark.parametrize("symmetry", ["none", "even", "lattice", "random"])
def test_each_arm_learns_and_is_repeated_to_the_bit(symmetry: str) -> None:
    arm, model = training.Arm(3, symmetry, rows=36, iterations=25, batch=32, steps=2), DualIsing(3)
    one, two = (training.fit_flow(arm, model, 0.03, 0) for _ in range(2))
    np.testing.assert_array_equal(one.history, two.history)
    assert one.held == two.held and one.history[-5:].mean() < one.history[:3].mean()
    chosen = training.fits(arm, model, [1e-5, 0.03], [0, 1])
    assert [each.rate for each in chosen] == [0.03, 0.03] and [each.seed for each in chosen] == [0, 1]


def test_free_fields_turn_and_gradients_do_not() -> None:
    x = plane.pinwheel(400, 0, "x")
    assert x.std(0).numpy() == pytest.approx([1, 1], abs=0.15) and plane.moons(400, 0, "x").shape == (400, 2)
    made = [
        plane.fit_plane("pinwheel", free, [0.03], [0], iterations=8, hidden=10, steps=2) for free in (False, True)
    ]
    sizes = [sum(p.numel() for p in one.flows[0].parameters()) for one in made]
    assert sizes == [40, 40]
    turns = [float(plane.curl(one.flows[0], x).abs().max()) for one in made]
    assert turns[0] < 1e-6 < 1e-3 < turns[1]


def test_the_trace_of_a_free_field_is_that_of_its_jacobian() -> None:
    flow = plane.FreeFlow(5, 40, generator(0, "free")).double()
    with torch.no_grad():
        flow.f.out.mul_(20)  # type: ignore[union-attr,operator]
    z = points(6, 2)
    full = vmap(jacrev(flow.moved))(z)
    expected = torch.linalg.slogdet(full).logabsdet
    assert expected.abs().min() > 1e-3
    torch.testing.assert_close(flow.from_base(z).log_det, expected, rtol=0, atol=1e-6)
