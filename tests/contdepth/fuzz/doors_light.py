"""Doors of control, nets, training, data, problems, schemes and the small modules."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from fuzz.engine import Arguments, Table
from torch import Tensor, nn

from contdepth import control, nets, problems, schemes, seeds, training
from contdepth.nets.plan import cifar_plan


def doubles(*shape: int) -> Tensor:
    """The same numbers each time, float64."""
    return torch.sin(torch.arange(1.0, 1 + int(np.prod(shape)), dtype=torch.float64)).reshape(shape)


def singles(*shape: int) -> Tensor:
    """Numbers in [0, 1], float32."""
    return (doubles(*shape).float() + 1) / 2


def labels(count: int, classes: int = 3) -> Tensor:
    return torch.arange(count) % classes


def field(t: Tensor, u: Tensor) -> Tensor:
    return -u


def wave(t: float) -> Tensor:
    """A path of noise that is none."""
    return doubles(3, 2) * t


def pair() -> tuple[object, object]:
    return (lambda t, y: y, lambda t, x: -x)


def branch(u: Tensor, weight: Tensor) -> Tensor:
    return torch.tanh(u * weight[:, None])


def stack() -> schemes.Layers:
    return schemes.Layers(branch, (doubles(4, 2),), 0.25)


def grid(n: int = 4) -> Tensor:
    return torch.linspace(0, 1, n + 1, dtype=torch.float64)


# control ---------------------------------------------------------------------------------------------------------


def halves(final: Tensor, y: Tensor) -> Tensor:
    return (final - y).square().sum(1)


def system() -> control.ControlledSystem:
    torch.manual_seed(0)
    return control.ControlledSystem([nn.Linear(2, 2).double() for _ in range(2)], halves, 0.1)


def problem() -> control.ResidualControl:
    return control.ResidualControl(2, 1.0, 0.5)


def along() -> control.Trajectory:
    return system().trajectory(doubles(3, 2), doubles(3, 2))


def problem_along() -> control.Trajectory:
    return problem().system(doubles(2, 2, 3)).trajectory(doubles(3, 2), doubles(3, 2))


def discrete_rule() -> control.DiscreteWeights:
    weights = nn.Parameter(doubles(2, 3))
    weights.grad = doubles(2, 3)
    return control.DiscreteWeights([weights], generator=seeds.generator(0, "weights"))


def bent(t: int, x: Tensor, u: Tensor) -> Tensor:
    return x + torch.tanh(x * u)


def squares(x: Tensor) -> Tensor:
    return x.square().sum()


def effort(t: int, x: Tensor, u: Tensor) -> Tensor:
    return 0.1 * u.square().sum()


def feedback_rule() -> control.DDPNOpt:
    return control.DDPNOpt([doubles(3, 3), doubles(2, 4)], "kronecker")


def slopes_of_halves(final: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return final.square().sum(-1) / 2, final, final


def quantised_rule() -> control.QuantisedDescent:
    weights = nn.Parameter(doubles(2, 3))
    weights.grad = doubles(2, 3)
    return control.QuantisedDescent([weights], 0.1, epochs=4, batches=2, kind="adamw")


def langevin_rule() -> control.LangevinDescent:
    weights = nn.Parameter(doubles(2, 3))
    weights.grad = doubles(2, 3)
    return control.LangevinDescent([weights], 0.1, generator=seeds.generator(0, "noise"))


def small_chain() -> nn.Sequential:
    from collections import OrderedDict

    return nn.Sequential(OrderedDict(one=nn.Linear(2, 4), two=nn.Tanh(), three=nn.Linear(4, 3))).eval()


CONTROL: Table = {
    "control.ControlledSystem": lambda: {
        "stages": [nn.Linear(2, 2), nn.Tanh()],
        "loss": halves,
        "running": [0.1, 0.0],
    },
    "control.ControlledSystem.step": lambda: {"self": system(), "t": 0, "x_t": doubles(3, 2)},
    "control.ControlledSystem.running_cost": lambda: {"self": system(), "t": 0, "x_t": doubles(3, 2)},
    "control.ControlledSystem.losses": lambda: {"self": system(), "final": doubles(3, 2), "y": doubles(3, 2)},
    "control.ControlledSystem.states": lambda: {"self": system(), "x": doubles(3, 2)},
    "control.ControlledSystem.cost": lambda: {"self": system(), "x": doubles(3, 2), "y": doubles(3, 2)},
    "control.ControlledSystem.costates": lambda: {
        "self": system(),
        "states": [doubles(3, 2)] * 3,
        "y": doubles(3, 2),
    },
    "control.ControlledSystem.trajectory": lambda: {"self": system(), "x": doubles(3, 2), "y": doubles(3, 2)},
    "control.ControlledSystem.hamiltonian": lambda: {
        "self": system(),
        "t": 1,
        "x_t": doubles(3, 2),
        "p_next": doubles(3, 2),
    },
    "control.ControlledSystem.hamiltonians": lambda: {"self": system(), "along": along()},
    "control.ControlledSystem.gradient": lambda: {
        "self": system(),
        "t": 1,
        "x_t": doubles(3, 2),
        "p_next": doubles(3, 2),
    },
    "control.ControlledSystem.pull_back": lambda: {
        "self": system(),
        "t": 1,
        "x_t": doubles(3, 2),
        "p_next": doubles(3, 2),
    },
    "control.ControlledSystem.adversary_gradient": lambda: {
        "self": system(),
        "x": doubles(3, 2),
        "eta": 0.1 * doubles(3, 2),
        "p_1": doubles(3, 2),
    },
    "control.Approximations": lambda: dict.fromkeys(("costs", "gaps", "gains", "penalties", "theta"), doubles(2)),
    "control.Trajectory": lambda: {"states": (doubles(3, 2),), "costates": (doubles(3, 2),)},
    "control.DiscreteWeights": lambda: {
        "params": [nn.Parameter(doubles(2, 3))],
        "values": "ternary",
        "damping": 0.25,
        "average": 0.9,
        "sparsity": 0.01,
        "corrected": True,
        "generator": seeds.generator(0, "weights"),
    },
    "control.DiscreteWeights.step": lambda: {"self": discrete_rule(), "closure": lambda: 1.0},
    "control.DiscreteWeights.lengthen": lambda: {"self": discrete_rule(), "factor": 0.9},
    "control.QuantisedDescent": lambda: {
        "params": [nn.Parameter(doubles(2, 3))],
        "lr": 0.1,
        "epochs": 4,
        "batches": 2,
        "kind": "adamw",
        "eta": 64.0,
        "base": 2.0,
        "sharpness": 2.0,
        "rounding": "nearest",
        "transient": True,
        "weight_decay": 0.01,
        "betas": (0.9, 0.99),
        "eps": 1e-6,
    },
    "control.QuantisedDescent.step": lambda: {"self": quantised_rule(), "closure": lambda: 1.0},
    "control.LangevinDescent": lambda: {
        "params": [nn.Parameter(doubles(2, 3))],
        "lr": 0.1,
        "temperature": 0.01,
        "generator": seeds.generator(0, "noise"),
    },
    "control.LangevinDescent.step": lambda: {"self": langevin_rule(), "closure": lambda: 1.0},
    "control.langevin_step": lambda: {
        "gradient": doubles(2, 3),
        "lr": 0.1,
        "temperature": 0.01,
        "generator": seeds.generator(0, "noise"),
    },
    "control.quantise": lambda: {"x": doubles(2, 3), "resolution": 8.0, "rounding": "nearest"},
    "control.resolution": lambda: {"epoch": 1.0, "eta": 64.0, "base": 2.0},
    "control.transient_step": lambda: {
        "step": doubles(2, 3),
        "lr": 0.1,
        "epoch": 1.0,
        "half": 2.0,
        "sharpness": 2.0,
    },
    "control.quantised_update": lambda: {
        "step": doubles(2, 3),
        "lr": 0.1,
        "epoch": 1.0,
        "epochs": 4,
        "eta": 64.0,
        "base": 2.0,
        "sharpness": 2.0,
        "rounding": "down",
        "transient": True,
    },
    "control.binary_update": lambda: {"weights": doubles(2, 3).sign(), "slope": doubles(2, 3), "damping": 0.5},
    "control.ternary_update": lambda: {
        "weights": doubles(2, 3).sign(),
        "slope": doubles(2, 3),
        "damping": 0.25,
        "sparsity": 0.01,
    },
    "control.control_view": lambda: {"model": small_chain(), "first_layer": "two", "running": 0.1},
    "control.ResidualStep": lambda: {"theta": doubles(2, 3), "h": 0.5},
    "control.ResidualControl": lambda: {"depth": 3, "horizon": 1.0, "decay": 0.5},
    "control.ResidualControl.system": lambda: {"self": problem(), "theta": doubles(2, 2, 3)},
    "control.ResidualControl.maximiser": lambda: {"self": problem(), "along": problem_along()},
    "control.successive_approximations": lambda: {
        "problem": problem(),
        "x": doubles(3, 2),
        "y": doubles(3, 2),
        "steps": 2,
        "rule": "maximise",
        "damping": 0.5,
        "rho": 0.1,
        "rate": 0.1,
        "theta": doubles(2, 2, 3),
    },
    "control.BSDE": lambda: {
        "dim": 2,
        "horizon": 1.0,
        "volatility": 1.0,
        "driver": lambda y, square: y - square,
        "terminal": lambda x: x.sum(-1),
        "coupled": True,
        "strength": 0.0,
        "symmetry": "axes",
    },
    "control.SolvedBSDE": lambda: {
        "value": doubles(2),
        "spread": doubles(2),
        "feedback": None,
        "tilted": doubles(2),
    },
    "control.allen_cahn": lambda: {"dim": 2},
    "control.default_risk": lambda: {
        "dim": 2,
        "price": 60.0,
        "intensities": (0.2, 0.02),
        "levels": (50.0, 70.0),
    },
    "control.hamilton_jacobi_bellman": lambda: {"dim": 2, "strength": 1.0},
    "control.ControlProblem": lambda: {"step": bent, "terminal": squares, "running": effort},
    "control.SolvedDDP": lambda: {
        "costs": doubles(2),
        "controls": (doubles(2),),
        "states": (doubles(2),),
        "lengths": doubles(1),
        "dampings": doubles(1),
    },
    "control.solve_ddp": lambda: {
        "problem": control.ControlProblem(bent, squares, effort),
        "start": doubles(2),
        "controls": [doubles(2), doubles(2)],
        "iterations": 2,
        "feedback": "states",
        "coupled": True,
        "full": False,
        "damping": 0.1,
        "factor": 4.0,
        "curvature": None,
    },
    "control.DDPNOpt": lambda: {
        "matrices": [doubles(3, 3), doubles(2, 4)],
        "curvature": "diagonal",
        "rate": 0.1,
        "feedback": True,
        "activation": "tanh",
        "average": 0.9,
        "damping": 0.01,
        "terminal": slopes_of_halves,
    },
    "control.DDPNOpt.states": lambda: {"self": feedback_rule(), "x": doubles(4, 2)},
    "control.DDPNOpt.step": lambda: {"self": feedback_rule(), "x": doubles(4, 2), "y": labels(4, 2)},
    "control.hjb_solution": lambda: {"radius": doubles(2).abs(), "left": 0.5, "dim": 3, "strength": 2.0},
    "control.hjb_value": lambda: {"dim": 2, "strength": 1.0, "horizon": 1.0},
    "control.rewards_to_go": lambda: {"rewards": doubles(3, 2), "discount": 0.9},
    "control.leave_one_out": lambda: {"returns": doubles(3, 2), "taken": doubles(3, 2) > 0},
    "control.policy_gradient_loss": lambda: {
        "log_probabilities": doubles(3, 2),
        "rewards": doubles(3, 2),
        "baseline": doubles(2),
        "discount": 0.9,
        "taken": doubles(3, 2) > 0,
    },
    "control.solve_bsde": lambda: {
        "problem": control.hamilton_jacobi_bellman(2),
        "steps": 2,
        "iterations": 2,
        "seed": (0, 1),
        "batch": 4,
        "rate": 0.01,
        "controlled": True,
        "shrink": 0.9,
        "rounds": 2,
        "watch": None,
        "device": "cpu",
    },
}

# nets ------------------------------------------------------------------------------------------------------------


def net_options(**more: object) -> Arguments:
    return {"width": 2, "in_channels": 1, "num_classes": 2, "seed": 0, **more}


def pulled() -> nets.Dissipative:
    return nets.Dissipative(doubles(3, 2), doubles(3))


def inward(y: Tensor) -> Tensor:
    return -torch.sin(y)


def gated() -> nets.GatedNet:
    return nets.gated_resnet(8, width=2).eval()


NETS: Table = {
    "nets.GatedNet": lambda: {
        "plan": cifar_plan(8, width=2),
        "gate": "recurrent",
        "way": "soft",
        "start": 0.9,
        "in_channels": 1,
        "num_classes": 2,
        "seed": 0,
    },
    "nets.GatedNet.forward": lambda: {"self": gated(), "x": singles(2, 3, 8, 8)},
    "nets.GatedNet.route": lambda: {
        "self": gated(),
        "x": singles(2, 3, 8, 8),
        "way": "hard",
        "gates": torch.ones(2, 2),
        "source": seeds.generator(0, "gates"),
    },
    "nets.PathCost": lambda: {"fixed": 5, "gates": 1, "blocks": (3, 4)},
    "nets.PathCost.of": lambda: {"self": nets.PathCost(5, 1, (3, 4)), "gates": torch.ones(3, 2)},
    "nets.PathCost.saved": lambda: {"self": nets.PathCost(5, 1, (3, 4)), "gates": torch.ones(3, 2)},
    "nets.Routed": lambda: {"logits": singles(2, 3), "gates": torch.ones(2, 4), "scores": singles(2, 4)},
    "nets.gated_resnet": lambda: {
        "depth": 8,
        "block": "basic",
        "gate": "feedforward-I",
        "way": "sample",
        "start": 0.5,
        **net_options(),
    },
    "nets.hybrid_loss": lambda: {
        "route": nets.Routed(singles(2, 3), torch.ones(2, 4), singles(2, 4)),
        "y": labels(2),
        "alpha": 0.1,
        "rl_weight": 0.01,
        "baseline": True,
    },
    "nets.skip_rewards": lambda: {"gates": torch.ones(2, 4), "losses": singles(2), "alpha": 0.1},
    "nets.path_cost": lambda: {"model": gated(), "height": 8, "width": 4},
    "nets.random_gates": lambda: {
        "count": 3,
        "gates": 2,
        "rate": torch.tensor([0.2, 0.5]),
        "source": seeds.generator(0, "gates"),
        "device": "cpu",
    },
    "nets.Dissipative": lambda: {"weight": doubles(3, 2), "bias": doubles(3)},
    "nets.Dissipative.forward": lambda: {"self": pulled(), "y": doubles(4, 2)},
    "nets.Dissipative.lifted": lambda: {"self": pulled(), "y": doubles(4, 2)},
    "nets.Dissipative.potential": lambda: {"self": pulled(), "y": doubles(4, 2)},
    "nets.Dissipative.product": lambda: {"self": pulled(), "y": doubles(4, 2)},
    "nets.ImplicitStep": lambda: {"state": doubles(4, 2), "iterations": 3, "evaluations": 9},
    "nets.implicit_euler": lambda: {
        "field": inward,
        "x": doubles(4, 2),
        "h": 0.5,
        "tolerance": 1e-9,
        "iterations": 20,
    },
    "nets.relaxed_euler": lambda: {"field": inward, "x": doubles(4, 2), "h": 0.5, "steps": 2, "rate": 0.1},
    "nets.FractalNet": lambda: {"columns": 2, "stages": 2, **net_options()},
    "nets.LMNet": lambda: {"plan": cifar_plan(8, width=2), "startup": "repeat", "seed": 0, "survival": 0.9},
    "nets.PolyNet": lambda: {"plan": cifar_plan(8, width=2), "form": "nested", "seed": 0},
    "nets.ResidualNet": lambda: {
        "plan": cifar_plan(8, width=2),
        "in_channels": 1,
        "num_classes": 2,
        "survival": 0.9,
        "seed": 0,
    },
    "nets.PreActResNet18": lambda: net_options(width=1),
    "nets.RevNet": lambda: {"blocks": 1, **net_options()},
    "nets.ReversibleBlock": lambda: {"channels": 4},
    "nets.ReversibleBlock.inverse": lambda: {"self": nets.ReversibleBlock(4).eval(), "u": singles(2, 4, 4, 4)},
    "nets.ReversibleBlock.forward": lambda: {"self": nets.ReversibleBlock(4).eval(), "u": singles(2, 4, 4, 4)},
    "nets.SmallStepNet": lambda: {
        "depth": 2,
        "h": (0.1, 1.0),
        "features": 3,
        "width": 4,
        "num_classes": 2,
        "norm": False,
        "start": "he",
        "seeds": (0, 1),
    },
    "nets.SmallStepNet.forward": lambda: {
        "self": nets.SmallStepNet(2, features=3, width=4, num_classes=2, norm=True, seeds=(0, 1)).eval(),
        "x": singles(2, 5, 3),
    },
    "nets.SmallStepNet.absorbed": lambda: {"self": nets.SmallStepNet(2, features=3, width=4, num_classes=2)},
    "nets.SmallCNN": lambda: {
        "in_channels": 1,
        "size": 8,
        "channels": (2, 2, 3, 3),
        "hidden": 4,
        "num_classes": 2,
        "seed": 0,
        "dropout": 0.1,
        "zero_last": True,
    },
    "nets.WideResNet": lambda: {"depth": 10, "widen": 1, "num_classes": 2, "in_channels": 1, "seed": 0},
    "nets.SteppedNet": lambda: {
        "plan": cifar_plan(8, width=2),
        "time": 2.0,
        "in_channels": 1,
        "num_classes": 3,
        "seed": 0,
    },
    "nets.DampedNet": lambda: {
        "plan": cifar_plan(14, width=2),
        "model": "lambda-in",
        "damping": None,
        "start": (0.2, 0.25),
        "in_channels": 1,
        "num_classes": 3,
        "seed": 0,
    },
    "nets.DampedNet.forward": lambda: {
        "self": nets.damped_resnet(14, width=2).eval(),
        "x": singles(2, 3, 8, 8),
    },
    "nets.damped_resnet": lambda: {"depth": 8, "block": "basic", **net_options(model="in", damping=0.25)},
    "nets.stepped_resnet": lambda: {"blocks": (1, 2), "time": 2.0, **net_options()},
    "nets.prolong": lambda: {"model": nets.stepped_resnet((2,), width=2)},
    "nets.SteppedNet.forward": lambda: {
        "self": nets.stepped_resnet((1,), width=2).eval(),
        "x": singles(2, 3, 8, 8),
    },
    "nets.lm_resnet": lambda: {"depth": 8, "block": "basic", **net_options(startup="plain", survival=0.9)},
    "nets.lm_resnext": lambda: {
        "cardinality": 2,
        "group_width": 2,
        "depth": 11,
        "base": 2,
        "in_channels": 1,
        "num_classes": 2,
        "startup": "plain",
        "survival": 0.9,
        "seed": 0,
    },
    "nets.matched_pair": lambda: {"depth": 8, "block": "basic", **net_options(startup="plain")},
    "nets.polynet": lambda: {"depth": 8, "form": "sum", **net_options()},
    "nets.resnet": lambda: {"depth": 8, "block": "basic", **net_options(survival=0.9)},
    "nets.resnext": lambda: {
        "cardinality": 2,
        "group_width": 2,
        "depth": 11,
        "base": 2,
        "in_channels": 1,
        "num_classes": 2,
        "survival": 0.9,
        "seed": 0,
    },
    "nets.KEntry": lambda: {"block": 1, "stage": 1, "place": 1, "trainable": True, "value": 0.1},
    "nets.learned_k": lambda: {"model": nets.lm_resnet(8, width=2)},
    "nets.null_neuron": lambda: {"model": small_chain(), "layer": 0},
    "nets.split_neuron": lambda: {"model": small_chain(), "layer": 0, "neuron": 1, "share": 0.3},
    "nets.parameter_count": lambda: {"model": nets.resnet(8, width=2)},
    "nets.reported_parameter_count": lambda: {"depth": 20, "block": "basic", "num_classes": 10},
    "nets.unused_parameter_count": lambda: {"block": "basic", "stem": 16, "stages": 3},
    "nets.resnet.forward": lambda: {"self": nets.resnet(8, width=2).eval(), "x": singles(2, 3, 8, 8)},
    "nets.LMNet.forward": lambda: {"self": nets.lm_resnet(8, width=2).eval(), "x": singles(2, 3, 8, 8)},
    "nets.PolyNet.forward": lambda: {"self": nets.polynet(8, width=2).eval(), "x": singles(2, 3, 8, 8)},
    "nets.RevNet.forward": lambda: {"self": nets.RevNet(1, width=2).eval(), "x": singles(2, 3, 8, 8)},
    "nets.FractalNet.forward": lambda: {"self": nets.FractalNet(2, width=2).eval(), "x": singles(2, 3, 8, 8)},
    "nets.SmallCNN.forward": lambda: {
        "self": nets.SmallCNN(1, 8, (2, 2, 3, 3), 4, 2).eval(),
        "x": singles(2, 1, 8, 8),
    },
    "nets.WideResNet.forward": lambda: {"self": nets.WideResNet(10, 1, 2).eval(), "x": singles(2, 3, 8, 8)},
    "nets.PreActResNet18.forward": lambda: {
        "self": nets.PreActResNet18(2, width=1).eval(),
        "x": singles(2, 3, 8, 8),
    },
}

# training --------------------------------------------------------------------------------------------------------


def short() -> training.Recipe:
    return training.Recipe("short", epochs=1, batch=4, lr=0.01)


def line() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))


def stepped() -> nets.SteppedNet:
    return nets.stepped_resnet((1,), width=2, in_channels=1, num_classes=3)


def pictures() -> tuple[Tensor, Tensor]:
    return singles(8, 1, 4, 4), labels(8)


FOLDERS = tempfile.TemporaryDirectory(prefix="fuzz-")  # removed when Python ends


def folder() -> Path:
    return Path(tempfile.mkdtemp(dir=FOLDERS.name))


def stored() -> Path:
    path = folder() / "run.pt"
    training.save_checkpoint(path, {"seed": 0}, {"steps": 1})
    return path


TRAINING: Table = {
    "training.Fit": lambda: {"settings": {}, "steps": 1},
    "training.Recipe": lambda: {
        "name": "mine",
        "epochs": 2,
        "lr": 0.1,
        "batch": 4,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "nesterov": True,
        "schedule": "multistep",
        "milestones": (1,),
        "factor": 0.1,
        "warmup": 0.3,
        "pad": 1,
        "flip": True,
        "precision": "fp32",
        "channels_last": True,
        "test_every": 1,
        "departures": ("short",),
    },
    "training.Recipe.rate": lambda: {"self": short(), "step": 1, "steps_per_epoch": 2},
    "training.recipe": lambda: {"name": "digits", "epochs": 2, "lr": 0.1},
    "training.mode_errors": lambda: {"output": doubles(3, 8), "target": doubles(8), "modes": (1, 2)},
    "training.filtered_errors": lambda: {
        "output": doubles(3, 5, 2),
        "target": doubles(5, 2),
        "points": doubles(5, 3),
        "variance": 0.5,
    },
    "training.crop_flip": lambda: {
        "images": singles(2, 1, 4, 4),
        "pad": 1,
        "flip": True,
        "source": seeds.generator(0, "fuzz"),
    },
    "training.evaluate": lambda: {"model": line(), "data": pictures(), "batch": 3, "precision": "fp32"},
    "training.fit": lambda: {
        "model": line(),
        "train": pictures(),
        "test": pictures(),
        "recipe": short(),
        "seed": 0,
        "every": 2,
        "device": "cpu",
        "progress": False,
        "deterministic": False,
        "on_step": lambda step, loss: None,
    },
    "training.Levels": lambda: {"model": stepped(), "fits": (training.Fit({}),), "blocks": (1,)},
    "training.fit_levels": lambda: {
        "model": stepped(),
        "train": pictures(),
        "test": pictures(),
        "cycles": (short(), short()),
        "seed": 0,
        "grow": True,
        "by_time": True,
        "device": "cpu",
        "progress": False,
    },
    "training.fit_together": lambda: {
        "runs": [
            {
                "model": line(),
                "train": pictures(),
                "test": pictures(),
                "recipe": short(),
                "seed": seed,
                "progress": False,
            }
            for seed in (0, 1)
        ],
        "device": "cpu",
        "deterministic": False,
    },
    "training.save_checkpoint": lambda: {
        "path": folder() / "run.pt",
        "identity": {"seed": 0},
        "content": {"w": doubles(2)},
    },
    "training.load_checkpoint": lambda: {"path": stored(), "identity": {"seed": 0}},
}

# data ------------------------------------------------------------------------------------------------------------

DATA: Table = {
    "data.Labelled": lambda: {"images": singles(2, 1, 4, 4), "labels": labels(2)},
    "data.Picture": lambda: {"name": "one", "pixels": np.zeros((2, 2), np.uint8)},
    "data.about": lambda: {"name": "mnist"},
    "data.entry": lambda: {"name": "mnist"},
    "data.names": dict,
    "data.pde_names": dict,
    "data.series_names": dict,
    "data.LabelledSeries": lambda: {
        "values": [np.zeros((3, 1))],
        "labels": np.zeros(1, np.int64),
        "classes": ("a",),
    },
    "data.cache_folder": dict,
    "data.sample_images": dict,
    "data.digits": lambda: {"split": "test", "limit": 5},
    "data.load": lambda: {"name": "digits", "split": "test", "limit": 5},
    "data.pixels": lambda: {"dataset": "digits", "split": "test", "limit": 5, "shrink_by": 2},
    "data.shrink": lambda: {"data": pictures(), "factor": 2},
    "data.standardise": lambda: {"train": pictures(), "test": pictures()},
}

# problems, seeds, timing, parallel -------------------------------------------------------------------------------

SMALL: Table = {
    "problems.LinearSystem": lambda: {
        "device": "cpu",
        "T": 1.0,
        "rows": ((0.0, 1.0), (-1.0, 0.0)),
        "start": (1.0, 0.0),
    },
    "problems.LinearSystem.solution": lambda: {"self": problems.LinearSystem(), "t": grid()},
    "problems.Pendulum": lambda: {"T": 1.0, "angle": 1.0, "speed": 0.5, "torque": 0.1},
    "problems.Pendulum.solution": lambda: {"self": problems.Pendulum(), "t": 0.01 * grid()[1:]},
    "problems.Pendulum.energy": lambda: {"self": problems.Pendulum(), "u": doubles(3, 2)},
    "problems.Quadratic": lambda: {"kappa": 10.0, "d": 3, "T": 1.0},
    "problems.Quadratic.solution": lambda: {"self": problems.Quadratic(10.0, 3), "t": grid()},
    "problems.Scaled": lambda: {"problem": problems.Pendulum(), "factor": 0.5},
    "problems.TimeDependent": lambda: {"T": 1.0},
    "problems.TimeDependent.solution": lambda: {"self": problems.TimeDependent(), "t": grid()},
    "problems.reference": lambda: {"f": field, "u0": doubles(2), "t": grid()[1:], "tolerance": 1e-6},
    "seeds.derive": lambda: {"seed": 1, "purpose": "fuzz"},
    "seeds.generator": lambda: {"seed": 1, "purpose": "fuzz", "device": "cpu"},
    "timing.cpu_seconds": lambda: {"tasks": {"nothing": lambda: None}, "rounds": 1},
    "parallel.run_all": lambda: {"function": dict, "jobs": [{"a": 1}], "workers": 1, "progress": False},
}

# schemes ---------------------------------------------------------------------------------------------------------


def costs() -> schemes.Statistics:
    return schemes.Statistics(2, 0, 1, 0)


def tolerances() -> Arguments:
    return {"rtol": 1e-4, "atol": 1e-6, "first": 0.1, "most": 200}


SCHEMES: Table = {
    "schemes.AsynchronousLeapfrog": dict,
    "schemes.ReversibleHeun": dict,
    "schemes.BackwardEuler": lambda: {"tolerance": 1e-8, "iterations": 10},
    "schemes.BestRate": lambda: {"k": 0.1, "h": 0.1, "rate": 0.5},
    "schemes.BrownianTree": lambda: {
        "size": (3, 2),
        "t0": 0.0,
        "t1": 1.0,
        "seed": 0,
        "levels": 8,
        "dtype": torch.float64,
    },
    "schemes.EulerMaruyama": dict,
    "schemes.StratonovichHeun": dict,
    "schemes.ito_drift": lambda: {"drift": field, "diffusion": field},
    "schemes.stratonovich_drift": lambda: {"drift": field, "diffusion": field},
    "schemes.EmbeddedPair": lambda: dict(vars(schemes.TSITOURAS)),
    "schemes.ForwardEuler": dict,
    "schemes.FractalBlock": lambda: {"k1": 0.5, "k2": 0.5, "k3": 1.0, "a": 1.0, "b": 0.5},
    "schemes.FractalBlock.second_order": lambda: {"self": schemes.FractalBlock(), "a": 0.5},
    "schemes.ImplicitMidpoint": lambda: {"tolerance": 1e-8, "iterations": 10},
    "schemes.Leapfrog": dict,
    "schemes.LinearTwoStep": lambda: {"k": [0.1, 0.2], "rescale": True, "start": "euler"},
    "schemes.ModifiedEquationGaps": lambda: {"original": None, "plain": None, "reduced": None, "full": None},
    "schemes.NestedPolyNet": lambda: {"terms": 2},
    "schemes.OrderMeasurement": lambda: {"steps": (1, 2), "h": (1.0, 0.5), "errors": (0.1, 0.05)},
    "schemes.PolyNet": lambda: {"terms": 2},
    "schemes.Record": lambda: dict.fromkeys(("t", "h", "error", "stiffness"), doubles(2)),
    "schemes.RevNet": lambda: {"dim": -1},
    "schemes.Root": lambda: {"t": doubles(1)[0], "u": doubles(2), "found": True, "statistics": costs()},
    "schemes.Rosenbrock": lambda: dict(vars(schemes.RODAS5P)),
    "schemes.RungeKutta": lambda: {"tableau": schemes.RK4},
    "schemes.SampledMoments": lambda: {
        "sampled": (1.0, 1.0),
        "standard_error": (0.1, 0.1),
        "exact": (1.0, 1.0),
    },
    "schemes.ShakeShake": dict,
    "schemes.ShakeShake.linear_moment": lambda: {
        "self": schemes.ShakeShake(),
        "power": 2,
        "rate": (0.5, -0.5),
        "steps": 4,
        "T": 1.0,
        "x0": 1.0,
    },
    "schemes.ShakeShake.limit_moment": lambda: {
        "self": schemes.ShakeShake(),
        "power": 2,
        "rate": (0.5, -0.5),
        "T": 1.0,
        "x0": 1.0,
    },
    "schemes.Roots": lambda: {"t": doubles(2), "u": doubles(2, 2), "found": None, "statistics": costs()},
    "schemes.Solution": lambda: {"t": grid(2), "u": doubles(3, 2), "statistics": costs(), "record": None},
    "schemes.Statistics": lambda: {"evaluations": 2, "jacobians": 0, "accepted": 1, "rejected": 0},
    "schemes.Status": lambda: {"value": 1},
    "schemes.StochasticDepth": lambda: {"p": 0.5, "scaled": True},
    "schemes.StochasticDepth.linear_moment": lambda: {
        "self": schemes.StochasticDepth(),
        "power": 2,
        "rate": 0.5,
        "steps": 4,
        "T": 1.0,
        "x0": 1.0,
    },
    "schemes.StochasticTwoStep": lambda: {"k": 0.1, "p": 0.5, "scaled": True},
    "schemes.StochasticTwoStep.from_g": lambda: {
        "self": schemes.StochasticTwoStep(),
        "g": -1.1,
        "p": 0.5,
        "scaled": True,
    },
    "schemes.StochasticTwoStep.linear_moment": lambda: {
        "self": schemes.StochasticTwoStep(0.1),
        "power": 2,
        "rate": 0.5,
        "steps": 4,
        "T": 1.0,
        "x0": 1.0,
    },
    "schemes.Tableau": lambda: {
        "name": "mine",
        "order": 2,
        "a": ((), (1.0,)),
        "b": (0.5, 0.5),
        "c": (0.0, 1.0),
    },
    "schemes.Yoshida4": dict,
    "schemes.amplification": lambda: {"scheme": schemes.RungeKutta(schemes.RK4), "z": doubles(3)},
    "schemes.best_k": lambda: {"problem": problems.Quadratic(10.0, 3), "h": 1.0},
    "schemes.best_step_and_k": lambda: {"problem": problems.Quadratic(10.0, 3)},
    "schemes.euler_gradient": lambda: {
        "f": field,
        "u": doubles(2).expand(5, 2).clone(),
        "u0": doubles(2),
        "t": grid(),
        "static": False,
    },
    "schemes.first_root": lambda: {
        "f": field,
        "u0": doubles(2),
        "t": grid(1),
        "event": lambda t, u: u.sum() - 1.5,
        "scheme": schemes.TSITOURAS,
        "direction": -1,
        **tolerances(),
    },
    "schemes.first_roots": lambda: {
        "f": field,
        "u0": doubles(3, 2),
        "t": grid(1),
        "event": lambda t, u: u[..., :1] - 0.5,
        "scheme": schemes.TSITOURAS,
        "direction": -1,
        "failures": "raise",
        **tolerances(),
    },
    "schemes.full_field": lambda: {"f": field, "k": 0.1, "h": 0.1},
    "schemes.heavy_ball": lambda: {
        "gradient": lambda u: u,
        "u0": doubles(2),
        "step": 0.1,
        "momentum": 0.5,
        "steps": 3,
    },
    "schemes.integrate": lambda: {
        "f": field,
        "u0": doubles(3, 2),
        "t": grid(),
        "scheme": schemes.RungeKutta(schemes.RK4),
        "keep": "all",
    },
    "schemes.largest_stable_step": lambda: {"k": 0.1, "rescale": True, "tolerance": 1e-3},
    "schemes.local_error_order": lambda: {
        "scheme": schemes.ForwardEuler(),
        "problem": problems.TimeDependent(),
        "h": (0.1, 0.05),
        "against": schemes.BackwardEuler(),
    },
    "schemes.march": lambda: {
        "f": field,
        "u0": doubles(3, 2),
        "t": grid(),
        "scheme": schemes.RungeKutta(schemes.RK4),
        "keep": "all",
        "gradient": "checkpoints",
        "parameters": (doubles(2).requires_grad_(),),
    },
    "schemes.march_sde": lambda: {
        "drift": field,
        "diffusion": field,
        "u0": doubles(3, 2),
        "t": grid(),
        "path": wave,
        "scheme": schemes.StratonovichHeun(),
        "keep": "all",
        "gradient": "adjoint",
        "parameters": (doubles(2).requires_grad_(),),
    },
    "schemes.measure_order": lambda: {
        "scheme": schemes.ForwardEuler(),
        "problem": problems.TimeDependent(),
        "steps": (4, 8),
        "target": problems.TimeDependent(),
    },
    "schemes.modified_equation_gaps": lambda: {
        "problem": problems.Pendulum(T=0.5),
        "k": 0.1,
        "steps": (4, 8),
        "full": False,
    },
    "schemes.reduced_field": lambda: {"f": field, "k": 0.1, "h": 0.1},
    "schemes.root_modulus": lambda: {"k": 0.5},
    "schemes.sample_moments": lambda: {
        "scheme": schemes.StochasticDepth(),
        "rate": 0.5,
        "steps": 4,
        "paths": 8,
        "generator": seeds.generator(0, "fuzz"),
        "T": 1.0,
        "x0": 1.0,
    },
    "schemes.Layers": lambda: {"f": branch, "weights": (doubles(4, 2), doubles(4)), "h": 0.25},
    "schemes.Layers.adjoints": lambda: {"self": stack(), "states": doubles(5, 3, 2), "last": doubles(3, 2)},
    "schemes.Layers.gradients": lambda: {
        "self": stack(),
        "states": doubles(5, 3, 2),
        "adjoints": doubles(5, 3, 2),
    },
    "schemes.Layers.states": lambda: {"self": stack(), "u0": doubles(3, 2)},
    "schemes.Multigrid": lambda: {"coarsening": (2, 2), "relaxation": "FCF"},
    "schemes.Multigrid.sequential_steps": lambda: {
        "self": schemes.Multigrid((2, 2)),
        "layers": 8,
        "sweeps": 2,
        "warm": True,
    },
    "schemes.parallel_adjoints": lambda: {
        "layers": stack(),
        "states": doubles(5, 3, 2),
        "last": doubles(3, 2),
        "plan": schemes.Multigrid((2,), "FCF"),
        "sweeps": 1,
        "start": doubles(5, 3, 2),
    },
    "schemes.parallel_states": lambda: {
        "layers": stack(),
        "u0": doubles(3, 2),
        "plan": schemes.Multigrid((2, 2)),
        "sweeps": 1,
        "start": doubles(5, 3, 2),
    },
    "schemes.pair_step": lambda: {
        "pair": schemes.TSITOURAS,
        "f": field,
        "t": grid(1)[0],
        "u": doubles(3, 2),
        "h": grid(1)[1],
    },
    "schemes.satisfies_root_condition": lambda: {"k": 0.5},
    "schemes.solve": lambda: {
        "f": field,
        "u0": doubles(3, 2),
        "t": grid(),
        "scheme": schemes.RODAS5P,
        "steps": "own",
        "gradient": "backprop",
        "parameters": (doubles(2).requires_grad_(),),
        "record": False,
        "failures": "raise",
        **tolerances(),
    },
    "schemes.solve_at": lambda: {
        "f": field,
        "u0": doubles(3, 2),
        "t": grid()[:, None].expand(5, 3).clone(),
        "scheme": schemes.TSITOURAS,
        "rtol": 1e-4,
        "atol": 1e-6,
        "most": 200,
        "gradient": "backprop",
        "parameters": (doubles(2).requires_grad_(),),
    },
    "schemes.spectral_radius": lambda: {"k": 0.1, "h": 1.0, "eigenvalues": singles(3).double()},
    "schemes.stability_region": lambda: {
        "scheme": schemes.RungeKutta(schemes.RK4),
        "real": doubles(3),
        "imag": doubles(4),
    },
    "schemes.steps_to_tolerance": lambda: {
        "problem": problems.Quadratic(10.0, 3),
        "k": -0.1,
        "h": 1.0,
        "tolerance": 1e-2,
        "most": 100,
    },
    "schemes.two_step_roots": lambda: {"k": 0.1, "z": doubles(3), "rescale": True},
    "schemes.unrolled": lambda: {"f": field, "u0": doubles(2), "t": grid(), "scheme": schemes.LinearTwoStep(0.1)},
    "schemes.variances": lambda: {
        "scheme": schemes.StochasticDepth(),
        "rate": 0.5,
        "steps": (4, 8),
        "T": 1.0,
        "x0": 1.0,
    },
    "schemes.weak_order": lambda: {
        "scheme": schemes.StochasticDepth(),
        "rate": 0.5,
        "steps": (4, 8),
        "T": 1.0,
        "x0": 1.0,
        "powers": (1, 2),
    },
}

TABLE: Table = {**CONTROL, **NETS, **TRAINING, **DATA, **SMALL, **SCHEMES}
