"""SymNet: the fused network equals the plain one, its gradients are right, its read-out is the function."""

import pytest
import sympy
import torch

from contdepth.pde.symbolic import symnet as module
from contdepth.pde.symbolic.symnet import SymNet, evaluate
from contdepth.studies.pdenet2.reference import plain_symnet

NAMES = ["u", "u_x", "u_xx", "v"]


def network(hidden: int = 3, outputs: int = 2, seed: int = 0) -> SymNet:
    net = SymNet(4, outputs, hidden, seed=seed, scale=0.6)
    net.input_scale.copy_(torch.tensor([0.5, 2.0, 3.0, 1.0]))
    net.output_scale.copy_(torch.linspace(0.7, 1.3, outputs))
    return net


def points(count: int = 50) -> torch.Tensor:
    return torch.randn(count, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("hidden", [0, 1, 2, 5])
def test_the_fused_network_equals_the_plain_one(hidden):
    net = network(hidden)
    x = points()
    plain = torch.stack([plain_symnet(net, x, g) for g in range(2)], 1)
    assert torch.allclose(net(x), plain, rtol=1e-12, atol=1e-12)
    batch = x.t().reshape(4, 5, 10).transpose(0, 1).contiguous()
    assert torch.allclose(net(batch), plain.t().reshape(2, 5, 10).transpose(0, 1), rtol=1e-12, atol=1e-12)


def test_gradients_by_finite_differences():
    net = network()
    x = points(6).t().unsqueeze(0).repeat(2, 1, 1).requires_grad_()

    def function(x, weight, bias, product):
        return torch.func.functional_call(net, {"weight": weight, "bias": bias, "product": product}, (x,))

    assert torch.autograd.gradcheck(function, (x, net.weight, net.bias, net.product))


def test_chunks_do_not_change_value_or_gradient(monkeypatch):
    net, x = network(5), torch.randn(7, 4, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    results = []
    for size in (100, 2):
        monkeypatch.setattr(module, "chunk", lambda *_, size=size: size)
        leaf = x.clone().requires_grad_()
        net.zero_grad()
        net(leaf).square().sum().backward()
        results.append([leaf.grad, *(p.grad.clone() for p in net.parameters())])
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-14)


def test_sensitivity_is_the_derivative():
    net = network()
    x = points(30).t().reshape(4, 3, 10).transpose(0, 1).contiguous().requires_grad_()
    out = net(x)
    for g, columns in enumerate([[1, 2], [3, 0]]):
        (grad,) = torch.autograd.grad(out[:, g].sum(), x, retain_graph=True)
        found = net.sensitivity(x.detach(), [[1, 2], [3, 0]])[:, g]
        assert torch.allclose(found, grad[:, columns], rtol=1e-12, atol=1e-14)


def test_nested_read_out_is_the_function():
    net, x = network(5), points()
    for g, expression in enumerate(net.expressions(NAMES)):
        values = net(x)[:, g].detach()
        assert (evaluate(expression, NAMES, x) - values).abs().max() <= 1e-10 * values.abs().max()


def test_expanded_read_out_is_the_nested_one():
    net = network(2)
    nested, expanded = net.expressions(NAMES)[0], net.expressions(NAMES, degree=4)[0]
    difference = sympy.Poly(sympy.expand(nested - expanded), *sympy.symbols(NAMES))
    assert max(abs(c) for c in difference.coeffs()) < 1e-12


def test_truncated_coefficients_are_exact():
    net = network(3)
    whole = sympy.Poly(sympy.expand(net.expressions(NAMES)[1]), *sympy.symbols(NAMES))
    for degree in (1, 2, 3):
        cut = sympy.Poly(net.expressions(NAMES, degree=degree)[1], *sympy.symbols(NAMES)).as_dict()
        assert max(sum(e) for e in cut) == degree
        for e, c in whole.as_dict().items():
            if sum(e) <= degree:
                assert abs(c - cut.get(e, 0)) < 1e-12


def test_known_polynomial():
    net = SymNet(4, 1, 1, scale=0.0)
    with torch.no_grad():
        net.weight[0, 0, 0], net.weight[0, 1, 1] = 2.0, 1.0  # p = 2 u * u_x
        net.product[0, 2, 0] = -0.5
        net.weight[0, 2, 2] = 0.05
    u, u_x, u_xx, _ = sympy.symbols(NAMES)
    assert sympy.expand(net.expressions(NAMES, degree=2)[0] - (-u * u_x + 0.05 * u_xx)) == 0


def test_a_mislabelled_term_is_seen():
    net, x = network(), points()
    swapped = [NAMES[1], NAMES[0], *NAMES[2:]]
    values = net(x)[:, 0].detach()
    assert (evaluate(net.expressions(swapped)[0], NAMES, x) - values).abs().max() > 1e-3 * values.abs().max()


def test_a_wrong_backward_is_seen(monkeypatch):
    right = module.sweep

    def wrong(grad, product, z, parameters=True):
        gz, gproduct = right(grad, product, z, parameters)
        return gz, gproduct * 1.01 if gproduct is not None else None

    monkeypatch.setattr(module, "sweep", wrong)
    with pytest.raises(Exception, match="Jacobian mismatch"):
        test_gradients_by_finite_differences()


def test_penalty_is_huber_like():
    net = SymNet(1, 1, 0, scale=0.0)
    with torch.no_grad():
        net.weight[0, 0, 0], net.bias[0, 0] = 2.0, 5e-4
    assert net.penalty(1e-3).item() == pytest.approx(2.0 - 5e-4 + 5e-4**2 / 2e-3)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda net: net(torch.zeros(3, 5, dtype=torch.float64)), r"x: expected shape \(B, 4, P\) or \(P, 4\)"),
        (lambda net: net.expressions(["u", "v"]), "names: expected 4 different names"),
        (lambda net: net.expressions(["u", "u", "v", "w"]), "names: expected 4 different names"),
        (lambda net: net.expressions(NAMES, degree=-1), "degree: expected a number >= 0"),
        (lambda net: SymNet(0), "inputs: expected a number >= 1"),
        (lambda net: SymNet(2, hidden=-1), "hidden: expected a number >= 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(network())
