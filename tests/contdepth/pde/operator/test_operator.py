"""The Fourier neural operator: one map on all grids, its counts, batch norm, training that resumes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from contdepth.errors import CheckpointError, DivergenceError
from contdepth.pde import FourierNeuralOperator, SpectralConv, fit_operator, relative_error


def _drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def _net(modes=6, **options):
    settings = {"width": 5, "layers": 3, "hidden": 7, "generator": _drawn()} | options
    return FourierNeuralOperator(modes, **settings).double()


def _function(n, count=2):
    """Smooth functions (count, 1, n) of waves up to 5."""
    x = torch.arange(n, dtype=torch.float64) / n
    rows = [sum(torch.sin(2 * math.pi * k * x + c * k) / (1 + k) for k in range(6)) for c in range(count)]
    return torch.stack(rows)[:, None]


def _far(net, n, m=512):
    """The largest difference of the images on n and on m points, at the points that both have."""
    with torch.no_grad():
        return float((net(_function(n)) - net(_function(m))[..., :: m // n]).abs().max())


def test_parameters_are_as_many_as_in_the_authors_code():
    """Their count of 287,425 takes a complex weight for one."""
    net = FourierNeuralOperator()
    spectral = sum(layer.weight.numel() for layer in net.modules() if isinstance(layer, SpectralConv))
    total = sum(p.numel() for p in net.parameters())
    assert (spectral, total - spectral // 2) == (4 * 64 * 64 * 16 * 2, 287_425)
    normed = FourierNeuralOperator(batch_norm=True)
    assert sum(p.numel() for p in normed.parameters()) == total + 4 * 2 * 64


def test_layers_are_those_of_the_paper():
    """Written out with PyTorch's own layers, for two Fourier layers."""
    net, a = _net(layers=2), _function(16)
    x = (torch.arange(16, dtype=torch.float64) / 16).expand(2, 1, 16)

    def affine(part, v):
        return torch.einsum("oi,bix->box", part.weight, v) + part.bias[:, None]

    v = affine(net.lift, torch.cat((a, x), 1))
    v = (net.kernels[0](v) + affine(net.skips[0], v)).clamp(min=0)
    v = net.kernels[1](v) + affine(net.skips[1], v)
    u = affine(net.project[1], affine(net.project[0], v).clamp(min=0))
    torch.testing.assert_close(net(a), u, rtol=1e-12, atol=1e-13)


def test_a_smooth_function_has_one_image_on_all_grids():
    """Without the sawtooth of coordinates only aliasing of GELU's waves is left, which falls fast."""
    net = _net(coordinates=False, activation="gelu")
    far = [_far(net, n) for n in (32, 64, 128)]
    assert far[0] > far[1]
    assert far[1] < 1e-6
    assert far[2] < 1e-13


def test_corners_and_coordinates_leave_an_aliasing_error_that_falls():
    far = [_far(_net(), n) for n in (32, 64, 128, 256)]
    assert all(a > 1.4 * b for a, b in zip(far, far[1:], strict=False))
    assert far[-1] < 1e-2


@pytest.mark.parametrize(("modes", "shape"), [(4, (11,)), ((3, 4), (7, 10))])
def test_without_coordinates_it_commutes_with_shifts(modes, shape):
    a = torch.randn(2, 1, *shape, generator=_drawn(1), dtype=torch.float64)
    axes = tuple(range(2, a.ndim))
    for coordinates in (False, True):
        net = _net(modes, coordinates=coordinates, batch_norm=True).eval()
        moved = net(a.roll((3,) * len(axes), axes)), net(a).roll((3,) * len(axes), axes)
        assert torch.allclose(*moved, rtol=0, atol=1e-12) is not coordinates


def test_gradients_are_those_of_finite_differences():
    net, a = _net(2, width=2, layers=2, activation="gelu", batch_norm=True), _function(6).requires_grad_()
    values = [p.detach().clone().requires_grad_() for p in net.parameters()]
    names = [name for name, _ in net.named_parameters()]

    def image(a, *values):
        return torch.func.functional_call(net, dict(zip(names, values, strict=True)), (a,))

    assert torch.autograd.gradcheck(image, (a, *values), eps=1e-6, atol=1e-7)


