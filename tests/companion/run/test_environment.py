"""What a page's kernel does not see of the machine: start-up files, styles, whether the home can be written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from toy_book import edit

from companion.cli import main
from companion.run.kernel_environment import kernel_environment

PAGE = "book/toy/heun.md"
ASKS = """import matplotlib.pyplot as plt
print("seen", [name for name in ("secret", "profiled") if name in dir()])
print("size", plt.rcParams["font.size"], "mine" in plt.style.available)"""


@pytest.fixture
def asking(toy: Path) -> Path:
    """A book with a page that prints what reached it."""
    edit(toy, PAGE, 'check("toy.heun.order"', ASKS + '\ncheck("toy.heun.order"')
    return toy


def printed(root: Path) -> str:
    assert main(["run", "--root", str(root), "toy/heun", "--profile", "smoke"]) == 0
    cells = json.loads((root / "results/smoke/toy/heun.ipynb").read_text())["cells"]
    return "".join(line for cell in cells for output in cell.get("outputs", ()) for line in output.get("text", ()))


CLEAN = "seen []\nsize 10.0 False\n"


def test_start_up_files_and_styles_of_the_user_are_not_used(asking, tmp_path, monkeypatch):
    settings = tmp_path / "mpl"
    (settings / "stylelib").mkdir(parents=True)
    (settings / "matplotlibrc").write_text("font.size: 30\n")
    (settings / "stylelib/mine.mplstyle").write_text("font.size: 31\n")
    startup = tmp_path / "ipython/profile_default/startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("profiled = 43\n")
    (tmp_path / "startup.py").write_text("secret = 42\n")
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "startup.py"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("MPLCONFIGDIR", str(settings))
    monkeypatch.setenv("MATPLOTLIBRC", str(settings / "matplotlibrc"))
    assert printed(asking) == CLEAN


@pytest.mark.skipif(os.name != "posix", reason="a home below a file")
def test_a_home_that_cannot_be_written_is_not_needed(asking, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file/home"))
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "MPLCONFIGDIR"):
        monkeypatch.delenv(name, raising=False)
    assert printed(asking) == CLEAN


def test_matplotlib_has_one_folder_for_all_kernels(tmp_path, monkeypatch):
    """Warm kernels are forked only where the variables are those of their server."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        given = kernel_environment(tmp_path, tmp_path / name, tmp_path)
        assert {given[name] for name in ("PYTHONSTARTUP", "PYTHONOPTIMIZE", "MATPLOTLIBRC", "MPLBACKEND")} == {
            None
        }
        found.append(Path(given["MPLCONFIGDIR"]))
        assert list(found[-1].glob("fontlist-*.json"))  # else the kernel may say that it makes one
    assert found[0] == found[1] and found[0].is_relative_to(tmp_path / "cache")


def test_settings_beside_the_page_are_refused(toy, capsys):
    (toy / "book/toy/matplotlibrc").write_text("font.size: 30\n")
    for command in (["run", "--root", str(toy), "toy/euler"], ["check-ledger", "--root", str(toy)]):
        assert main(command) == 2
        assert "page toy/euler: expected Matplotlib's own settings, found" in capsys.readouterr().err
    assert not list((toy / "results").rglob("*.ipynb"))
