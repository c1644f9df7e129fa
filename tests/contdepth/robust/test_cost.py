"""Cost formulas against counted operations."""

from __future__ import annotations

from fractions import Fraction

import pytest
from small_images import batch, hooked, plain
from torch.utils.flop_counter import FlopCounterMode

from contdepth.nets.small_cnn import SmallCNN
from contdepth.robust.methods.baselines import FGSMRS, FreeTraining, PGDTraining, SummedPGD
from contdepth.robust.methods.method import Natural
from contdepth.robust.methods.trades import TRADES, TRADESYOPO
from contdepth.robust.threat import Threat
from contdepth.robust.yopo.cost import (
    count_forwards,
    first_layer_share,
    limit,
    multiply_adds,
    pgd_cost,
    yopo_cost,
)
from contdepth.robust.yopo.yopo import YOPO

THREAT = Threat("1/5")


@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("n", [1, 10])
def test_yopo_cost_counts_what_runs(m, n):
    """Multiply-adds of a step by PyTorch's counter, over those of a forward pass."""
    model, (x, y) = SmallCNN(size=28, channels=(8, 8, 8, 8), hidden=20).eval(), batch(size=28)
    share = first_layer_share(model, "relu1", x)
    forward = multiply_adds(model, x)
    method = YOPO(
        model, first_layer="relu1", threat=THREAT, steps=m, inner_steps=n, step_size="1/50", inner="plain"
    )
    method.gradients(x, y)
    with FlopCounterMode(display=False) as counter:
        method.gradients(x, y)
    assert share > 0.05
    assert counter.get_total_flops() / 2 / len(x) / forward == pytest.approx(yopo_cost(m, n, share), rel=1e-9)


@pytest.mark.parametrize("clean", [False, True])
def test_pgd_cost_counts_what_runs(clean):
    """The formula leaves out that a pass for the weights needs no gradient of the image: s for each of them."""
    model, (x, y) = SmallCNN(size=28, channels=(8, 8, 8, 8), hidden=20).eval(), batch(size=28)
    share = first_layer_share(model, "relu1", x)
    method = PGDTraining(model, threat=THREAT, steps=4, step_size="1/50", clean_weight=float(clean))
    method.gradients(x, y)
    with FlopCounterMode(display=False) as counter:
        method.gradients(x, y)
    found = counter.get_total_flops() / 2 / len(x) / multiply_adds(model, x)
    assert found == pytest.approx(pgd_cost(4, clean=clean) - share * (2 if clean else 1), rel=1e-9)


def test_official_and_untrimmed_costs():
    assert yopo_cost(5, 10, 0) == 15 and yopo_cost(5, 3, 0.5) == 15 + 15
    assert yopo_cost(5, 10, 0.01, official=True) - yopo_cost(5, 10, 0.01) == pytest.approx(1 + 0.05)
    assert pgd_cost(40) == 83 and pgd_cost(10, clean=True) == 26
    assert pgd_cost(10, trimmed=False) == 33 and pgd_cost(10, clean=True, trimmed=False) == 36


def test_limit_is_the_ratio_without_a_first_layer():
    assert limit(40, 5) == Fraction(83, 15) and limit(10, 5) == Fraction(23, 15)
    for r, m, n in ((40, 5, 10), (10, 5, 3), (7, 2, 9)):
        assert float(limit(r, m)) == pytest.approx(pgd_cost(r) / yopo_cost(m, n, 0))
        assert float(limit(r, m)) > pgd_cost(r) / yopo_cost(m, n, 0.02)


def test_first_layer_share_of_the_papers_networks():
    x, _ = batch(count=2, size=28)
    model = SmallCNN().eval()
    first = 26 * 26 * 32 * 9
    rest = 24 * 24 * 32 * 32 * 9 + 10 * 10 * 64 * 32 * 9 + 8 * 8 * 64 * 64 * 9
    linear = 1024 * 200 + 200 * 200 + 200 * 10
    assert multiply_adds(model, x) == first + rest + linear
    assert first_layer_share(model, "conv1", x) == first_layer_share(model, "relu1", x)
    assert first_layer_share(model, "conv1", x) == pytest.approx(first / (first + rest + linear))
    assert 0.019 < first / (first + rest + linear) < 0.020