def test_batch_norm_uses_the_batch_in_training_and_the_means_in_prediction():
    net, a = _net(batch_norm=True), _function(16, 4)
    v = []
    net.norms[0].register_forward_hook(lambda module, given, out: v.append(out))
    net(a)
    assert torch.allclose(v[0].mean((0, 2)), torch.zeros(5, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(v[0].var((0, 2), unbiased=False), torch.ones(5, dtype=torch.float64), atol=1e-2)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    together = net.predict(a)
    assert net.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    torch.testing.assert_close(together, net.predict(a, batch=1), rtol=1e-12, atol=1e-13)
    assert not torch.allclose(together, net(a), atol=1e-3)


def test_predictions_take_any_grid_and_dtype():
    net = _net().float()
    found = net.predict(_function(33))
    assert (found.dtype, found.shape) == (torch.float64, (2, 1, 33))
    assert net.predict(_function(12)[:0]).shape == (0, 1, 12)
    with pytest.raises(ValueError, match="^a: expected at least 12 points on axis 2 for 6 modes, found 11; give"):
        net.predict(_function(11))
    with pytest.raises(ValueError, match="^a: expected finite values"):
        net.predict(torch.full((1, 1, 16), torch.nan))


def test_the_relative_error_is_a_mean_over_functions():
    truth = torch.tensor([[3.0, 4.0], [6.0, 8.0]])
    found = truth + torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert torch.allclose(relative_error(found, truth), torch.tensor([0.2, 0.1]))
    with pytest.raises(ValueError, match="truth: expected functions that are not zero, found a zero one at 1"):
        relative_error(truth, truth * torch.tensor([[1.0], [0.0]]))


def _task():
    a = torch.randn(6, 1, 16, generator=_drawn(2), dtype=torch.float64)
    return a, a.roll(3, 2) + 0.5


def _same(one, two):
    return all(torch.equal(value, two.state_dict()[key]) for key, value in one.state_dict().items())


def test_training_learns_a_shift():
    """A shift is one spectral convolution."""
    net = _net(8, layers=1, activation="gelu")
    fit = fit_operator(net, *_task(), epochs=40, batch=3, rate=0.02, halve=20, decay=0.0)
    assert fit.losses[-1] < 0.1 * fit.losses[0]
    assert fit.steps == 80
    assert not net.training


def test_the_rate_is_halved_on_schedule_and_the_weights_decay():
    fit = fit_operator(_net(), *_task(), epochs=5, batch=4, rate=0.01, halve=2)
    assert fit.rates == [0.01, 0.01, 0.005, 0.005, 0.0025]
    still = _net()
    weight = still.lift.weight.detach().clone()
    a, u = _task()
    with torch.no_grad():
        exact = still.eval()(a)
    fit_operator(still, a, exact, epochs=1, batch=6, rate=1e-3, decay=1.0)
    assert float((still.lift.weight.abs() < weight.abs()).double().mean()) > 0.7


def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path):
    whole, half = _net(batch_norm=True), _net(batch_norm=True)
    settings = {"epochs": 3, "batch": 4, "seed": 4, "checkpoint": tmp_path / "fit.pt", "every": 1}
    truth = fit_operator(whole, *_task(), **settings | {"checkpoint": None})

    class Stopped(RuntimeError):
        pass

    steps = []

    def stop(*_):
        steps.append(1)
        if len(steps) == 4:
            raise Stopped

    handle = half.register_forward_pre_hook(stop)
    with pytest.raises(Stopped):
        fit_operator(half, *_task(), **settings)
    handle.remove()
    again = _net(batch_norm=True)
    found = fit_operator(again, *_task(), **settings)
    assert _same(again, whole)
    assert (found.losses, found.rates, found.steps) == (truth.losses, truth.rates, 6)
    with pytest.raises(CheckpointError, match="another seed"):
        fit_operator(_net(batch_norm=True), *_task(), **settings | {"seed": 5})


def test_a_batch_weighs_by_its_functions():
    """Six functions in batches of four and two, at a rate that moves nothing."""
    net, (a, u) = _net(), _task()
    fit = fit_operator(net, a, u, epochs=1, batch=4, rate=1e-300, decay=0.0)
    with torch.no_grad():
        assert fit.losses[0] == pytest.approx(float(relative_error(net(a), u).mean()), rel=1e-12)


def test_epochs_take_the_functions_in_another_order():
    """A module that remembers what it was shown, and in which order."""
    shown = []

    class Watched(nn.Conv1d):
        def forward(self, v):
            shown.append(v[:, 0, 0].detach().clone())
            return super().forward(v)

    a, u = _task()
    for seed in (0, 1):
        fit_operator(Watched(1, 1, 1, dtype=torch.float64), a, u, epochs=3, batch=6, rate=1e-3, seed=seed)
    assert all(torch.equal(one.sort().values, a[:, 0, 0].sort().values) for one in shown)
    assert len({tuple(one.tolist()) for one in shown}) == 6


def test_any_module_can_be_trained_and_a_divergence_is_named():
    a, u = _task()
    plain = nn.Conv1d(1, 1, 9, padding=4, padding_mode="circular", dtype=torch.float64)
    fit = fit_operator(plain, a, u, epochs=200, batch=6, rate=0.05, halve=50, decay=0.0)
    assert fit.losses[-1] < 1e-2
    with pytest.raises(DivergenceError, match="step 1 .*learning rate 1e\\+300; lower rate"):
        fit_operator(_net(), a, u, epochs=2, batch=6, rate=1e300)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"targets": torch.zeros(6, 1, 16)}, "truth: expected functions that are not zero"),
        ({"targets": torch.ones(5, 1, 16)}, "targets: expected 6 functions, as inputs, found 5"),
        ({"targets": torch.ones(6, 1, 15)}, "found: expected shape"),
        ({"inputs": torch.ones(6, 16)}, "inputs: expected functions"),
        ({"inputs": torch.full((6, 1, 16), torch.inf)}, "inputs: expected finite values"),
        ({"inputs": torch.ones(6, 1, 11)}, "a: expected at least 12 points"),
        ({"batch": 0}, "batch: "),
        ({"halve": 0}, "halve: "),
        ({"rate": 0.0}, "rate: "),
        ({"decay": -1.0}, "decay: "),
        ({"model": nn.Identity()}, "model: expected a module with weights to train"),
    ],
)
def test_what_does_not_fit_is_named(change, sentence):
    a, u = _task()
    arguments = {"model": _net(), "inputs": a, "targets": u, "epochs": 1} | change
    with pytest.raises((TypeError, ValueError)) as error:
        fit_operator(**arguments)
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"layers": 0},
        {"activation": "tanh"},
        {"batch_norm": 1},
        {"coordinates": None},
        {"hidden": 0.5},
    ],
)
def test_a_network_that_is_none_is_refused(change):
    with pytest.raises((TypeError, ValueError), match=next(iter(change))):
        FourierNeuralOperator(4, **change)
