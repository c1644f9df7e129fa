"""Wrong arguments of solutions with steps of their own choice."""

from __future__ import annotations

import pytest
import torch

from contdepth import schemes

RATE = torch.ones(1, dtype=torch.float64, requires_grad=True)
U0, T = torch.ones(2, 2).double(), torch.linspace(0, 1, 3).double()


def f(t, u):
    return -u


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"f": None}, TypeError, r"f: expected a function of \(t, u\), found NoneType"),
        ({"f": lambda t, u: u[:1]}, ValueError, r"f\(t, u\): expected shape \(2, 2\)"),
        ({"f": lambda t, u: u.mul_(2)}, ValueError, "f: expected a function that leaves t and u as they are"),
        ({"u0": [1.0]}, TypeError, "u0: expected a torch.Tensor"),
        ({"u0": U0.half()}, TypeError, r"u0: expected float32, float64 or complex for Dormand–Prince 5\(4\)"),
        ({"u0": U0 * torch.nan}, ValueError, "u0: expected finite values"),
        ({"u0": U0 + 0j, "scheme": schemes.RODAS5P}, TypeError, "u0: expected float32 or float64 for RODAS5P"),
        ({"u0": U0[0, 0], "scheme": schemes.RODAS5P}, ValueError, r"u0: expected a state \(..., d\)"),
        ({"u0": U0[0], "steps": "own"}, ValueError, r"u0: expected a batch \(..., d\)"),
        ({"t": T.flip(0)[[0, 2, 1]]}, ValueError, "t: expected a strictly increasing or strictly decreasing"),
        ({"t": T.half()}, TypeError, "t: expected float32 or float64"),
        ({"t": T.clone().requires_grad_(), "steps": "own"}, ValueError, "t: expected times that are not diff"),
        ({"scheme": schemes.RK4}, TypeError, "scheme: expected an EmbeddedPair or a Rosenbrock scheme"),
        ({"steps": "each"}, ValueError, "steps: expected one of 'common', 'own'"),
        ({"rtol": 0.0}, ValueError, "rtol: expected a number >= 2.2.*; torch.float64 holds no more"),
        ({"rtol": 1e-14, "scheme": schemes.RODAS5P}, ValueError, "rtol: expected a number >= 7.1"),
        ({"atol": 0.0}, ValueError, "atol: expected a number > 0"),
        ({"first": 0.0}, ValueError, "first: expected a number > 0"),
        ({"most": 0}, ValueError, "most: expected a number >= 1"),
        ({"gradient": "none"}, ValueError, "gradient: expected one of 'backprop', 'checkpoints'"),
        ({"gradient": "adjoint", "scheme": schemes.RODAS5P}, ValueError, "backwards a stiff equation leaves its"),
        ({"gradient": "adjoint", "steps": "own"}, ValueError, "each member would need a gradient of its own"),
        *(
            ({"gradient": one, "record": True}, ValueError, f"gradient: expected 'backprop', found '{one}'")
            for one in ("checkpoints", "adjoint")
        ),
        ({"f": lambda t, u: -RATE * u, "gradient": "checkpoints"}, ValueError, "parameters: expected all tensors"),
        (
            {"f": lambda t, u: -RATE * u, "gradient": "checkpoints", "steps": "own", "scheme": schemes.RODAS5P},
            ValueError,
            "parameters: expected all tensors",
        ),
        ({"gradient": "euler", "record": True}, ValueError, "gradient: expected 'backprop', found 'euler'"),
        ({"record": 1.5}, TypeError, "record: expected True or False"),
        ({"record": True, "steps": "own"}, ValueError, "record: expected False, found True"),
        ({"record": True, "scheme": schemes.RODAS5P}, ValueError, "record: expected False, found True"),
    ],
)
def test_refused(change, error, message):
    with pytest.raises(error, match=message):
        schemes.solve(**{"f": f, "u0": U0, "t": T, **change})


@pytest.mark.parametrize("steps", ["common", "own"])
@pytest.mark.parametrize("shape", [(0, 2), (3, 0)], ids=str)
@pytest.mark.parametrize("scheme", [schemes.TSITOURAS, schemes.RODAS5P], ids=lambda s: s.name)
def test_no_sample_or_no_coordinate_stays_none(scheme, shape, steps):
    assert schemes.solve(f, torch.ones(shape).double(), T, scheme, steps=steps).u.shape == (3, *shape)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"gamma": 0.0}, ValueError, "gamma: expected a number > 0"),
        ({"caution": 0.5}, ValueError, "caution: expected a number >= 1"),
        ({"a": schemes.RODAS5P.a[1:]}, ValueError, "a: expected rows of 0 to 7 entries, as c has 8"),
        ({"m": ("no",) * 8}, ValueError, "m: expected|no: expected"),
        ({"d": (1.0,)}, ValueError, "d: expected 8 numbers"),
        ({"dense": ((1.0,),) * 3}, ValueError, "dense: expected 3 rows of 8 numbers"),
        ({"c": (0.0, None)}, ValueError, "a: expected rows of 0 to 1 entries"),
    ],
)
def test_a_rosenbrock_scheme_is_checked(change, error, message):
    with pytest.raises((error, TypeError), match=message):
        schemes.Rosenbrock(**{**vars(schemes.RODAS5P), **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": ()}, "a: expected at least one row"),
        ({"c": schemes.TSITOURAS.c[1:]}, "a, b, c: expected"),
        ({"error": (1.0,)}, "error: expected 7 weights"),
        ({"dense": schemes.TSITOURAS.dense[1:]}, "dense: expected 7 rows of finite numbers"),
        ({"order": 1}, "order: expected a number >= 2"),
    ],
)
def test_a_pair_is_checked(change, message):
    with pytest.raises(ValueError, match=message):
        schemes.EmbeddedPair(**{**vars(schemes.TSITOURAS), **change})
