"""Attacks against closed forms, brute force, a plain reference, and an independent library."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from contdepth.robust.attacks.apgd import APGD, APGDTargeted, checkpoints, dlr, must_halve, targeted
from contdepth.robust.attacks.pgd import FGSM, PGD, NoAttack, RandomNoise, accuracy
from contdepth.robust.attacks.square import Square, bump, pair, picture, share, squares, window, windows
from contdepth.robust.losses import LOSSES, margin
from contdepth.robust.threat import Threat
from contdepth.seeds import generator

LINF, L2 = Threat("1/10"), Threat("1/2", "l2")


def attacks(threat):
    return [
        RandomNoise(threat),
        FGSM(threat),
        FGSM(threat, random_start=True),
        PGD(threat, steps=5, restarts=2),
        PGD(threat, steps=5, loss="margin", early_stop=True),
        APGD(threat, 12),
        APGD(threat, 12, loss="dlr"),
        APGDTargeted(threat, 12, targets=2),
        Square(threat, 30),
        Square(threat, 30, restarts=2),
    ]


def ids(attack):
    return f"{type(attack).__name__}-{attack.threat.norm}"


def affine(classes, shape=(1, 4, 4), seed=0):
    source = generator(seed, "affine")
    model = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), classes)).eval()
    for part in model.parameters():
        part.data.normal_(generator=source)
    return model


class Counting(nn.Module):
    """Counts images and keeps what it sees."""

    def __init__(self, model):
        super().__init__()
        self.model, self.seen = model, []
        self.eval()

    def forward(self, x):
        self.seen.append(x.detach().clone())
        return self.model(x)


def images(n, shape=(1, 4, 4), seed=0):
    return torch.rand((n, *shape), generator=generator(seed, "images"))


@pytest.mark.parametrize("attack", attacks(LINF) + attacks(L2), ids=ids)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (2, 4, 4)])
def test_inside_and_untouched(attack, shape):
    model = nn.Sequential(
        nn.Conv2d(shape[0], 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * shape[1] * shape[2], 5),
    ).eval()
    model[0].weight.requires_grad_(False)
    model[4].weight.grad = torch.ones_like(model[4].weight)
    asked = [part.requires_grad for part in model.parameters()]
    before = copy.deepcopy(model.state_dict())
    hook = model[4].bias.register_hook(lambda g: pytest.fail("a weight gradient was computed"))
    x = images(6, shape)
    x[0], x[1] = 0, 1
    kept = x.clone()
    with torch.no_grad():
        y = model(x).argmax(1)
    delta = attack.perturb(model, x, y, generator(1, "attack"))
    hook.remove()
    assert delta.shape == x.shape and delta.dtype == x.dtype and not delta.requires_grad
    assert (attack.threat.size(delta) <= attack.threat.radius + 1e-6).all()
    assert (x + delta).min() >= -1e-6 and (x + delta).max() <= 1 + 1e-6
    assert delta.abs().amax() > 0.01
    assert torch.equal(delta, attack.perturb(model, x, y, generator(1, "attack")))
    assert torch.equal(x, kept) and not model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert [part.requires_grad for part in model.parameters()] == asked
    assert [part.grad is None for part in model.parameters()] == [True, True, True, True, False, True]
    assert torch.equal(model[4].weight.grad, torch.ones_like(model[4].weight))


def best_affine(model, x, y, radius):
    """max over the ball and the box of z_c − z_y, for every class c."""
    weight, bias = model[1].weight.detach(), model[1].bias.detach()
    flat = x.flatten(1)
    low, high = (flat - radius).clamp_min(0) - flat, (flat + radius).clamp_max(1) - flat
    d = weight[None] - weight[y][:, None]
    gain = torch.maximum(d * low[:, None], d * high[:, None]).sum(2)
    return (d * flat[:, None]).sum(2) + bias[None] - bias[y][:, None] + gain


@pytest.mark.parametrize(
    "attack",
    [
        FGSM(LINF),
        PGD(LINF, steps=10),
        PGD(LINF, steps=10, loss="margin"),
        PGD(LINF, steps=10, random_start=False),
        APGD(LINF, 20),
        APGD(LINF, 20, loss="margin"),
        APGDTargeted(LINF, 20, fallback=True),
        Square(LINF, 3000),
    ],
    ids=ids,
)
def test_optimum_of_an_affine_pair(attack):
    model, x = affine(2), images(40)
    model[1].bias.data[1] = -25.0
    y = torch.zeros(40, dtype=torch.int64)
    best = best_affine(model, x, y, LINF.radius)[:, 1]
    assert best.max() < 0
    delta = attack.perturb(model, x, y, generator(0, "a"))
    torch.testing.assert_close(margin(model(x + delta), y).detach(), best, atol=2e-5, rtol=0)


class Scaled(nn.Module):
    def __init__(self, model, scale):
        super().__init__()
        self.model, self.scale = model, scale
        self.eval()

    def forward(self, x):
        return self.scale * self.model(x)


@pytest.mark.parametrize("scale", [2.0**-100, 2.0**-40, 2.0**-15, 4.0])
@pytest.mark.parametrize(
    "attack, classes",
    [
        (FGSM(L2), 2),
        (PGD(L2, steps=5), 2),
        (PGD(L2, steps=5, loss="margin"), 5),
        (APGD(L2, 8, loss="margin"), 5),
        (APGD(L2, 8, loss="dlr"), 5),
        (APGDTargeted(L2, 8, targets=2), 5),
        (APGDTargeted(L2, 8, fallback=True), 3),
        (Square(L2, 10), 5),
    ],
    ids=lambda value: ids(value) if hasattr(value, "threat") else str(value),
)
def test_the_scale_of_the_logits_changes_no_l2_attack(attack, classes, scale):
    """Two classes: cross-entropy climbs along one line at every scale. The other losses do not know the scale."""
    model, x = affine(classes), images(12)
    with torch.no_grad():
        y = model(x).argmax(1)
    expected, found = (attack.perturb(one, x, y, generator(0, "a")) for one in (model, Scaled(model, scale)))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert float(L2.size(found).min()) > 0.3


@pytest.mark.parametrize("threat", [LINF, L2], ids=lambda threat: threat.norm)
@pytest.mark.parametrize("loss", ["ce", "margin"])
def test_a_model_without_gradient_gives_no_nan_and_no_step(threat, loss):
    """All logits equal, or detached: the gradient is zero, and δ stays where it started."""
    flat = nn.Sequential(nn.Flatten(), nn.Linear(16, 4)).eval()
    flat[1].weight.data.zero_()
    flat[1].bias.data.zero_()
    x, y = images(5), torch.zeros(5, dtype=torch.int64)
    for model in (flat, Scaled(lambda x: flat(x.detach()), 1.0)):
        assert (
            not PGD(threat, steps=3, loss=loss, random_start=False).perturb(model, x, y, generator(0, "a")).any()
        )
    for attack in attacks(threat):
        assert bool(attack.perturb(flat, x, y, generator(0, "a")).isfinite().all())


@pytest.mark.parametrize("shape", [(9,), (2, 9), (2, 3, 4, 4)], ids=str)
@pytest.mark.parametrize("attack", attacks(LINF) + attacks(L2), ids=ids)
def test_signals_vectors_and_volumes(attack, shape):
    model, x = affine(4, shape), images(8, shape)
    with torch.no_grad():
        y = model(x).argmax(1)
    delta = attack.perturb(model, x, y, generator(0, "a"))
    assert delta.shape == x.shape and float(attack.threat.size(delta).max()) <= attack.threat.radius + 1e-6
    assert float(attack.threat.size(delta).min()) > 0.1 * attack.threat.radius


@pytest.mark.parametrize("shape", [(40,), (1, 40), (1, 1, 40)], ids=str)
@pytest.mark.parametrize("threat", [LINF, L2], ids=lambda threat: threat.norm)
def test_square_reaches_the_optimum_of_a_signal(shape, threat):
    """Two classes and no box in reach: the best margin is z_1 − z_0 + ε ‖w_1 − w_0‖ in the dual norm."""
    model, y = affine(2, shape), torch.zeros(10, dtype=torch.int64)
    model[1].bias.data[1] = -100.0
    x = 0.5 + 0.1 * (images(10, shape) - 0.5)
    weight = (model[1].weight[1] - model[1].weight[0]).detach()
    best = float(threat.radius * weight.norm(1 if threat.norm == "linf" else 2))
    with torch.no_grad():
        gain = Square(threat, 2000).search(model, x, y, generator(0, "a")).loss - margin(model(x), y)
    assert (
        float(gain.max()) <= best * (1 + 1e-4)
        and float(gain.min()) > (0.95 if threat.norm == "linf" else 0.6) * best
    )


@pytest.mark.parametrize(
    "attack, slack",
    [
        (FGSM(Threat("1/5", "l2")), 1e-5),
        (PGD(Threat("1/5", "l2"), step_size="1/10", steps=20), 1e-3),
        (APGD(Threat("1/5", "l2"), 30), 1e-4),
        (APGDTargeted(Threat("1/5", "l2"), 30, fallback=True), 1e-4),
        (Square(Threat("1/5", "l2"), 1000), 0.3),
    ],
    ids=str,
)
def test_optimum_of_an_affine_pair_in_l2(attack, slack):
    model, x = affine(2), 0.5 + 0 * images(20)
    model[1].bias.data[1] = -25.0
    y = torch.zeros(20, dtype=torch.int64)
    gain = 0.2 * (model[1].weight[1] - model[1].weight[0]).norm().item()
    delta = attack.perturb(model, x, y, generator(0, "a"))
    won = (margin(model(x + delta), y) - margin(model(x), y)).detach()
    assert won.max() <= gain + 1e-5
    assert won.min() >= (1 - slack) * gain


@pytest.mark.parametrize(
    "attack",
    [
        PGD(LINF, steps=20, loss="margin", restarts=5),
        APGDTargeted(LINF, 30),
        Square(LINF, 2000),
    ],
    ids=ids,
)
def test_survivors_of_affine_classes_are_exact(attack):
    model, x = affine(6), images(300)
    with torch.no_grad():
        y = model(x).argmax(1)
    y[:20] = (y[:20] + 1) % 6
    best = best_affine(model, x, y, LINF.radius)
    robust = best.scatter(1, y[:, None], -torch.inf).amax(1) < 0
    assert 30 < robust.sum() < 270
    survived = accuracy(model, x, y, attack, source=generator(0, "a"), batch=70)
    assert (survived & ~robust).sum() <= 3
    assert not (robust & ~survived).any()


@pytest.mark.parametrize(
    "attack",
    [
        PGD(LINF, steps=30, restarts=4),
        PGD(LINF, steps=30, restarts=4, loss="margin"),
        APGD(LINF, 40, restarts=3),
        APGD(LINF, 40, restarts=3, loss="dlr"),
        APGDTargeted(LINF, 40),
    ],
    ids=str,
)
def test_brute_force_on_a_grid(attack):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 5)).eval()
    for part in model.parameters():
        part.data.mul_(8)
    x = images(150, (2,))
    with torch.no_grad():
        y = model(x).argmax(1)
        axis = torch.linspace(-0.1, 0.1, 101)
        grid = torch.cartesian_prod(axis, axis)[None]
        points = (x[:, None] + grid).clamp(0, 1)
        robust = (model(points).argmax(2) == y[:, None]).all(1)
    survived = accuracy(model, x, y, attack, source=generator(0, "a"))
    assert 20 < robust.sum() < 140
    assert (survived & ~robust).sum() <= 2
    assert (robust & ~survived).sum() <= 1


def test_checkpoints():
    assert checkpoints(100) == [0, 22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(10) == [0, 3, 5, 6, 7, 8, 9, 10]


class Bowl(nn.Module):
    """Two logits whose difference −1 − Σ aᵢ(xᵢ − cᵢ)² peaks inside the ball and never fools."""

    curvature = torch.tensor([[1.0, 30.0, 5.0]])
    centre = torch.tensor([[0.53, 0.41, 0.6]])

    def forward(self, x):
        gap = 1 + (self.curvature * (x - self.centre) ** 2).sum(1)
        return torch.stack([gap, torch.zeros_like(gap)], 1)


def auto_pgd(x, start, eps, steps):
    """Algorithm 1 of arXiv 2003.01690 for one image and Bowl's margin, line by line; every point it visits."""
    a, c = Bowl.curvature[0].double().numpy(), Bowl.centre[0].double().numpy()
    marks = checkpoints(steps)

    def f(z):
        return -1 - (a * (z - c) ** 2).sum()

    def g(z):
        return -2 * a * (z - c)

    def proj(z):
        return np.clip(np.clip(z, x - eps, x + eps), 0, 1)

    eta, xs = 2 * eps, [start]
    best = start
    eta_at, best_at, visited = [None], [f(start)], [start]
    rises, since = 0, 0
    for k in range(steps):
        z = proj(xs[-1] + eta * np.sign(g(xs[-1])))
        new = z if k == 0 else proj(xs[-1] + 0.75 * (z - xs[-1]) + 0.25 * (xs[-1] - xs[-2]))
        rises += f(new) > f(xs[-1])
        visited.append(new)
        best = new if f(new) > f(best) else best
        if k + 1 in marks:
            used = eta
            if rises < 0.75 * (k + 1 - since) or (eta_at[-1] == used and best_at[-1] == f(best)):
                eta, new = eta / 2, best
            eta_at.append(used if eta == used else None)
            best_at.append(f(best))
            rises, since = 0, k + 1
        xs.append(new)
    return np.array(visited), best


