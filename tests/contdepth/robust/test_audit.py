"""The audit: honest models raise no flag, masked ones do, and every flag can fire."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from contdepth.robust.attacks.apgd import APGD
from contdepth.robust.attacks.audit import EFFORTS, Audit, Effort, audit, loss_curve
from contdepth.robust.attacks.flags import flags_of, overfitting_guard
from contdepth.robust.attacks.pgd import FGSM, PGD, accuracy
from contdepth.robust.threat import Threat
from contdepth.seeds import generator

THREAT = Threat("1/10")
SMALL = Effort(
    pgd_steps=15,
    restarts=2,
    apgd_steps=20,
    targets=3,
    targeted_steps=15,
    queries=200,
    curve=(1, 4, 16),
    curve_samples=100,
)


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return torch.tensor(data.images / 16, dtype=torch.float32)[:, None], torch.tensor(data.target)


@pytest.fixture(scope="module")
def honest(digits):
    x, y = digits
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))
    optimiser, source = torch.optim.Adam(model.parameters(), 3e-3), generator(0, "training")
    attack = PGD(THREAT, steps=3, step_size="1/20")
    for step in range(200):
        rows = torch.arange(64 * step, 64 * step + 64) % 1300
        moved = x[rows] + attack.perturb(model, x[rows], y[rows], source)
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(moved), y[rows]).backward()
        optimiser.step()
    return model.eval()


class Wrapped(nn.Module):
    def __init__(self, model, before=None, after=None):
        super().__init__()
        self.model, self.before, self.after = model, before or (lambda x: x), after or (lambda z: z)
        self.eval()

    def forward(self, x):
        return self.after(self.model(self.before(x)))


def run(model, digits, threat=THREAT, **more):
    x, y = digits
    more = {"budget": SMALL, "source": generator(0, "audit"), "batch": 60} | more
    return audit(model, x[1300:1450], y[1300:1450], threat, **more)


def names(report):
    return {flag.name for flag in report.flags}


@pytest.fixture(scope="module")
def report(honest, digits):
    """The audit of the honest model, run once."""
    return run(honest, digits)


@pytest.mark.parametrize("threat", [THREAT, Threat("1/2", "l2")], ids=str)
def test_an_honest_model(honest, digits, threat, report):
    report = report if threat == THREAT else run(honest, digits, threat)
    assert names(report) == set()
    score = report.accuracy
    assert score("clean") > 85 and 20 < score("autoattack") < score("fgsm") < score("noise") <= score("clean")
    assert score("pgd restarts") <= score("pgd")
    assert score("worst") == min(row["accuracy"] for row in report.rows())
    assert score("autoattack") <= min(score(name) for name in ("apgd-ce", "apgd-t", "square"))
    assert report.gap == score("pgd") - score("autoattack")
    losses = [value for _, value in report.curve]
    assert [k for k, _ in report.curve] == [1, 4, 16] and losses == sorted(losses)


@pytest.mark.parametrize(
    "attack", [FGSM, lambda t: PGD(t, steps=20), lambda t: APGD(t, 30)], ids="fgsm pgd apgd".split()
)
def test_a_confident_model_is_not_safer(honest, digits, attack):
    """Ten times the logits are the same decisions; a floor under the norm made them look robust."""
    threat, (x, y) = Threat("1/2", "l2"), (part[1300:1500] for part in digits)
    models = (honest, Wrapped(honest, after=lambda z: 10 * z))
    once, ten = (
        100 * accuracy(one, x, y, attack(threat), source=generator(0, "a")).double().mean().item()
        for one in models
    )
    assert once < 80 and abs(once - ten) <= 6


def test_rows_and_text(honest, digits, report, capsys):
    x, y = digits
    direct = accuracy(
        honest, x[1300:1450], y[1300:1450], PGD(THREAT, steps=15, early_stop=True), source=generator(1, "other")
    )
    assert abs(100 * direct.double().mean() - report.accuracy("pgd")) < 3
    row = {row["attack"]: row for row in report.rows()}["pgd"]
    share = row["accuracy"] / 100
    assert row["error"] == pytest.approx(100 * (share * (1 - share) / 150) ** 0.5) and row["images"] == 150
    again = run(honest, digits)
    assert all(torch.equal(again.correct[name], mask) for name, mask in report.correct.items())
    report.print()
    text = capsys.readouterr().out
    assert "150 images, l∞, ε = 1/10" in text and "PGD-15, 2 starts" in text and "no flags" in text
    with pytest.raises(ValueError, match="name"):
        report.accuracy("fab")


def test_vanished_gradients_are_flagged(honest, digits, report):
    """Huge logits: exact zeros in the cross-entropy's gradient, while the scale-free losses still work."""
    masked = run(Wrapped(honest, after=lambda z: 1e4 * z), digits)
    assert {"zero gradients", "PGD flatters"} <= names(masked)
    assert masked.accuracy("apgd-t") == pytest.approx(report.accuracy("apgd-t"), abs=1.5)
    assert "FLAG zero gradients" in str(masked)


def test_steps_in_the_input_are_flagged(honest, digits):
    """A quantiser has no gradient at all; random search gets through it."""
    report = run(Wrapped(honest, before=lambda x: (x * 8).round() / 8), digits)
    assert {"zero gradients", "black box beats white box", "PGD flatters"} <= names(report)
    assert report.accuracy("square") < report.accuracy("apgd-ce") - 10


