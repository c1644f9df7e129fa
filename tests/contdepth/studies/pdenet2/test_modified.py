"""F'F by the chain rule against three oracles: by hand, differentiated functions, a flow computed spectrally."""

import math
import re
from pathlib import Path

import pytest
import sympy
import torch

from contdepth.pde.symbolic.terms import monomial
from contdepth.studies.pdenet2.experiments import BURGERS
from contdepth.studies.pdenet2.modified import acceleration, along, within, wrong_terms

INVISCID = {"u": {"u*u_x": -1.0, "v*u_y": -1.0}, "v": {"u*v_x": -1.0, "v*v_y": -1.0}}


def test_burgers_equations_by_hand():
    found = acceleration(INVISCID)
    by_hand = {
        "u**2*u_xx": 1,
        "u*v*u_xy": 2,
        "v**2*u_yy": 1,
        "u*u_x**2": 2,
        "v*u_x*u_y": 2,
        "u*v_x*u_y": 2,
        "v*v_y*u_y": 2,
    }
    assert found["u"] == {monomial(term): value for term, value in by_hand.items()}
    turned = {str(t): c for t, c in found["v"].items()}
    assert turned["u*v*v_xy"] == 2 and "u*v_xy" not in turned and len(turned) == 7


def test_the_page_prints_these_terms():
    page = (Path(__file__).parents[4] / "book/pdenet2/noise.md").read_text(encoding="utf-8")
    (printed,) = re.findall(r"u_{tt} &=.*?\\\\\n&= (.*?) ,\n", page, re.DOTALL)
    shown = {}
    for part in printed.replace(r"\,", " ").split(" + "):
        factor, rest = re.fullmatch(r"(\d*)(.*)", part).groups()
        power = re.sub(r"\^(\d)", r"**\1", re.sub(r"_{?([xy]+)}?", r"_\1", rest)).replace("uv", "u v").split()
        shown[monomial("*".join(power))] = float(factor or 1)
    assert shown == acceleration(INVISCID)["u"]


def test_viscosity_leaves_the_leading_terms_as_they_are():
    found = within(acceleration(BURGERS), 2)
    for field, terms in acceleration(INVISCID).items():
        assert all(found[field][term] == value for term, value in terms.items())
    more = {str(t): c for t, c in found["u"].items() if t not in acceleration(INVISCID)["u"]}
    assert more["u_x*u_xx"] == pytest.approx(-0.2) and max(map(abs, more.values())) < 0.21
    assert monomial("u_xxxx") in acceleration(BURGERS)["u"] and monomial("u_xxxx") not in found["u"]


def test_it_is_the_second_time_derivative_of_functions():
    x, y, s = sympy.symbols("x y s")
    fields = {"u": sympy.sin(x) * sympy.cos(y) + x * y, "v": sympy.exp(x / 3) * sympy.sin(2 * y)}

    def put(terms, at):
        values = {}
        for term in terms:
            for symbol in term.free_symbols:
                name, _, axes = str(symbol).partition("_")
                values[symbol] = sympy.diff(at[name], *map(sympy.Symbol, axes)) if axes else at[name]
        return sum(c * term.subs(values) for term, c in terms.items())

    symbolic = {f: {monomial(t): c for t, c in terms.items()} for f, terms in BURGERS.items()}
    rates = {f: put(terms, fields) for f, terms in symbolic.items()}
    moved = {f: fields[f] + s * rates[f] for f in fields}
    found, place = acceleration(BURGERS), {x: sympy.Rational(2, 5), y: sympy.Rational(-7, 10)}
    for f, terms in symbolic.items():
        wanted = sympy.diff(put(terms, moved), s).subs(s, 0)
        assert float(put(found[f], fields).subs(place)) == pytest.approx(float(wanted.subs(place)), rel=1e-10)


def test_a_flow_leaves_it_to_first_order():
    n = 32
    side = 2 * math.pi * torch.arange(n, dtype=torch.float64) / n
    x, y = torch.meshgrid(side, side, indexing="ij")
    start = torch.stack([torch.sin(x) + torch.cos(x + y), 0.5 + torch.cos(y) * torch.sin(x)])[None]
    derivative = {"x": 0, "y": 1}

    def on_grid(symbol, u):
        name, _, axes = str(symbol).partition("_")
        field = torch.fft.fft2(u[0, "uv".index(name)])
        waves = torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)
        for axis in axes:
            shape = (-1, 1) if derivative[axis] == 0 else (1, -1)
            field = field * 1j * waves.reshape(shape)
        return torch.fft.ifft2(field).real

    def evaluate(terms, u):
        total = torch.zeros_like(u[0, 0])
        for term, c in terms.items():
            factor = torch.full_like(total, float(c))
            for symbol, power in monomial(term).as_powers_dict().items():
                factor = factor * on_grid(symbol, u) ** int(power)
            total = total + factor
        return total

    def rhs(u):
        return torch.stack([evaluate(BURGERS[f], u) for f in ("u", "v")])[None]

    def flow(u, dt, steps=40):
        h = dt / steps
        for _ in range(steps):
            k1 = rhs(u)
            k2 = rhs(u + h / 2 * k1)
            k3 = rhs(u + h / 2 * k2)
            u = u + h / 6 * (k1 + 2 * k2 + 2 * k3 + rhs(u + h * k3))
        return u

    term = torch.stack([evaluate(acceleration(BURGERS)[f], start) for f in ("u", "v")])[None]
    left = []
    for dt in (0.02, 0.01):
        euler = (flow(start, dt) - start) / dt - rhs(start)
        left.append((euler - dt / 2 * term).abs().max().item())
        assert left[-1] < 0.1 * euler.abs().max().item()
    assert left[0] / left[1] == pytest.approx(4, rel=0.1)


def test_what_is_wrong_and_how_far_it_lies_along():
    u, v = sympy.symbols("u v")
    found = {"u": {u: -1.0, u**2: 0.03, v: 0.04}}
    other = wrong_terms(found, {"u": {"u": -1.0}})
    assert other == {"u": {u**2: 0.03, v: 0.04}}
    assert along(other, {"u": {u**2: 0.01}}) == pytest.approx((3.0, 0.36))
    assert along(other, other) == pytest.approx((1.0, 1.0))
    assert along({"u": {}}, other) == (0.0, 0.0)
    with pytest.raises(ValueError, match="direction: expected at least one coefficient"):
        along(other, {"u": {}})


def test_a_symbol_of_no_field_is_refused():
    with pytest.raises(ValueError, match="field of w_x"):
        acceleration({"u": {"u*w_x": 1.0}})