def test_apgd_follows_the_algorithm():
    x = torch.tensor([[0.5, 0.45, 0.7], [0.4, 0.3, 0.65], [0.55, 0.5, 0.5]], dtype=torch.float64)
    y = torch.zeros(3, dtype=torch.int64)
    threat = Threat("3/10")
    model = Counting(Bowl())
    delta = APGD(threat, 60, loss="margin").perturb(model, x, y, generator(0, "a"))
    start = x + threat.start(x, generator(0, "a"))
    for i in range(3):
        visited, best = auto_pgd(x[i].numpy(), start[i].numpy(), 0.3, 60)
        np.testing.assert_allclose(torch.stack(model.seen)[:, i].numpy(), visited, atol=1e-12)
        np.testing.assert_allclose((x + delta)[i].numpy(), best, atol=1e-12)
    assert (x + delta - Bowl.centre).abs().max() < 0.03


def test_cross_entropy_keeps_its_direction():
    z = torch.tensor([[30.0, 1.0, 2.0], [0.3, 1.0, -2.0]], requires_grad=True)
    y = torch.tensor([0, 2])
    loss = LOSSES["ce"](z, y)
    (gradient,) = torch.autograd.grad(loss.sum(), z)
    exact = z.detach().double().requires_grad_()
    reference = nn.functional.cross_entropy(exact, y, reduction="none")
    (expected,) = torch.autograd.grad(reference.sum(), exact)
    torch.testing.assert_close(loss.double(), reference, rtol=1e-3, atol=0)
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-3, atol=0)


