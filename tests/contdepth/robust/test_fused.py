"""YOPO's inner loop: the plain one against finite differences and by hand, the fused one against the plain one."""

import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from contdepth import seeds
from contdepth.robust.inner import inner_steps_plain
from contdepth.robust.threat import Threat
from contdepth.robust.yopo import fused
from contdepth.robust.yopo.fused import fused_available, inner_steps_fused

njit = pytest.importorskip("numba").njit
THREAT = Threat("3/10")


def setting(batch=4, channels=1, height=9, width=8, outputs=5, kernel=3, relu=True, seed=0, **options):
    """A convolution with its layer function, images (some at the edges of the box), a start and a slack."""
    source = seeds.generator(seed, "fused")
    conv = nn.Conv2d(channels, outputs, kernel, **options)
    with torch.no_grad():
        for p in conv.parameters():
            p.copy_(torch.randn(p.shape, generator=source) / math.sqrt(conv.weight[0].numel()))
    x = (1.4 * torch.rand(batch, channels, height, width, generator=source) - 0.2).clamp(0, 1)
    delta = THREAT.start(x, source)
    layer = nn.Sequential(conv, nn.ReLU()) if relu else conv
    slack = torch.randn(layer(x).shape, generator=source)
    return conv, layer, x, delta, slack


def equal_share(a, b):
    return float(((a - b).abs() <= 1e-6).double().mean())


SHAPES = [
    {},
    {"bias": False},
    {"outputs": 4, "padding": 1, "channels": 3},
    {"outputs": 1, "kernel": 1},
    {"kernel": 5, "padding": 2, "channels": 2},
    {"kernel": 4, "stride": 2, "padding": 1},
    {"kernel": 7, "stride": 2, "padding": 3, "channels": 3, "height": 13},
    {"kernel": (2, 3), "stride": (3, 1), "padding": (1, 0), "channels": 2},
    {"kernel": 2, "stride": 4},
    {"kernel": (3, 5), "padding": "same", "channels": 2},
    {"kernel": 3, "padding": "valid", "height": 3, "width": 40},
    {"kernel": 3, "padding": 3, "stride": 2},
]


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_fused_equals_plain(options, relu):
    conv, layer, x, delta, slack = setting(relu=relu, **options)
    before = delta.clone()
    for steps in (1, 10):
        plain = inner_steps_plain(layer, x, delta, slack, THREAT, 0.03, steps)
        assert equal_share(inner_steps_fused(conv, relu, x, delta, slack, THREAT, 0.03, steps, 1), plain) >= 0.999
    assert torch.equal(delta, before)
    assert not torch.equal(plain, before)


@pytest.mark.parametrize("relu", [True, False])
def test_fused_equals_plain_in_double_precision(relu):
    conv, layer, x, delta, slack = setting(16, height=28, width=28, outputs=32, relu=relu)
    found = inner_steps_fused(conv, relu, x, delta, slack, THREAT, 0.01, 10)
    wanted = inner_steps_plain(layer.double(), x.double(), delta.double(), slack.double(), THREAT, 0.01, 10)
    assert equal_share(found, wanted) >= 0.999


def test_plain_climbs_along_the_finite_difference_gradient():
    _, layer, x, delta, slack = setting(1, height=5, width=5)
    layer, x, delta, slack = layer.double(), 0.3 + 0.4 * x.double(), 0.1 * delta.double(), slack.double()
    step = 1e-5
    found = (inner_steps_plain(layer, x, delta, slack, THREAT, step, 1) - delta).flatten()
    for pixel in range(x.numel()):
        shift = torch.zeros_like(x).view(-1).index_fill(0, torch.tensor(pixel), 1e-6).view_as(x)
        slope = float((slack * (layer(x + delta + shift) - layer(x + delta - shift))).sum().detach()) / 2e-6
        assert abs(slope) > 1e-4
        assert float(found[pixel]) == pytest.approx(math.copysign(step, slope), abs=1e-12)


def test_plain_in_l2_walks_along_the_unit_gradient():
    conv, _, x, _, slack = setting(3, relu=False)
    x, threat = 0.3 + 0.4 * x, Threat("2/10", "l2")
    gradient = nn.functional.conv_transpose2d(slack, conv.weight.detach())
    unit = gradient / gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    one = inner_steps_plain(conv, x, torch.zeros_like(x), slack, threat, 0.05, 1)
    assert torch.allclose(one, 0.05 * unit, atol=1e-6)
    many = inner_steps_plain(conv, x, torch.zeros_like(x), slack, threat, 0.05, 9)
    assert torch.allclose(many, 0.2 * unit, atol=1e-6)


