"""The best guess against other quadrature, errors of models that are known, guesses about days, counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contdepth.recurrent import LatentODE, Series
from contdepth.seeds import generator
from contdepth.studies.sequences.latentode import contest, days, waves
from contdepth.studies.sequences.latentode.counts import counts
from contdepth.studies.sequences.latentode.training import Plan, made, train

TINY = Plan(steps=2, batch=4, counts=(3, 5), latent=2, hidden=3, width=4)


def test_the_best_guess_is_the_mean_under_the_law() -> None:
    times, values = np.array([0.3, 1.0, 2.2, 3.1]), np.array([0.9, 0.1, -0.05, 0.7])
    rows = torch.tensor(values)[None, :, None], torch.tensor(times)[None], torch.ones(1, 4, dtype=torch.bool)
    found = float(waves.best(Series(*rows), torch.tensor([[1.7]], dtype=torch.float64))[0, 0])
    f, phase = np.meshgrid(np.linspace(0.3, 0.6, 2001), np.linspace(0, 2 * np.pi, 1001)[1:])
    squares = sum((y - np.sin(2 * np.pi * f * t + phase)) ** 2 for t, y in zip(times, values, strict=True))
    law = np.exp(-(squares - squares.min()) / (2 * 0.1**2))
    law[:, [0, -1]] /= 2
    wanted = (law * np.sin(2 * np.pi * f * 1.7 + phase)).sum() / law.sum()
    assert found == pytest.approx(wanted, abs=2e-3) and abs(found) > 0.05


def test_no_guess_is_better_than_the_best() -> None:
    """A law is calibrated: E (guess - truth) guess = 0, and its error is below that of a scaled one."""
    for count in (3, 10):
        drawn, shown = contest.shown_rows(300, count, 0)
        at = torch.full((300, 1), 2.5)
        guess, truth = waves.best(shown, at), drawn.at(at)
        across = ((guess - truth) * guess).flatten()
        assert abs(float(across.mean())) < 4 * float(across.std()) / math.sqrt(300)
        error = (guess - truth).square().mean()
        assert error < (0.9 * guess - truth).square().mean()


def test_the_exercise() -> None:
    w, k = 2 * math.pi / 5, 10
    t = torch.arange(k, dtype=torch.float64) / 2
    x = torch.stack([(w * t).cos(), (w * t).sin()], dim=1)
    law = torch.linalg.inv(torch.eye(2) + x.T @ x / 0.01)
    for at in (0.2, 3.3):
        basis = torch.tensor([math.cos(w * at), math.sin(w * at)], dtype=torch.float64)
        assert float(basis @ law @ basis) == pytest.approx(1 / 501, rel=1e-9)


class Turning(nn.Module):
    """z' = ω J z with ω in z: (a, b, ω)' = (ω b, -ω a, 0)."""

    def forward(self, z: Tensor) -> Tensor:
        return torch.stack([z[..., 2] * z[..., 1], -z[..., 2] * z[..., 0], 0 * z[..., 2]], dim=-1)


class First(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return z[..., :1]


def perfect(tolerance: float = 1e-5) -> LatentODE:
    """A latent ODE whose path is a wave for z₀ = (sin φ, cos φ, 2π f); its reader is told z₀."""
    model = LatentODE(1, 3, hidden=3, width=4, rtol=tolerance, atol=tolerance, step=0.5)
    model.field, model.decoder = Turning(), First()
    return model


def test_a_true_path_has_no_error_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, _ = contest.shown_rows(5, 4, 0)
    z = torch.cat([drawn.phase.sin(), drawn.phase.cos(), 2 * math.pi * drawn.f], dim=1)
    model = perfect()
    monkeypatch.setattr(model, "_encoded", lambda series, start: torch.cat([z, z], dim=1))
    arms = contest.Arms({"latent ODE": [model]}, {})
    found = contest.judge(arms, 4, 5, 31, 7.5, 0)
    assert found.inside["latent ODE"][0] < 1e-7 and found.behind["latent ODE"][0] < 1e-7
    square = drawn.at(torch.linspace(0, 7.5, 31).repeat(5, 1)).square().mean(0)
    assert found.inside["nought"][0] == pytest.approx(float(square[:21].mean()), rel=1e-5)
    assert found.behind["nought"][0] == pytest.approx(float(square[21:].mean()), rel=1e-5)
    assert found.times[20] == 5 and found.times[-1] == 7.5
    assert found.inside["best guess"][0] > 1e-4
    loose = perfect(0.3)
    monkeypatch.setattr(loose, "_encoded", lambda series, start: torch.cat([z, z], dim=1))
    assert contest.tolerance([loose], 4, 5, 31, 0)[0] > 0.1
    assert contest.asked_less([loose], 4, 5, 29, 0)[0] == pytest.approx(1, abs=0.05)


def test_paths_are_those_of_scipy() -> None:
    model = made("latent ODE", TINY, 0)
    with torch.no_grad():
        for one in model.field.parameters():
            one.mul_(3)
    assert contest.against_scipy(model, 4, 0) < 1e-7


def test_arms_are_trained_alike() -> None:
    found = contest.trained(TINY, {"latent ODE": 1e-2, "RNN-VAE": 1e-2}, 1.5, [0, 1], contest.fresh(6))
    assert list(found.models) == list(contest.ARMS) and all(len(own) == 2 for own in found.models.values())
    again = train(made("RNN-VAE", TINY, 1), contest.fresh(6), TINY, 1)
    for a, b in zip(again.parameters(), found.models["RNN-VAE"][1].parameters(), strict=True):
        assert torch.equal(a, b)
    pairs = zip(again.parameters(), found.models["RNN-VAE, longer"][1].parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


def test_training_lowers_the_error() -> None:
    plan = Plan(steps=80, batch=20, counts=(6,), rate=1e-2)
    flat = days.made_days(1, 0).repeat(20, 1)
    model = made("RNN-VAE", plan, 0)
    shown = waves.rows_of(waves.Window(days.hours(20), flat), waves.seen(20, 24, 6, generator(0, "s")))
    before = float((contest.guess(model, shown, days.hours(20)) - flat).square().mean())
    train(model, days.drawn_from(flat), plan, 0)
    after = float((contest.guess(model, shown, days.hours(20)) - flat).square().mean())
    assert after < 0.8 * before


def test_simple_guesses_about_days() -> None:
    day = torch.arange(24.0).repeat(2, 1)
    shown = torch.tensor([[0, 5, 23], [3, 10, 20]])
    line = days.by_line(day, shown)
    torch.testing.assert_close(line[0], day[0])
    assert line[1, 0] == 3 and line[1, 23] == 20 and line[1, 7] == 7
    wanted = (9 + 4 + 1 + 1 + 4 + 9) / (21 + 21)
    assert days.hidden_errors(line, day, shown) == pytest.approx(wanted)


def test_the_normal_law_is_a_regression() -> None:
    """With no ridge the guess is that of least squares on the training days."""
    train_days = torch.randn(200, 24, generator=generator(0, "days")).cumsum(1)
    day, shown = train_days[:1] + 1, torch.tensor([[2, 9, 15]])
    found = days.by_normal(day, shown, train_days, 0.0)[0]
    x = np.column_stack([np.ones(200), train_days[:, shown[0]].numpy()])
    slopes = np.linalg.lstsq(x, train_days.numpy(), rcond=None)[0]
    np.testing.assert_allclose(found, np.concatenate([[1], day[0, shown[0]].numpy()]) @ slopes, atol=1e-3)


def test_days_without_data_and_places_shown() -> None:
    assert days.made_days(7, 0).shape == (7, 24) and days.hours(2)[1, 12] == 2.5
    places = waves.seen(50, 24, 12, generator(0, "places"))
    assert (places.diff(dim=1) > 0).all() and places.min() == 0 and places.max() == 23
    arms = contest.Arms({"RNN-VAE": [made("RNN-VAE", TINY, 0)]}, {})
    test_days = days.made_days(5, 1)
    found, shown = days.judge_days(arms, days.made_days(30, 0), test_days, 12, 0.1, 0)
    assert list(found) == ["RNN-VAE", "straight lines", "mean day", "normal law"] and shown.shape == (5, 12)
    mean = days.made_days(30, 0).mean(0).expand(5, 24)
    assert found["mean day"][0] == pytest.approx(days.hidden_errors(mean, test_days, shown))


def test_states_of_the_union_are_those_of_all() -> None:
    found = counts(made("latent ODE", TINY, 0), 6, 4, [4, 12, None], 0)
    assert found["distinct"].tolist()[::2] == [4, 24] and found["own states"].tolist() == [24, 24, 24]
    assert found["union states"].tolist() == [24, 6 * found["distinct"][1], 144]
    assert (found["own"] >= 6).all()