def test_halving_conditions():
    rises, halved = torch.tensor([7.0, 8.0, 8.0, 8.0]), torch.tensor([True, False, True, False])
    best, before = torch.tensor([2.0, 1.0, 1.0, 2.0]), torch.ones(4)
    assert must_halve(rises, 10, halved, best, before).tolist() == [True, True, False, False]


def test_every_image_keeps_its_target():
    model, x = affine(6), images(100)
    with torch.no_grad():
        z = model(x)
    y = z.argmax(1)
    target = z.topk(2, dim=1).indices[:, 1]
    found = APGDTargeted(LINF, 10, targets=1).search(model, x, y, generator(0, "a"))
    assert 20 < found.fooled.sum() < 90
    reached = targeted(model(x + found.delta), y, target, True).detach()
    torch.testing.assert_close(reached, found.loss, atol=1e-5, rtol=1e-3)


def test_dlr_losses():
    z = torch.tensor([[3.0, 1.0, 0.5, -1.0, 2.0]])
    y, t = torch.tensor([1]), torch.tensor([3])
    torch.testing.assert_close(dlr(z, y), torch.tensor([(3 - 1) / (3 - 1.0)]))
    torch.testing.assert_close(targeted(z, y, t, True), torch.tensor([(-1 - 1) / (3 - (1.0 + 0.5) / 2)]))
    torch.testing.assert_close(targeted(z, y, t, False), torch.tensor([-2.0]))
    for loss in (lambda z: dlr(z, y), lambda z: targeted(z, y, t, True)):
        torch.testing.assert_close(loss(7 * z + 2), loss(z))