@pytest.mark.parametrize("way", ["plain", "fused"])
def test_linear_layer_n_steps_are_one_long_step(way):
    """With δ in the box, n steps of σ equal one of nσ: the gradient of a linear H does not move."""
    conv, _, x, delta, slack = setting(relu=False, padding=1, channels=3)
    steps = {
        "plain": lambda *a: inner_steps_plain(conv, x, delta, slack, THREAT, *a),
        "fused": lambda *a: inner_steps_fused(conv, False, x, delta, slack, THREAT, *a),
    }[way]
    assert torch.allclose(steps(0.02, 10), steps(0.2, 1), atol=1e-6)


def test_relu_makes_the_inner_loop_more_than_one_long_step():
    conv, _, x, delta, slack = setting(16, height=14, width=14, outputs=32)
    many, one = (inner_steps_fused(conv, True, x, delta, slack, THREAT, *a) for a in ((0.02, 10), (0.2, 1)))
    assert 0.3 < equal_share(many, one) < 0.99


@pytest.mark.parametrize("way", ["plain", "fused"])
def test_result_is_inside_ball_and_box_and_zero_gradient_stays(way):
    conv, layer, x, delta, slack = setting(kernel=2, stride=3)
    slack[0] = 0
    run = {
        "plain": lambda: inner_steps_plain(layer, x, delta, slack, THREAT, 0.05, 20),
        "fused": lambda: inner_steps_fused(conv, True, x, delta, slack, THREAT, 0.05, 20),
    }[way]
    found = run()
    assert float(found.abs().max()) <= 0.3 + 1e-6
    assert float((x + found).min()) >= 0 and float((x + found).max()) <= 1 + 1e-6
    assert torch.allclose(found[0], delta[0], atol=1e-6)
    assert torch.allclose(found[..., 2::3, :], delta[..., 2::3, :], atol=1e-6)  # rows between the windows
    assert float((found[1:] - delta[1:]).abs().max()) > 0.2


def test_relu_passes_nothing_at_exactly_zero():
    conv = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.ones_(conv.weight)
    x, slack = torch.tensor([0.0, 0.5]).view(1, 1, 1, 2), torch.ones(1, 1, 1, 2)
    found = inner_steps_fused(conv, True, x, torch.zeros_like(x), slack, THREAT, 0.1, 2)
    assert found.flatten().tolist() == pytest.approx([0.0, 0.2])


def test_threads_layouts_and_empty_work_change_nothing():
    conv, _, x, delta, slack = setting(5, channels=3, padding=1)
    one = inner_steps_fused(conv, True, x, delta, slack, THREAT, 0.03, 4, 1)
    assert torch.equal(inner_steps_fused(conv, True, x, delta, slack, THREAT, 0.03, 4, 2), one)
    assert torch.equal(inner_steps_fused(conv, True, x, delta, slack, THREAT, 0.03, 4, 9), one)
    last = [t.to(memory_format=torch.channels_last) for t in (x, delta, slack)]
    assert torch.equal(inner_steps_fused(conv, True, *last, THREAT, 0.03, 4), one)
    assert torch.equal(inner_steps_fused(conv, True, x, delta, slack, THREAT, 0.03, 0), delta)
    assert inner_steps_fused(conv, True, x[:0], delta[:0], slack[:0], THREAT, 0.03, 4).shape == (0, 3, 9, 8)


def test_one_thread_starts_no_pool(monkeypatch):
    conv, _, x, delta, slack = setting()
    monkeypatch.setattr(fused, "ThreadPoolExecutor", None)
    inner_steps_fused(conv, True, x, delta, slack, THREAT, 0.03, 1, 1)
    with pytest.raises(TypeError):
        inner_steps_fused(conv, True, x, delta, slack, THREAT, 0.03, 1, 2)


def test_the_kernel_works_in_single_precision():
    from contdepth.robust import fused_kernel

    line, weight, n = np.zeros(32, np.float32), np.zeros((2, 9), np.float32), np.uint64(1)
    arguments = {
        "add": (line, line, weight, *[n] * 7),
        "gate": (line, line, line, weight, *[n] * 9),
        "pull": (line, line, weight, *[n] * 6),
        "move": (*[line] * 5, np.float32(1)),
    }
    for name, values in arguments.items():
        fresh = njit(getattr(fused_kernel, name).py_func)
        fresh(*values)
        (code,) = fresh.inspect_llvm().values()
        assert " float " in code and not re.search(r"(fadd|fmul|fsub|fcmp|fpext)[a-z ]* double|fpext", code), name


