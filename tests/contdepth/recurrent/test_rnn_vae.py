"""The nets of latent models by hand, and the baseline's two networks one series at a time."""

from __future__ import annotations

import numpy as np
import torch
from recurrent.irregular import NAN, plain, row, scaled

from contdepth.recurrent import padded
from contdepth.recurrent.layers import GatedCell, Perceptron
from contdepth.seeds import generator


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_a_perceptron_by_hand() -> None:
    made = scaled(Perceptron(2, 5, 3, 1, generator=generator(0, "net")).double())
    parts, x = [one.detach().numpy() for one in made.parameters()], row(4, 2)
    h = np.tanh(x.numpy() @ parts[0].T + parts[1])
    h = np.tanh(h @ parts[2].T + parts[3])
    np.testing.assert_allclose(made(x).detach(), h @ parts[4].T + parts[5], rtol=1e-12)


def test_a_gated_unit_by_hand() -> None:
    made = scaled(GatedCell(2, 3, generator=generator(0, "cell")).double())
    w, u, b = (one.detach().numpy() for one in made.parameters())
    x, h = row(4, 2), row(4, 3, stream="state")
    for i in range(4):
        a, state = (w @ x[i].numpy() + b).reshape(3, 3), h[i].numpy()
        r, z = sigmoid(a[0] + u[:3] @ state), sigmoid(a[1] + u[3:6] @ state)
        g = np.tanh(a[2] + u[6:] @ (r * state))
        np.testing.assert_allclose(made(x, h)[i].detach(), z * state + (1 - z) * g, rtol=1e-12)


def test_the_encoder_runs_backwards_and_is_told_the_time_to_the_row_before() -> None:
    made, values = plain(), row(4, 2)
    values[1, 0], values[2] = NAN, NAN
    times, start = torch.tensor([0.5, 0.7, 1.0, 2.0]).double(), torch.tensor([0.1]).double()
    h = made.encoder.start(1)
    for k, gap in ((3, 1.3), (1, 0.2), (0, 0.4)):
        x, mask = values[k : k + 1].nan_to_num(0.0), (~values[k : k + 1].isnan()).double()
        h = made.encoder(torch.cat([x, mask, torch.full((1, 1), gap).double()], dim=-1), h)
    wanted = made.posterior(h).chunk(2, dim=-1)
    torch.testing.assert_close(made.encode(padded([values], [times]), start), wanted, rtol=1e-6, atol=1e-7)


def test_the_decoder_is_given_time_and_what_it_expected() -> None:
    made, z, times = plain(), row(1, 3), torch.tensor([[0.5, 0.7, 2.0]]).double()
    h, expected, found = made.begin(z), torch.zeros(1, 2).double(), []
    for gap in (0.4, 0.2, 1.3):
        h = made.cell(torch.cat([torch.full((1, 1), gap).double(), expected], dim=-1), h)
        expected = made.decoder(h)
        found.append(expected)
    start = torch.tensor([0.1]).double()
    torch.testing.assert_close(made.decode(z, times, start), torch.stack(found, dim=1), rtol=1e-6, atol=1e-7)