def test_targets_are_the_most_likely_wrong_classes():
    model, x = affine(8), images(5)
    with torch.no_grad():
        z = model(x)
    y = z.argmin(1)
    assert torch.equal(margin(z, y), z.amax(1) - z.amin(1))
    model[1].bias.data[0] = 1000.0
    y = torch.zeros(5, dtype=torch.int64)
    counted = Counting(model)
    APGDTargeted(LINF, 4, targets=3).perturb(counted, x, y, generator(0, "a"))
    assert len(counted.seen) == 1 + 3 * 5
    with pytest.raises(ValueError, match="4 classes or more.*found 3.*fallback=True"):
        APGDTargeted(LINF, 4).perturb(affine(3), x, y, generator(0, "a"))
    with pytest.raises(ValueError, match="3 classes or more"):
        APGD(LINF, 4, loss="dlr").perturb(affine(2), x, y, generator(0, "a"))
    everyone = Counting(model)
    APGDTargeted(LINF, 4, targets=9).perturb(everyone, x, y, generator(0, "a"))
    assert len(everyone.seen) == 1 + 7 * 5


def test_share_of_pixels():
    assert [share(i, 10000, 0.8) for i in (0, 10, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001, 9999)] == [
        0.8,
        0.8,
        *(0.8 / 2**j for j in range(1, 10)),
        0.8 / 512,
    ]
    assert share(6, 100, 0.8) == share(600, 10000, 0.8) == 0.8 / 16


