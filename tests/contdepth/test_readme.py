"""The README's example runs as printed, and prints the orders it promises."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_library_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    first, second = map(float, capsys.readouterr().out.split())
    assert abs(first - 1) < 0.05
    assert abs(second - 2) < 0.05
    assert names["u"].shape == (81, 2)
