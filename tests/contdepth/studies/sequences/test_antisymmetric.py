"""Spectra against matrices by hand, reach against products of Jacobians, the gate's border, pieces that go on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from torch.func import jacrev

from contdepth.recurrent import AntisymmetricCell, from_nan
from contdepth.seeds import generator
from contdepth.studies.sequences.antisymmetric import contest, spectra
from contdepth.studies.sequences.antisymmetric.pieces import pixel_arm
from contdepth.studies.sequences.classify import Classifier
from contdepth.studies.sequences.readers import TorchReader


def cell(**more: object) -> AntisymmetricCell:
    return AntisymmetricCell(2, 6, generator=generator(0, "cell"), **more)


@pytest.mark.parametrize("gated", [False, True])
def test_eigenvalues_are_those_of_a_diagonal_times_the_matrix(gated):
    made = spectra.still(cell(gated=gated, spread=2.0), 0.3)
    x, h = spectra.probes(made, 4, 0, 2.0)
    found = spectra.eigenvalues(made, x, h)
    a, v, b = (one.detach().numpy() for one in (made.matrix(), made.v, made.b))
    for i in range(4):
        turned = a @ h[i].numpy()
        driven = v @ x[i].numpy() + b
        c = turned + driven[:6]
        d = 1 / np.cosh(c) ** 2
        if gated:
            z = 1 / (1 + np.exp(-turned - driven[6:]))
            d = z * (1 - z) * np.tanh(c) + z * d
            np.testing.assert_allclose(spectra.gate_diagonal(made, x, h)[i], d, rtol=1e-12)
        wanted = np.linalg.eigvals(np.diag(d) @ a)
        np.testing.assert_allclose(np.sort_complex(found[i].numpy()), np.sort_complex(wanted), atol=1e-10)


def test_a_plain_spectrum_is_imaginary_and_a_gated_one_is_not():
    plain, gated = spectra.still(cell(spread=2.0)), spectra.still(cell(gated=True, spread=2.0))
    assert spectra.eigenvalues(plain, *spectra.probes(plain, 50, 1)).real.abs().max() < 1e-12
    x, h = spectra.probes(gated, 50, 1)
    found, d = spectra.eigenvalues(gated, x, h).real.abs().amax(1), spectra.gate_diagonal(gated, x, h)
    assert found[(d > 0).all(1)].max() < 1e-12
    assert found.max() > 1e-3 and found.argmax() in (d < 0).any(1).nonzero()


def test_a_nearly_closed_gate_is_negative_from_the_golden_section_on():
    """The exercise: (1 - σ) tanh + 1 - tanh² = 0 with σ → 0 has the root tanh c = (1 - √5)/2."""
    made = AntisymmetricCell(1, 1, diffusion=0.0, gated=True, generator=generator(0, "cell")).double()

    def sign(c: float) -> float:
        with torch.no_grad():
            made.v.copy_(torch.tensor([[c], [-30.0]], dtype=torch.float64))
        x, h = torch.ones(1, 1).double(), torch.zeros(1, 1).double()
        return float(spectra.gate_diagonal(made, x, h)) * math.exp(30)

    border = brentq(sign, -3, 0)
    assert math.tanh(border) == pytest.approx((1 - math.sqrt(5)) / 2, abs=1e-9)
    assert border == pytest.approx(-0.7218, abs=1e-4)


def test_the_limit_is_where_a_step_no_longer_stretches():
    made = cell(step=0.1, diffusion=0.5, spread=2.0)
    factor, share = spectra.limit(made)
    x, h = torch.zeros(1, 2).double(), torch.zeros(1, 6).double()
    seen = spectra.eigenvalues(spectra.still(made, 0.5), x, h)
    assert factor == pytest.approx(float((1 + 0.1 * seen).abs().max()), abs=1e-12)
    made.step = 0.1 / share
    assert spectra.limit(made)[0] == pytest.approx(1, abs=1e-12)
    assert spectra.limit(cell(diffusion=0.0))[1] == math.inf


@pytest.mark.parametrize("kind", ["plain", "gated", "lstm", "tanh"])
def test_reach_is_the_norm_of_a_product_of_jacobians(kind):
    source = generator(2, "reader")
    if kind in ("plain", "gated"):
        reader, size = AntisymmetricCell(2, 3, step=0.5, gated=kind == "gated", generator=source), 3
        step = lambda x, s: reader(x[None], s[None])[0]  # noqa: E731
    else:
        reader = TorchReader(kind, 2, 3, generator=source)
        size = reader.states
        step = lambda x, s: reader.last_state(from_nan(x[None, None]), s[None])[0]  # noqa: E731
    x = torch.randn(2, 5, 2, generator=generator(3, "rows"))
    found = spectra.reach(reader, from_nan(x), [1, 5])
    for i in range(2):
        state, product = torch.zeros(size), torch.eye(size)
        for k in range(5):
            product = jacrev(lambda s, k=k, i=i: step(x[i, k], s))(state) @ product
            state = step(x[i, k], state).detach()
            if k in (0, 4):
                wanted = torch.linalg.matrix_norm(product, 2)
                torch.testing.assert_close(found[i, k // 4], wanted, rtol=1e-4, atol=1e-6)


def test_states_along_a_series_stand_before_their_rows():
    made = cell()
    net = Classifier(made, 3, generator(0, "head"))
    series = from_nan(torch.randn(2, 4, 2, generator=generator(0, "x")))
    rows, states = spectra.along(net, series)
    assert torch.equal(states[0], torch.zeros(6)) and torch.equal(states[4], torch.zeros(6))
    torch.testing.assert_close(made(rows, states)[:3], states[1:4])


def test_who_takes_part():
    made = contest.makers(32, 0.1, 0.01)
    assert tuple(made) == contest.NAMES
    sizes = {name: sum(p.numel() for p in make(8, generator(0, "w")).parameters()) for name, make in made.items()}
    assert sizes == {
        "gated": 496 + 2 * 288,
        "plain": 496 + 288,
        "LSTM": 4 * (8 * 32 + 32 * 32 + 64),
        "LSTM, open": 4 * (8 * 32 + 32 * 32 + 64),
        "tanh": 8 * 32 + 32 * 32 + 64,
        "orthogonal": 8 * 32 + 32 * 32 + 64,
    }
    bias = made["LSTM, open"](8, generator(0, "w")).net.bias_ih_l0
    assert bias.tolist() == [0] * 32 + [3] * 32 + [0] * 64
    assert made["gated"](8, generator(0, "w")).step == 0.1


def test_a_stopped_piece_goes_on_to_the_same_result(tmp_path):
    tiny = dict(seed=1, gated=True, permuted=True, dataset="digits", hidden=4, train_size=60, test_size=20)
    tiny |= dict(batch=30, rate=0.02)
    whole = pixel_arm(**tiny, epochs=2)
    pixel_arm(**tiny, epochs=1, checkpoint=tmp_path)
    again = pixel_arm(**tiny, epochs=2, checkpoint=tmp_path)
    assert again["losses"] == whole["losses"] and again["accuracy"] == whole["accuracy"]
    assert whole["losses"][1] < whole["losses"][0]
    assert whole["parameters"] == 6 + 16 + 50
    assert pixel_arm(**tiny | {"permuted": False}, epochs=1)["losses"] != whole["losses"][:1]