def test_square_proposals_of_a_signal_are_intervals():
    change = squares(torch.zeros(20, 2, 1, 30), 0.1, 0.2, generator(0, "s"))
    for image in change:
        columns = (image[0, 0] != 0).nonzero()[:, 0].tolist()
        assert columns == list(range(columns[0], columns[0] + 6))
    assert [window(p, 1, 30) for p in (0.001, 0.5, 1.0)] == [(1, 1), (1, 15), (1, 30)]
    assert [picture(shape) for shape in ((7,), (2, 7), (2, 5, 7), (2, 3, 5, 7))] == [
        (1, 1, 7),
        (2, 1, 7),
        (2, 5, 7),
        (2, 15, 7),
    ]


def test_square_proposals():
    zero = torch.zeros(20, 3, 6, 9)
    change = squares(zero, 0.1, 9 / 54, generator(0, "s"))
    assert ((change.abs() - 0.1).abs() < 1e-7).flatten(1).sum(1).eq(27).all() and (change != 0).sum() == 20 * 27
    for image in change:
        rows, columns = (image[0] != 0).any(1).nonzero()[:, 0], (image[0] != 0).any(0).nonzero()[:, 0]
        assert rows.tolist() == list(range(rows[0], rows[0] + 3))
        assert columns.tolist() == list(range(columns[0], columns[0] + 3))
        assert (image[0][image[0] != 0].unique().numel(), len(image[:, rows[0], columns[0]])) == (1, 3)
    corners = {
        (int(c[0].nonzero()[0, 0]), int(c[0].nonzero()[0, 1]))
        for c in squares(torch.zeros(2000, 1, 6, 9), 0.1, 9 / 54, generator(0, "s"))
    }
    assert corners == {(r, c) for r in range(4) for c in range(7)}


