"""The README's example runs as printed, and prints the orders it promises."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def examples() -> list[str]:
    found = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(found) == 6
    return found


def test_the_equation_example_runs(capsys):
    code = examples()[2]
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    promised = re.search(r"# (u_t = [\d.]+ u_xx)", code)[1]
    assert capsys.readouterr().out.startswith(promised)


def test_the_library_example_runs(capsys):
    code = examples()[0]
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    first, second = map(float, capsys.readouterr().out.split())
    assert abs(first - 1) < 0.05
    assert abs(second - 2) < 0.05
    assert names["u"].shape == (81, 2)


def test_the_example_of_steps_that_choose_themselves_runs(capsys):
    names = {}
    exec(compile("\n".join(examples()[:2]), "README.md", "exec"), names)
    *_, shapes, statistics = capsys.readouterr().out.splitlines()
    assert shapes.endswith("[(16, 2), (16,), (2, 16), (2,)]") and "rejected=" in statistics
    assert all(bool(one.grad.isfinite().all()) for one in names["net"].parameters())


def test_the_robust_example_runs_and_the_model_learns(capsys):
    names = {}
    exec(compile(examples()[3], "README.md", "exec"), names)
    report = capsys.readouterr().out
    assert report.startswith("Audit on 200 images, l∞, ε = 1/10")
    assert float(re.search(r"clean +([\d.]+) %", report)[1]) > 60


def test_the_mean_field_example_runs_and_the_loss_falls_with_depth(capsys):
    exec(compile(examples()[4], "README.md", "exec"), {})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [int(depth) for depth, _ in lines] == [2, 8, 32]
    losses = [float(loss) for _, loss in lines]
    assert losses[0] > 5 * losses[1] > 25 * losses[2]