def test_fused_available_says_why_not(monkeypatch):
    conv = nn.Conv2d(1, 2, 3)
    for good in (conv, [conv], [conv, nn.ReLU()], nn.Sequential(conv, nn.ReLU())):
        assert fused_available(good) is None
    for bad, word in (
        (nn.Linear(2, 2), "Linear"),
        ([conv, nn.Tanh()], "Tanh"),
        ([], "nothing"),
        (nn.Conv2d(2, 2, 3, groups=2), "groups 2"),
        (nn.Conv2d(1, 2, 3, dilation=2), "dilation"),
        (nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), "circular"),
        (nn.Conv2d(1, 2, 3).double(), "float64"),
        (nn.Conv2d(1, 2, 3, device="meta"), "meta"),
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 2, 3)), "Parametrized"),
    ):
        assert word in fused_available(bad)
    hooked = nn.Conv2d(1, 2, 3)
    hooked.register_forward_hook(lambda *_: None)
    assert "hooks" in fused_available(hooked)
    monkeypatch.setitem(sys.modules, "numba", None)
    assert "pip install numba" in fused_available(conv)


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"conv": nn.Linear(2, 2)}, ValueError, "conv: "),
        ({"threat": Threat("1/2", "l2")}, ValueError, "threat.norm"),
        ({"x": torch.zeros(4, 2, 9, 8)}, ValueError, "x: expected 1 channels"),
        (
            {"x": torch.zeros(4, 1, 2, 2), "delta": torch.zeros(4, 1, 2, 2)},
            ValueError,
            "not smaller than the kernel",
        ),
        ({"delta": torch.zeros(4, 1, 9, 9)}, ValueError, "delta: "),
        ({"slack": torch.zeros(4, 5, 7, 7)}, ValueError, "slack: "),
        ({"slack": torch.zeros(4, 5, 7, 6, dtype=torch.float64)}, TypeError, "slack: expected float32"),
        ({"step_size": 0.0}, ValueError, "step_size"),
        ({"steps": -1}, ValueError, "steps"),
        ({"threads": 0}, ValueError, "threads"),
    ],
)
def test_bad_input_is_named(change, error, words):
    conv, _, x, delta, slack = setting()
    good = {
        "conv": conv,
        "relu": True,
        "x": x,
        "delta": delta,
        "slack": slack,
        "threat": THREAT,
        "step_size": 0.1,
        "steps": 1,
        "threads": 1,
    }
    with pytest.raises(error, match=words):
        inner_steps_fused(**(good | change))


def test_plain_names_bad_input():
    _, layer, x, delta, slack = setting()
    for change, words in (
        ({"slack": slack[:1]}, "slack"),
        ({"steps": -1}, "steps"),
        ({"step_size": -1}, "step_size"),
        ({"delta": delta[:1]}, "delta"),
    ):
        good = {"x": x, "delta": delta, "slack": slack, "threat": THREAT, "step_size": 0.1, "steps": 1}
        with pytest.raises(ValueError, match=words):
            inner_steps_plain(layer, **(good | change))


def test_plain_leaves_parameters_and_caller_alone():
    _, layer, x, delta, slack = setting()
    with torch.no_grad():
        found = inner_steps_plain(layer, x, delta.requires_grad_(), slack, THREAT, 0.1, 2)
    assert not found.requires_grad and delta.grad is None and all(p.grad is None for p in layer.parameters())


@pytest.mark.slow
def test_no_warning_and_no_output_where_nothing_can_be_cached(tmp_path):
    """A fresh process with warnings as errors, home and package as good as read-only: compiled, right, silent."""
    code = """
import torch
from contdepth.robust.yopo.fused import inner_steps_fused
from contdepth.robust.fused_kernel import ascend
from contdepth.robust.threat import Threat
x = torch.full((1, 1, 3, 3), 0.5)
conv = torch.nn.Conv2d(1, 1, 3)
torch.nn.init.ones_(conv.weight)
out = inner_steps_fused(conv, True, x, 0 * x, torch.ones(1, 1, 1, 1), Threat("3/10"), 0.1, 2)
assert torch.allclose(out, torch.full_like(x, 0.2))
assert ascend.stats.cache_path is None
"""
    places = {**os.environ, "NUMBA_CACHE_LOCATOR_CLASSES": "ZipCacheLocator"}  # for code in archives alone
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, env=places)
    assert done.returncode == 0 and done.stderr == "" and done.stdout == "", done.stderr
