"""Training, attacks and audit ask for the same batches, labels, models and optimisers, and overwrite nothing."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from contdepth.robust import (
    APGD,
    FGSM,
    FGSMRS,
    NFGSM,
    PGD,
    TRADES,
    TRADESYOPO,
    YOPO,
    APGDTargeted,
    FreeTraining,
    Natural,
    NoAttack,
    PGDTraining,
    RandomNoise,
    Square,
    SummedPGD,
    Threat,
    accuracy,
    audit,
    compare_ascents,
    first_layer_share,
    inner_steps_fused,
    inner_steps_plain,
    train,
)
from contdepth.robust.attacks.audit import Effort
from contdepth.robust.yopo.cut import Cut
from contdepth.seeds import generator
from contdepth.training.evaluation import evaluate
from contdepth.training.recipes import Recipe

THREAT = Threat("1/20")
STEPS = {"threat": THREAT, "steps": 2, "step_size": "1/40"}
EFFORT = Effort(2, 2, 2, 2, 2, 3, (1, 2), 10)
METHODS = {
    "natural": Natural,
    "pgd": lambda m: PGDTraining(m, clean_weight=1, **STEPS),
    "summed": lambda m: SummedPGD(m, **STEPS),
    "free": lambda m: FreeTraining(m, threat=THREAT, replays=2),
    "fgsm-rs": lambda m: FGSMRS(m, threat=THREAT),
    "n-fgsm": lambda m: NFGSM(m, threat=THREAT, noise=1.0),
    "trades": lambda m: TRADES(m, **STEPS),
    "trades-yopo": lambda m: TRADESYOPO(m, first_layer="first", inner_steps=2, **STEPS),
    "yopo": lambda m: YOPO(m, first_layer="first", inner_steps=2, **STEPS),
}
ATTACKS = {
    "none": NoAttack(),
    "noise": RandomNoise(THREAT),
    "fgsm": FGSM(THREAT),
    "pgd": PGD(THREAT, steps=2),
    "apgd": APGD(THREAT, 2),
    "apgd-t": APGDTargeted(THREAT, 2, targets=2),
    "square": Square(THREAT, 3),
}


class Net(nn.Module):
    """A small net on inputs of any shape; ``front`` is what its forward pass begins with."""

    def __init__(self, shape=(1, 4, 4), classes=5, front=None, back=None):
        super().__init__()
        torch.manual_seed(0)
        kinds = {1: nn.Linear, 2: nn.Conv1d, 3: nn.Conv2d, 4: nn.Conv3d}
        self.first = kinds[len(shape)](shape[0], 6, *[3] * (len(shape) - 1))
        with torch.no_grad():
            size = self.first(torch.zeros(1, *shape)).numel()
        self.last = nn.Linear(size, classes)
        self.front, self.back = front or (lambda x: x), back or (lambda z: z)

    def forward(self, x):
        return self.back(self.last(self.first(self.front(x)).relu().flatten(1)))


def batch(shape=(1, 4, 4), count=6, classes=5, dtype=torch.float32):
    source = generator(0, "doors")
    x = torch.rand(count, *shape, generator=source, dtype=dtype)
    return x, torch.randint(classes, (count,), generator=source)


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1)


def trained(name):
    return lambda model, x, y: METHODS[name](model).step(x, y, sgd(model))


def attacked(name):
    def run(model, x, y):
        ATTACKS[name].search(model.eval(), x, y, generator(0, "a"))
        return accuracy(model, x, y, ATTACKS[name], source=generator(0, "a"))

    return run


def audited(model, x, y):
    return audit(model.eval(), x, y, THREAT, budget=EFFORT, source=generator(0, "a"), batch=4)


def compared(model, x, y):
    size = {"steps": 1, "inner_steps": 2, "step_size": 0.01}
    return compare_ascents(model.eval(), "first", x, y, 0 * torch.as_tensor(x), THREAT, **size)


DOORS = {
    **{f"train {name}": trained(name) for name in METHODS},
    **{f"attack {name}": attacked(name) for name in ATTACKS},
    "audit": audited,
    "compare": compared,
}
doors = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)


# The caller's images --------------------------------------------------------------------------------------------


def in_place(x):
    return x.sub_(0.5).div_(0.25)


@doors
def test_a_model_that_works_in_place_leaves_the_images_alone_and_equals_its_twin(door):
    """The rows are a view of the data set; results are those of the model that makes new tensors."""
    data, labels = batch(count=8)
    kept = data.clone()
    found = door(Net(front=in_place), data[1:7], labels[1:7])
    assert torch.equal(data, kept)
    expected = door(Net(front=lambda x: (x - 0.5) / 0.25), data[1:7], labels[1:7])
    if getattr(found, "delta", None) is not None:
        assert torch.equal(found.delta, expected.delta) and found.loss == expected.loss
        assert float(found.delta.abs().max()) <= 2.001 * THREAT.radius
    if isinstance(found, torch.Tensor):
        assert torch.equal(found, expected)


def test_no_kernel_stands_for_a_first_layer_behind_work_in_place():
    """The fused loop would take the convolution of the raw image for that of the normalised one."""
    x, _ = batch()
    for front, direct in ((None, True), (in_place, False), (lambda x: x * 1, False)):
        assert Cut(Net(front=front), "first").leaves(x)[0][1] is direct
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(16, 5))
    assert [direct for _, direct in Cut(model, "1").leaves(x)] == [True, True]


def test_evaluating_a_classifier_leaves_the_images_alone():
    data = batch()
    kept = data[0].clone()
    in_turn = evaluate(Net(front=in_place), data), evaluate(Net(front=lambda x: (x - 0.5) / 0.25), data)
    assert torch.equal(data[0], kept) and in_turn[0] == in_turn[1]


def test_no_gradient_is_left_in_the_caller_s_images():
    x, y = batch()
    x.requires_grad_()
    for name in METHODS:
        trained(name)(Net(), x, y)
    assert x.grad is None and x.is_leaf


# Labels, shapes, dtypes -----------------------------------------------------------------------------------------


@doors
@pytest.mark.parametrize("wrong", [5, 9, -1, -100])
def test_a_class_that_the_model_lacks(door, wrong):
    x, y = batch()
    y[2] = wrong
    with pytest.raises(ValueError, match=r"^y: expected classes 0 to 4, found -?\d+ to \d+; check the labels$"):
        door(Net(), x, y)


@doors
@pytest.mark.parametrize(("change", "error", "message"), [
    (lambda x, y: (x[:0], y[:0]), ValueError, "x: expected at least one image"),
    (lambda x, y: (x[:, :0], y), ValueError, "x: expected images with pixels"),
    (lambda x, y: (x, y[:3]), ValueError, r"y: expected shape \(6,\)"),
    (lambda x, y: (x, y.int()), TypeError, "y: expected class numbers of dtype torch.int64"),
    (lambda x, y: (x, y.bool()), TypeError, "y: expected class numbers of dtype torch.int64"),
    (lambda x, y: (x.numpy(), y), TypeError, "x: expected a torch.Tensor, found ndarray"),
    (lambda x, y: (x + 0j, y), TypeError, "x: expected a real dtype"),
    (lambda x, y: (x.double(), y), TypeError, r"x: expected dtype torch.float32, that of the model, found .*64"),
    (lambda x, y: (x.half(), y), TypeError, r"x: expected dtype torch.float32, that of the model, found .*16"),
    (lambda x, y: (x / 0, y), ValueError, r"x: expected pixels in \[0, 1\]"),
    (lambda x, y: (x.flatten(), y.repeat(16)), ValueError, r"x: expected \(batch, …\)"),
])  # fmt: skip
def test_bad_batches(door, change, error, message):
    with pytest.raises(error, match=message):
        door(Net(), *change(*batch()))


@doors
@pytest.mark.parametrize(("back", "error", "message"), [
    (lambda z: (z, z), TypeError, r"model\(x\): expected a torch.Tensor, found tuple; .*logits"),
    (lambda z: {"logits": z}, TypeError, r"model\(x\): expected a torch.Tensor, found dict"),
    (lambda z: z[:, :1], ValueError, r"model\(x\): expected \(\d, classes >= 2\)"),
    (lambda z: z.mean(0, keepdim=True), ValueError, r"model\(x\): expected \(\d, classes >= 2\)"),
    (lambda z: z[..., None], ValueError, r"model\(x\): expected a tensor with 2 dimensions"),
    (lambda z: z.argmax(1), TypeError, r"model\(x\): expected|model\(x\): expected a floating"),
])  # fmt: skip
def test_outputs_that_are_no_logits(door, back, error, message):
    with pytest.raises((error, ValueError), match=message):
        door(Net(back=back), *batch())


@doors
@pytest.mark.parametrize("shape", [(7,), (2, 9), (1, 4, 4), (2, 3, 4, 4)], ids=str)
def test_signals_vectors_and_volumes(door, shape):
    door(Net(shape), *batch(shape))


def test_a_model_that_converts_its_input_may_have_another_dtype():
    x, y = batch(dtype=torch.float64)
    assert accuracy(Net(front=lambda x: x.float()).eval(), x, y, NoAttack(), source=generator(0, "a")).shape == (
        6,
    )
    assert Natural(Net(front=lambda x: x.float())).gradients(x, y).loss > 0


def test_other_arguments():
    x, y = batch()
    with pytest.raises(TypeError, match="model: expected a torch.nn.Module, found function"):
        Natural(lambda x: x)
    with pytest.raises(TypeError, match="model: expected a torch.nn.Module, found str"):
        audit("model", x, y, THREAT, source=generator(0, "a"))
    with pytest.raises(TypeError, match=r"attack: expected an attack such as PGD\(threat\), found 'pgd'"):
        accuracy(Net().eval(), x, y, "pgd", source=generator(0, "a"))
    with pytest.raises(TypeError, match="among: expected a mask of dtype torch.bool"):
        accuracy(Net().eval(), x, y, NoAttack(), source=generator(0, "a"), among=y)
    with pytest.raises(ValueError, match="x: expected at least one image"):
        first_layer_share(Net(), "first", x[:0])
    with pytest.raises(ValueError, match="delta: expected shape"):
        compare_ascents(Net(), "first", x, y, x[:2], THREAT, steps=1, inner_steps=1, step_size=0.1)
    with pytest.raises(TypeError, match="curve: expected a sequence, found 3"):
        Effort(curve=3)
    with pytest.raises(TypeError, match="curve: expected an integer, found 2.5"):
        Effort(curve=(1, 2.5))
    with pytest.raises(ValueError, match="curve: expected a number >= 1, found 0"):
        Effort(curve=(0, 2))
    with pytest.raises(TypeError, match=r"attack: expected an attack such as PGD\(threat\), found <class"):
        accuracy(Net().eval(), x, y, NoAttack, source=generator(0, "a"))
    with pytest.raises(ValueError, match="y: expected a tensor on cpu, as x, found one on meta; move it there"):
        accuracy(Net().eval(), x, y.to("meta"), NoAttack(), source=generator(0, "a"))


def test_what_a_model_says_of_images_in_its_own_dtype_is_passed_on():
    for last, said in (
        (torch.nn.Linear(7, 3), "cannot be multiplied"),
        (torch.nn.Unflatten(1, (3, 3)), "unflatten"),
    ):
        model = torch.nn.Sequential(torch.nn.Flatten(), last).eval()
        with pytest.raises(RuntimeError, match=said):
            accuracy(model, *batch(), NoAttack(), source=generator(0, "a"))


# What the optimiser holds ---------------------------------------------------------------------------------------


def frozen(model):
    return model.requires_grad_(False)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("model", "optimiser", "error", "message"), [
    (lambda: Net(), lambda m: sgd(Net()), ValueError, "optimiser: expected trainable parameters of the model"),
    (lambda: Net(), lambda m: sgd(copy.deepcopy(m)), ValueError, "optimiser: expected trainable parameters"),
    (lambda: frozen(Net()), sgd, ValueError, "model: expected at least one trainable parameter"),
    (lambda: Net(), lambda m: None, TypeError, "optimiser: expected one that steps without a closure.* NoneType"),
    (lambda: Net(), lambda m: torch.optim.LBFGS(m.parameters()), TypeError, "optimiser: .* found LBFGS"),
])  # fmt: skip
def test_an_optimiser_that_cannot_train_the_model(name, model, optimiser, error, message):
    net = model()
    with pytest.raises(error, match=message):
        METHODS[name](net).step(*batch(), optimiser(net))


def test_an_optimiser_of_the_frozen_part_is_refused_and_one_of_a_trained_part_is_not():
    net = Net()
    frozen(net.first)
    with pytest.raises(ValueError, match="optimiser: expected trainable parameters of the model"):
        Natural(net).step(*batch(), sgd(net.first))
    before = net.last.weight.detach().clone()
    YOPO(net, first_layer="first", inner_steps=2, **STEPS).step(*batch(), sgd(net.last))
    assert not torch.equal(net.last.weight, before)


def test_the_loop_asks_before_its_first_step():
    recipe = Recipe("tiny", epochs=1, lr=0.05, batch=4)
    for model, optimiser, message in (
        (frozen(Net()), None, "at least one trainable parameter"),
        (nn.Flatten(), None, "at least one trainable parameter"),
        (Net(), lambda parameters: sgd(Net()), "trainable parameters of the model"),
    ):
        with pytest.raises(ValueError, match=message):
            train(Natural(model), batch(), recipe, seed=0, optimiser=optimiser, progress=False)
    train(Natural(Net((7,))), batch((7,)), recipe, seed=0, progress=False)
    with pytest.raises(ValueError, match="images: expected a tensor with 4 dimensions.*pad=0 and flip=False"):
        flipped = Recipe("tiny", epochs=1, lr=0.05, batch=4, flip=True)
        train(Natural(Net((7,))), batch((7,)), flipped, seed=0, progress=False)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("change", "message"), [
    (lambda x, y: (None, y), "x: expected a torch.Tensor, found NoneType"),
    (lambda x, y: (x + 0j, y), "x: expected a real dtype"),
    (lambda x, y: (x.long(), y), "x: expected a floating-point tensor"),
    (lambda x, y: (x, None), "y: expected a torch.Tensor, found NoneType"),
    (lambda x, y: (x, y.tolist()), "y: expected a torch.Tensor, found list"),
    (lambda x, y: (x, y.double()), "y: expected class numbers of dtype torch.int64"),
    (lambda x, y: (x, y + 0j), "y: expected class numbers of dtype torch.int64"),
    (lambda x, y: (x, y - 9), "y: expected classes 0 to 4"),
    (lambda x, y: (x, y[:1]), r"y: expected shape \(6,\)"),
    (lambda x, y: (x, y[:0]), "y: expected at least one class number"),
    (lambda x, y: (x, y[:, None]), r"y: expected shape \(6,\)"),
])  # fmt: skip
def test_gradients_name_odd_batches_without_a_step(name, change, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        METHODS[name](Net()).gradients(*change(*batch()))


@pytest.mark.parametrize("odd", [None, "8/255", 0.1, Threat])
def test_ascents_and_inner_steps_name_what_is_no_threat(odd):
    model, (x, y) = Net().eval(), batch()
    slack = model.first(x).detach()
    for call in (
        lambda: compare_ascents(model, "first", x, y, 0 * x, odd, steps=1, inner_steps=1, step_size=0.1),
        lambda: inner_steps_plain(model.first, x, 0 * x, slack, odd, 0.1, 0),
        lambda: inner_steps_fused(model.first, False, x, 0 * x, slack, odd, 0.1, 0),
        lambda: FGSMRS(model, threat=odd),
        lambda: FreeTraining(model, threat=odd, replays=1),
    ):
        with pytest.raises(TypeError, match="^threat: expected a Threat"):
            call()


@pytest.mark.parametrize(("change", "message"), [
    ({"slack": 0j}, "slack: expected a real dtype"),
    ({"delta": 0j}, "delta: expected a real dtype"),
    ({"x": 0j}, "x: expected a real dtype"),
    ({"layer_function": lambda x: None}, r"layer_function\(x \+ delta\): expected a torch.Tensor"),
    ({"layer_function": lambda x: x.long()}, r"layer_function\(x \+ delta\): expected a floating-point"),
])  # fmt: skip
def test_inner_steps_name_odd_tensors(change, message):
    model, x = Net(), batch()[0]
    arguments = {"layer_function": model.first, "x": x, "delta": 0 * x, "slack": model.first(x).detach()}
    change = {k: arguments[k] + v if isinstance(v, complex) else v for k, v in change.items()}
    with pytest.raises(TypeError, match=f"^{message}"):
        inner_steps_plain(**{**arguments, **change}, threat=THREAT, step_size=0.1, steps=1)


def test_no_attack_asks_for_the_batch_that_attacks_ask_for():
    x, y = batch()
    with pytest.raises(TypeError, match="^x: expected a real dtype"):
        NoAttack().perturb(Net(), x + 0j, y)
    with pytest.raises(ValueError, match="^y: expected shape"):
        NoAttack().perturb(Net(), x, y[:2])


# Wrapped models -------------------------------------------------------------------------------------------------


def compiled(model):
    return torch.compile(model, backend="eager")


def compiled_part(model):
    model.first = torch.compile(model.first, backend="eager")
    return model


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch.compile looks at it
@pytest.mark.parametrize("wrap", [compiled, compiled_part, nn.DataParallel], ids=lambda wrap: wrap.__name__)
@pytest.mark.parametrize("name", ["yopo", "trades-yopo"])
def test_the_name_of_the_first_layer_is_the_same_in_a_wrapped_model(wrap, name):
    x, y = batch()
    steps, weights = [], []
    for model in (Net(), wrap(Net())):
        method = METHODS[name](model)
        steps += [[method.step(x, y, sgd(model)) for _ in range(2)][-1]]
        weights += [list(model.parameters())]
    torch.testing.assert_close(steps[0].delta, steps[1].delta)
    for one, other in zip(*weights, strict=True):
        torch.testing.assert_close(one, other)


def test_a_name_that_no_wrapped_model_has_is_refused_and_the_long_name_still_stands():
    model = compiled(Net())
    assert Cut(model, "_orig_mod.first").module is Cut(model, "first").module is model._orig_mod.first
    with pytest.raises(ValueError, match="first_layer: expected a module of the model, such as 'first', 'last'"):
        Cut(model, "second")
