"""Partition functions of the Ising model three ways, and the law of its dual field."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from contdepth.flows import CRITICAL_TEMPERATURE, DualIsing, ising_log_partition
from contdepth.flows.monge_ampere.ising import _by_product, _by_rows
from contdepth.seeds import generator


def spins(count: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product((1.0, -1.0), repeat=count)), dtype=torch.float64)


def couplings(side: int, temperature: float) -> torch.Tensor:
    """K, bond by bond."""
    found = torch.zeros(side**2, side**2, dtype=torch.float64)
    for i, j in itertools.product(range(side), repeat=2):
        for a, b in ((i + 1, j), (i, j + 1)):
            here, there = i * side + j, a % side * side + b % side
            found[here, there] += 1 / temperature
            found[there, here] += 1 / temperature
    return found


@pytest.mark.parametrize("side", [3, 4])
@pytest.mark.parametrize("temperature", [1.5, CRITICAL_TEMPERATURE, 4.0])
def test_the_partition_function_is_the_sum_over_spins(side: int, temperature: float) -> None:
    s = spins(side**2)
    by_sum = torch.einsum("ni,ij,nj->n", s, couplings(side, temperature), s).div(2).logsumexp(0).item()
    assert ising_log_partition(side, temperature) == pytest.approx(by_sum, abs=1e-10)
    assert _by_product(side, 1 / temperature) == pytest.approx(by_sum, abs=1e-9)


@pytest.mark.parametrize("temperature", [0.02, 1.0, 2.0, CRITICAL_TEMPERATURE, 2.5, 50.0])
def test_rows_and_the_product_agree(temperature: float) -> None:
    for side in (5, 8):
        by_rows = _by_rows(side, 1 / temperature)
        assert _by_product(side, 1 / temperature) == pytest.approx(by_rows, rel=1e-9)


@pytest.mark.parametrize(("side", "value"), [(4, -2.33604), (8, -2.32273), (16, -2.31592)])
def test_free_energies_are_those_that_the_authors_state(side: int, value: float) -> None:
    """Per site, in the README of their code, to the digits given there."""
    assert DualIsing(side).free_energy() == pytest.approx(value, abs=1.1e-5)


def test_the_spectrum_is_that_of_the_matrix() -> None:
    model = DualIsing(4, 1.7, margin=0.3)
    k = couplings(4, 1.7)
    values = torch.linalg.eigvalsh(k) + 0.3 - torch.linalg.eigvalsh(k)[0]
    torch.testing.assert_close(model.spectrum().flatten().sort().values, values, rtol=0, atol=1e-12)


@pytest.mark.parametrize("temperature", [CRITICAL_TEMPERATURE, 1.3])
def test_the_energy_is_that_of_a_mixture_of_normal_laws(temperature: float) -> None:
    """p(x) = Σ_s P(s) N(x; As, A), P(s) ~ exp(½ sᵀAs): ln p + E is the free energy at every x."""
    model = DualIsing(3, temperature, margin=0.4)
    k = couplings(3, temperature)
    a = k + (0.4 - torch.linalg.eigvalsh(k)[0]) * torch.eye(9, dtype=k.dtype)
    s, x = spins(9), torch.randn(6, 9, generator=generator(0, "x"), dtype=torch.float64)
    shares = torch.einsum("ni,ij,nj->n", s, a, s).div(2).log_softmax(0)
    law = torch.distributions.MultivariateNormal(s @ a, a)
    log_p = (shares + law.log_prob(x[:, None])).logsumexp(1)
    sums = (log_p + model.energy(x)) / 9
    torch.testing.assert_close(sums, torch.full_like(sums, model.free_energy()), rtol=0, atol=1e-10)


def test_what_does_not_fit_is_named() -> None:
    for call, said in (
        (lambda: DualIsing(2), "side: expected a number >= 3"),
        (lambda: DualIsing(3).energy(torch.zeros(2, 8)), r"x: expected fields \(..., 9\)"),
        (lambda: ising_log_partition(3, 0.0), "temperature: expected a number >= 0.01"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
    assert math.isfinite(ising_log_partition(1000))