def test_window_moves_keep_the_norm():
    delta = torch.randn((20, 3, 8, 8), generator=generator(0, "w"))
    delta = delta / delta.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    moved = windows(delta * 0.5, 0.5, 0.2, generator(0, "s"))
    torch.testing.assert_close(moved.flatten(1).norm(dim=1), torch.full((20,), 0.5))
    grown = windows(delta * 0.3, 0.5, 0.2, generator(0, "s"))
    torch.testing.assert_close(grown.flatten(1).norm(dim=1), torch.full((20,), 0.5))
    assert (moved != delta * 0.5).any(1).flatten(1).sum(1).max() <= 2 * 25


def test_bumps():
    ring, heart = 1 / 4, 1 + 1 / 4
    expected = torch.full((3, 3), ring)
    expected[1, 1] = heart
    torch.testing.assert_close(bump(3, 3), expected / expected.norm())
    both = pair(6, 6, False)
    assert both.norm().item() == pytest.approx(1) and both.sum().abs() < 1e-6 and (both[:3] > 0).all()
    assert torch.equal(pair(6, 6, True), both.T)
    row = pair(1, 7, True)
    assert row.shape == (1, 7) and bool((row[0, :3] > 0).all()) and bool((row[0, 3:] < 0).all())
    assert float(row.norm()) == pytest.approx(1)


@pytest.mark.parametrize(
    "attack, forwards",
    [
        (FGSM(LINF), 2),
        (PGD(LINF, steps=7), 8),
        (PGD(LINF, steps=7, restarts=3), 24),
        (APGD(LINF, 7), 8),
        (Square(LINF, 7), 7),
        (NoAttack(), 0),
    ],
)
def test_forward_passes_and_skipped_images(attack, forwards):
    model, x = affine(4), images(30)
    with torch.no_grad():
        y = model(x).argmax(1)
    model[1].weight.data.mul_(1e-3)
    model[1].bias.data.zero_()[2] = 1e3
    counted = Counting(model)
    survived = accuracy(counted, x, torch.full_like(y, 2), attack, source=generator(0, "a"))
    assert survived.all() and len(counted.seen) == 1 + forwards
    counted.seen.clear()
    wrong = torch.full_like(y, 2)
    wrong[:12] = 0
    survived = accuracy(counted, x, wrong, attack, source=generator(0, "a"))
    assert survived.tolist() == [False] * 12 + [True] * 18
    assert all(len(seen) == 18 for seen in counted.seen[1:])


def test_fooled_images_leave_early():
    model, x = affine(4), images(200)
    with torch.no_grad():
        y = model(x).argmax(1)
    for attack in (
        PGD(LINF, steps=20, early_stop=True),
        PGD(LINF, steps=3, restarts=4),
        APGD(LINF, 20),
        Square(LINF, 50),
    ):
        counted = Counting(model)
        found = attack.search(counted, x, y, generator(0, "a"))
        with torch.no_grad():
            assert torch.equal(model(x + found.delta).argmax(1) != y, found.fooled)
        sizes = [len(seen) for seen in counted.seen]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] == 200 > sizes[-1] >= int((~found.fooled).sum())