M, N = 3, 4
YOPO_OPTIONS = {"threat": THREAT, "steps": M, "inner_steps": N, "step_size": "1/50"}


@pytest.mark.parametrize(("make", "expected"), [
    (Natural, (1, 1)),
    (lambda m: PGDTraining(m, threat=THREAT, steps=7, step_size="1/9"), (8, 8)),
    (lambda m: PGDTraining(m, threat=THREAT, steps=7, step_size="1/9", clean_weight=1), (9, 9)),
    (lambda m: SummedPGD(m, threat=THREAT, steps=7, step_size="1/9"), (7, 7)),
    (lambda m: FGSMRS(m, threat=THREAT), (2, 2)),
    (lambda m: FreeTraining(m, threat=THREAT, replays=8), (1, 1)),
    (lambda m: YOPO(m, first_layer="relu1", inner="plain", **YOPO_OPTIONS), (M, M * (N + 2))),
    (lambda m: YOPO(m, first_layer="conv1", inner="plain", **YOPO_OPTIONS), (M, M * (N + 2))),
    (lambda m: YOPO(m, first_layer="conv1", inner="closed", **YOPO_OPTIONS), (M, M * 2)),
    (lambda m: TRADES(m, threat=THREAT, steps=5, step_size="1/9"), (8, 8)),
    (lambda m: TRADESYOPO(m, first_layer="relu1", inner="plain", **YOPO_OPTIONS), (M + 3, M * (N + 1) + 3)),
])  # fmt: skip
def test_forward_passes(make, expected):
    method = make(plain())
    name = method.loop.cut.name if hasattr(method, "loop") else "conv1"
    assert count_forwards(method, name, *batch()) == expected
    assert not hooked(method.model)


@pytest.mark.parametrize(("change", "error", "message"), [
    ({"method": None}, TypeError, "method: expected a Method, found NoneType; such as Natural"),
    ({"method": Natural}, TypeError, "method: expected a Method"),
    ({"first_layer": None}, TypeError, "first_layer: expected the name of a module"),
    ({"x": None}, TypeError, "x: expected a torch.Tensor, found NoneType"),
    ({"x": batch()[0][:0], "y": batch()[1][:0]}, ValueError, "x: expected at least one image"),
    ({"x": batch()[0] + 0j}, TypeError, "x: expected a real dtype"),
    ({"y": None}, TypeError, "y: expected a torch.Tensor, found NoneType"),
    ({"y": batch()[1][:1]}, ValueError, "y: expected shape"),
    ({"y": batch()[1] - 100}, ValueError, "y: expected classes 0 to"),
])  # fmt: skip
def test_odd_arguments_of_a_count_are_named(change, error, message):
    x, y = batch()
    with pytest.raises(error, match=f"^{message}"):
        count_forwards(**{"method": Natural(plain()), "first_layer": "conv1", "x": x, "y": y, **change})


@pytest.mark.parametrize("x", [batch()[0][:0], batch()[0][0, 0, 0, 0][None][:0]])
def test_multiply_adds_need_an_image(x):
    with pytest.raises(ValueError, match="^x: expected at least one image"):
        multiply_adds(plain(), x)


def test_multiply_adds_keep_the_images_that_a_function_overwrites():
    x = batch()[0]
    kept = x.clone()
    assert multiply_adds(lambda x: x.mul_(2), x) == 0
    assert x.equal(kept)


def test_inner_steps_in_a_kernel_run_no_layer():
    pytest.importorskip("numba")
    method = YOPO(plain(), first_layer="relu1", inner="fused", **YOPO_OPTIONS)
    assert count_forwards(method, "relu1", *batch()) == (M, 2 * M)


@pytest.mark.parametrize("call", [
    lambda: yopo_cost(0, 1, 0.1),
    lambda: yopo_cost(1, 0, 0.1),
    lambda: yopo_cost(1, 1, 1.1),
    lambda: yopo_cost(1, 1, -0.1),
    lambda: pgd_cost(0),
    lambda: limit(0, 1),
    lambda: limit(1, 0),
])  # fmt: skip
def test_bad_counts(call):
    with pytest.raises(ValueError, match="expected"):
        call()