def test_detached_outputs_are_flagged(honest, digits):
    assert "zero gradients" in names(run(Wrapped(honest, before=lambda x: x.detach()), digits))


def test_probabilities_are_flagged(honest, digits):
    assert "probabilities" in names(run(Wrapped(honest, after=lambda z: z.softmax(1)), digits))


def test_random_outputs_are_flagged(honest, digits):
    assert "random outputs" in names(run(Wrapped(honest, after=lambda z: z + 0.01 * torch.randn_like(z)), digits))


def masks(**wrong):
    """100 images, all right but the first ``wrong[name]``."""
    rows = (
        "clean",
        "noise",
        "fgsm",
        "pgd",
        "pgd restarts",
        "pgd margin",
        "apgd-ce",
        "apgd-t",
        "square",
        "autoattack",
    )
    return {row: torch.arange(100) >= wrong.get(row, wrong["all"]) for row in rows}


def fired(correct, curve=((1, 1.0), (10, 1.1)), zero=0.0, probabilities=False, wavering=0.0):
    return {flag.name for flag in flags_of(correct, curve, zero, probabilities, wavering)}


def test_each_flag_at_its_limit():
    base = {"all": 50, "clean": 5, "noise": 6}
    assert fired(masks(**base)) == set()
    assert fired(masks(**base, square=51)) == set()
    assert fired(masks(**base, square=52)) == {"black box beats white box"}
    assert fired(masks(**base), curve=((1, 1.0), (5, 2.0), (10, 1.95))) == {"loss falls with steps"}
    assert fired(masks(**base), curve=((1, 1.0), (5, 2.0), (10, 1.97))) == set()
    assert fired(masks(**base, pgd=44)) == {"restarts help much", "PGD flatters"}
    assert fired(masks(**base, pgd=45)) == set()
    assert fired(masks(**base | {"noise": 28})) == {"noise nearly as strong as FGSM"}
    assert fired(masks(**base | {"noise": 27})) == set()
    assert fired(masks(**base), zero=0.02) == {"zero gradients"}
    assert fired(masks(**base), probabilities=True) == {"probabilities"}
    assert fired(masks(**base), wavering=1e-9) == {"random outputs"}
    assert fired(masks(**base | {"all": 95, "fgsm": 30})) == {"catastrophic overfitting"}


def test_the_curve_starts_at_the_same_points(honest, digits):
    x, y = digits[0][:50], digits[1][:50]
    ends = [
        loss_curve(honest, x, y, THREAT, Effort(curve=steps), generator(0, "a"), 60)[0][-1]
        for steps in ((1, 3), (3,))
    ]
    assert ends[0] == ends[1]


def test_overfitting_guard():
    assert overfitting_guard(85.0, 0.3)
    assert not overfitting_guard(56.0, 46.0)
    assert not overfitting_guard(25.0, 0.0)
    assert overfitting_guard(40.0, 7.9) and not overfitting_guard(40.0, 8.0)
    with pytest.raises(ValueError, match="pgd_accuracy"):
        overfitting_guard(50, 101)


def test_three_classes_and_nothing_right(digits):
    x, y = digits
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).eval()
    model[1].bias.data[:] = torch.tensor([100.0, 0.0, 0.0])
    report = audit(
        model, x[:20], torch.ones(20, dtype=torch.int64), THREAT, budget=SMALL, source=generator(0, "a")
    )
    assert report.accuracy("clean") == 0 == report.accuracy("worst") and report.curve == ()
    model[1].bias.data[:] = 0
    assert isinstance(audit(model, x[:20], y[:20] % 3, THREAT, budget=SMALL, source=generator(0, "a")), Audit)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"threat": None}, 'threat: expected a Threat, found none.*Threat\\("8/255"\\)'),
        ({"threat": 0.1}, "threat: expected a Threat"),
        ({"x": torch.full((4, 1, 8, 8), 255.0)}, "divide by 255; normalise inside the model"),
        ({"x": torch.zeros(4)}, "x: expected"),
        ({"x": torch.zeros(0, 1, 8, 8), "y": torch.zeros(0, dtype=torch.int64)}, "at least one image"),
        ({"y": torch.zeros(4, 10, dtype=torch.int64)}, "y: expected shape"),
        ({"y": torch.zeros(4, dtype=torch.int32)}, "int64"),
        ({"y": torch.full((4,), 10)}, "classes 0 to 9, found 10"),
        ({"budget": "long"}, "'quick', 'standard'"),
        ({"source": 0}, "torch.Generator"),
        ({"batch": 0}, "batch"),
        ({"model": nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).train()}, r"call model.eval\(\)"),
        ({"model": lambda x: x.flatten(1) * torch.inf}, "finite"),
    ],
)
def test_input_errors(honest, change, message):
    given = {"model": honest, "x": torch.zeros(4, 1, 8, 8), "y": torch.zeros(4, dtype=torch.int64)}
    given |= {"threat": THREAT, "source": generator(0, "a")} | change
    with pytest.raises((ValueError, TypeError), match=message):
        audit(**given)


def test_efforts():
    assert EFFORTS["standard"].queries == 5000 and EFFORTS["standard"].targets == 9
    for bad in ({"restarts": 1}, {"curve": ()}, {"curve": (5, 1)}, {"queries": 0}):
        with pytest.raises(ValueError):
            Effort(**bad)