def test_restarts_keep_the_worst():
    model = Bowl()
    x = torch.full((4, 3), 0.5)
    y = torch.zeros(4, dtype=torch.int64)
    source = generator(0, "a")
    single = [RandomNoise(LINF).search(model, x, y, source).loss for _ in range(5)]
    both = RandomNoise(LINF, restarts=5).search(model, x, y, generator(0, "a"))
    assert torch.equal(both.loss, torch.stack(single).amax(0))
    torch.testing.assert_close(margin(model(x + both.delta), y), both.loss)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x": torch.full((3, 1, 4, 4), 255.0)}, r"pixels in \[0, 1\].*divide by 255; normalise inside the model"),
        ({"x": torch.zeros(3, 1, 4, 4).byte()}, "floating-point.*divide by 255"),
        ({"y": torch.zeros(3)}, r"int64.*\.long"),
        ({"y": torch.zeros(2, dtype=torch.int64)}, r"y: expected shape \(3,\)"),
        ({"model": nn.Flatten().eval()}, None),
        ({"model": nn.Sequential(nn.Flatten(), nn.Linear(16, 4))}, r"train mode; call model.eval\(\)"),
        ({"model": lambda x: x.flatten(1) / 0 * 0}, "finite values, found nan"),
        ({"model": lambda x: x}, "2 dimensions"),
        ({"model": lambda x: x.flatten(1)[:, :1]}, "classes >= 2"),
        ({"batch": 0}, "batch: expected a number >= 1"),
        ({"among": torch.ones(2, dtype=torch.bool)}, "among"),
    ],
)
def test_input_errors(change, message):
    given = {"model": affine(4), "x": images(3), "y": torch.zeros(3, dtype=torch.int64)}
    given |= {"attack": PGD(LINF)} | change
    if message is None:
        accuracy(**given, source=generator(0, "a"))
        return
    with pytest.raises((ValueError, TypeError), match=message):
        accuracy(**given, source=generator(0, "a"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: PGD(0.1),
        lambda: PGD(LINF, stepsize=1),
        lambda: PGD(LINF, steps=0),
        lambda: PGD(LINF, loss="l1"),
        lambda: PGD(LINF, step_size=-1),
        lambda: PGD(LINF, random_start=False, restarts=2),
        lambda: APGD(LINF, 2.5),
        lambda: FGSM(LINF, loss="x"),
        lambda: Square(LINF, p_init=0),
        lambda: RandomNoise(None),
    ],
)
def test_bad_settings(make):
    with pytest.raises((ValueError, TypeError)):
        make()


def test_step_sizes():
    assert PGD(LINF, step_size="1/100").alpha == 0.01
    assert PGD(LINF, steps=10).alpha == pytest.approx(0.025)
    delta = FGSM(LINF, step_size="1/20").perturb(affine(2), 0.5 + 0 * images(2), torch.tensor([0, 1]), None)
    torch.testing.assert_close(delta.abs(), torch.full_like(delta, 0.05))


def test_agrees_with_an_independent_library():
    """Accuracies of APGD and Square beside those of adversarial-robustness-toolbox on a trained network."""
    pytest.importorskip("art")
    from art.attacks.evasion import AutoProjectedGradientDescent, SquareAttack
    from art.estimators.classification import PyTorchClassifier
    from sklearn.datasets import load_digits

    digits = load_digits()
    x, y = torch.tensor(digits.images / 16, dtype=torch.float32)[:, None], torch.tensor(digits.target)
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(144, 10),
    )
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(300):
        rows = torch.arange(64 * step, 64 * step + 64) % 1300
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimiser.step()
    model.eval()
    x, y = x[1300:1500], y[1300:1500]
    theirs = PyTorchClassifier(
        model, nn.CrossEntropyLoss(), (1, 8, 8), 10, clip_values=(0.0, 1.0), device_type="cpu"
    )
    np.random.seed(0)  # noqa: NPY002 - the library draws from the global generator

    def robust(attack):
        moved = torch.tensor(attack.generate(x.numpy(), y.numpy()))
        return 100 * (model(moved).argmax(1) == y).double().mean().item()

    def ours(attack):
        return 100 * accuracy(model, x, y, attack, source=generator(0, "a")).double().mean().item()

    shared = {"max_iter": 50, "nb_random_init": 1, "batch_size": 500, "verbose": False}
    for threat, norm in ((LINF, np.inf), (L2, 2)):
        for loss, name in (("ce", "cross_entropy"), ("dlr", "difference_logits_ratio")):
            other = robust(
                AutoProjectedGradientDescent(
                    theirs, norm=norm, eps=threat.radius, eps_step=2 * threat.radius, loss_type=name, **shared
                )
            )
            assert abs(ours(APGD(threat, 50, loss=loss)) - other) <= 4
    other = robust(
        SquareAttack(
            theirs, norm=np.inf, eps=0.1, max_iter=300, p_init=0.8, nb_restarts=1, batch_size=500, verbose=False
        )
    )
    assert -10 <= ours(Square(LINF, 300)) - other <= 3
