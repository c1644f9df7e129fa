"""Runs: what is refused before a kernel starts, what a failure leaves behind, what a success stores."""

import base64
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import toy_book
from toy_book import edit

from companion.book.ledger import load_ledger
from companion.book.pages import find_page
from companion.book.parameters import merge, parse_value, read_defaults
from companion.cli import main
from companion.errors import PageError
from companion.evidence.record import load_record, sha256
from companion.evidence.rejudging import judged
from companion.evidence.soundness import problems
from companion.root import find_root
from companion.run.progress import Progress
from companion.run.runner import plan

PAGE = "book/toy/euler.md"


def stored(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted((root / "results").rglob("*")) if p.is_file()}


def run(root: Path, *arguments: str) -> int:
    return main(["run", "--root", str(root), *arguments])


@pytest.mark.skipif(sys.platform != "linux", reason="kernels listen on files on Linux only")
def test_a_kernel_takes_no_port(tmp_path):
    root = toy_book.build(tmp_path / "repository")
    told = "\n".join(
        ["", "```{code-cell} python", "import json", "from ipykernel import get_connection_info"]
        + ['print("transport", json.loads(get_connection_info())["transport"])', "```", ""]
    )
    with (root / PAGE).open("a", encoding="utf-8") as page:
        page.write(told)
    assert run(root, "toy/euler", "--profile", "smoke") == 0
    assert "transport ipc" in (root / "results/smoke/toy/euler.ipynb").read_text()


def test_record_and_notebook_are_evidence(executed):
    record = load_record(executed, "smoke", "toy", "euler")
    notebook = executed / "results/smoke/toy/euler.ipynb"
    assert problems(notebook, record, load_ledger(executed, "toy")) == []
    assert record.parameters == {"profile": "smoke", "steps": [4, 8], "width": 0.5}
    assert record.seeds == [0, 1, 2] and record.values == {"finest": 8}
    assert record.checks == {
        "toy.euler.order": {"value": 1.0},
        "toy.euler.loss": {"values": [1.0, 1.1, 1.2], "baseline": [2.0, 2.1, 2.3], "seeds": [0, 1, 2]},
    }
    verdicts = judged(load_ledger(executed, "toy"), record)
    assert verdicts["toy.euler.order"].verdict == verdicts["toy.euler.loss"].verdict == "reproduced"
    assert verdicts["toy.euler.loss"].interval == pytest.approx([-1.176755, -0.889912], abs=1e-5)
    assert record.notebook_sha256 == sha256(notebook) and record.commit == "unknown"
    assert re.fullmatch(r"cpu, \d+ threads?, .+", record.device) and record.peak_memory_mb > 10
    assert record.versions["python"] == sys.version.split()[0] and record.started.endswith("+00:00")
    data = json.loads((notebook.with_suffix(".json")).read_text())
    assert data["schema"] == 2 and data["settled"] is None


def test_stored_notebooks_are_tidy(executed):
    notebook = json.loads((executed / "results/smoke/toy/euler.ipynb").read_text())
    assert [c["id"] for c in notebook["cells"]] == [
        "euler-00",
        "euler-01",
        "injected",
        "euler-02",
        "euler-03",
        "euler-04",
    ]
    assert set(notebook["metadata"]) == {"companion", "kernelspec"}
    assert notebook["metadata"]["companion"] == {"source": PAGE, "profile": "smoke"}
    assert all(set(cell["metadata"]) <= {"tags"} for cell in notebook["cells"])
    last = json.loads((executed / "results/smoke/toy/heun.ipynb").read_text())["cells"][-1]
    assert [o["output_type"] for o in last["outputs"]] == ["display_data"], (
        "check() at a cell's end shows one line"
    )
    assert str(executed) not in json.dumps(notebook)
    assert not (executed / ".companion/checkpoints/smoke/toy/euler").exists() or not any(
        (executed / ".companion/checkpoints/smoke/toy/euler").iterdir()
    )


def test_stored_runs_carry_no_verdict(executed):
    for path in sorted((executed / "results").rglob("*.*")):
        text = path.read_text(encoding="utf-8")
        words = ("reproduced", "undecided", "verdict", "companion-", "text/html")
        assert not [word for word in words if word in text]
    assert "toy.heun.order: measured (smoke)" in (executed / "results/smoke/toy/heun.ipynb").read_text()


DRAWING = """from IPython.display import display
display({"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}, {"image/png": "aaaa"}, raw=True)"""


def test_smoke_runs_keep_only_the_hashes_of_pictures(ran, capsys):
    edit(ran, PAGE, 'print("width", width)', DRAWING)
    assert run(ran, "toy/euler", "--profile", "smoke") == run(ran, "toy/euler") == 0
    mine = ran / "mine"
    assert run(ran, "toy/euler", "--profile", "smoke", "-p", "width=2", "--out", str(mine)) == 0
    shown = {
        path: json.loads((path / "toy/euler.ipynb").read_text())["cells"][-1]["outputs"][-2:]
        for path in (ran / "results/smoke", ran / "results/book", mine / "smoke")
    }
    first, only = shown[ran / "results/smoke"]
    digest = hashlib.sha256(base64.b64decode("iVBORw0KGgo=")).hexdigest()
    assert first["data"] == {"text/plain": ["<Figure>"]} and only["data"] == {}
    assert first["metadata"] == {"companion": {"pictures": {"image/png": digest}}}
    assert shown[ran / "results/book"] == shown[mine / "smoke"]
    assert shown[ran / "results/book"][0]["data"]["image/png"] == "iVBORw0KGgo="
    assert main(["verify", "--root", str(ran), "toy/euler"]) == 0
    edit(ran, PAGE, 'display({"image/png": "iVBORw0KGgo=", "text/plain"', 'display({"text/plain"')
    edit(ran, PAGE, "<Figure>", "<Plot>")
    capsys.readouterr()
    assert main(["verify", "--root", str(ran), "toy/euler"]) == 1


def test_book_profile_injects_nothing_and_resume_skips_what_is_fresh(ran, capsys):
    assert run(ran, "toy/heun") == 0
    notebook = json.loads((ran / "results/book/toy/heun.ipynb").read_text())
    assert [c["id"] for c in notebook["cells"]] == ["heun-00", "heun-01", "heun-02"]
    before = stored(ran)
    capsys.readouterr()
    assert run(ran, "--resume", "--profile", "smoke") == 0
    assert capsys.readouterr().out.splitlines() == ["fresh  toy/euler (smoke)", "fresh  toy/heun (smoke)"]
    assert stored(ran) == before
    edit(ran, "lib/contdepth/schemes/euler.py", "1.0", "1.01")
    jobs = plan([find_page(ran, "toy/euler"), find_page(ran, "toy/heun")], "smoke", resume=True)
    assert [job.page.name for job in jobs] == ["euler"]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("raise ValueError('too coarse')", r"toy/euler, code cell 4 of 4 failed\n\nlosses(.|\n)*too coarse"),
        ("import os; os.kill(os.getpid(), 9)", r"cell 4 of 4: expected a live kernel, found that it died"),
        (
            "import time; time.sleep(60)",
            r"cell 4 of 4: expected the page to end within 9 s, found it still running",
        ),
        (
            "import sys; print('careful', file=sys.stderr)",
            r"expected evidence, found that code cell 4 wrote to stderr",
        ),
        ("check('toy.euler.lost', 1)", r"CheckError(.|\n)*did you mean 'toy.euler.loss'"),
        ("raise SystemExit", r"code cell 4 of 4 failed\n\nlosses(.|\n)*SystemExit"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGUSR1)",
            r"cell 4 of 4: expected a live kernel, found that it died of signal 10",
        ),
        (
            "import os; getattr(os, '_' + 'exit')(3)",
            r"cell 4 of 4: expected a live kernel, found that it ended itself with exit code 3",
        ),
    ],
    ids=["raises", "dies", "hangs", "stderr", "unknown claim", "SystemExit", "signal", "exit code"],
)
def test_a_failing_page_leaves_the_previous_run_as_it_was(ran, cell, message, capsys):
    before = stored(ran)
    edit(ran, PAGE, 'print("width", width)', cell)
    if "sleep" in cell:
        edit(ran, "book/toy/runs.yml", "timeout: 60}\n      book", "timeout: 9}\n      book")
    assert run(ran, "toy/euler", "--profile", "smoke") == 1
    told = capsys.readouterr()
    assert re.search(message, told.err) and "\x1b" not in told.err
    assert stored(ran) == before


def test_a_claim_left_unchecked_is_refused(ran, capsys):
    before = stored(ran)
    edit(ran, PAGE, 'check("toy.euler.loss", losses', "dict(a=losses")
    edit(ran, PAGE, ", baseline=[2.0, 2.1, 2.3], seeds=[0, 1, 2])", ")")
    assert run(ran, "toy/euler", "--profile", "smoke") == 1
    assert "claim toy.euler.loss is expected at smoke but not checked" in capsys.readouterr().err
    assert stored(ran) == before


def test_a_library_that_changes_under_a_run_is_refused(ran, capsys):
    before = stored(ran)
    module = ran / "lib/contdepth/schemes/euler.py"
    edit(ran, PAGE, 'print("width", width)', f"open({str(module)!r}, 'a').write('\\nslope = 1\\n')")
    assert run(ran, "toy/euler", "--profile", "smoke") == 1
    assert "expected the page and its library to stay as they were" in capsys.readouterr().err
    assert stored(ran) == before


def start_sleeping(root: Path) -> tuple[subprocess.Popen, psutil.Process]:
    """Start a run that hangs in its last cell; return the command and its worker once the cell is reached."""
    mark = root / "reached"
    edit(root, PAGE, 'print("width", width)', f"open({str(mark)!r}, 'w').close(); import time; time.sleep(120)")
    command = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "companion.cli",
            "run",
            "--root",
            str(root),
            "toy/euler",
            "--profile",
            "smoke",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background ignores it
    )
    deadline = time.monotonic() + 60
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert mark.exists()
    worker = next(p for p in psutil.Process(command.pid).children() if "companion.run.worker" in p.cmdline())
    return command, worker


@pytest.mark.parametrize("how", ["kill -9 of the worker", "ctrl-c of the command"])
def test_interruption_leaves_the_previous_run_and_no_process(ran, how):
    before = stored(ran)
    command, worker = start_sleeping(ran)
    family = [worker, *worker.children(recursive=True)]
    assert len(family) >= 2
    (worker.kill if "worker" in how else lambda: command.send_signal(signal.SIGINT))()
    _, told = command.communicate(timeout=60)
    assert command.returncode == (1 if "worker" in how else 130)
    assert ("was killed by signal 9" if "worker" in how else "interrupted") in told
    assert stored(ran) == before
    gone, alive = psutil.wait_procs(family, timeout=20)
    assert not alive


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        (
            "stepz=[1]",
            "parameter stepz: expected one of profile, steps, width, found an unknown name; did you mean 'steps'?",
        ),
        (
            "steps=3",
            "parameter steps: expected a list, each a whole number, like the default [40, 80], found 3",
        ),
        (
            "steps=[1.5]",
            "parameter steps: expected a list, each a whole number, like the default [40, 80], found [1.5]",
        ),
        ("width=wide", "parameter width: expected a number like the default 0.5, found 'wide'"),
        ("width=True", "parameter width: expected a number like the default 0.5, found True"),
        ("width", "-p: expected NAME=VALUE, found 'width'"),
        ("width=1e999", "parameter width: expected finite numbers, found inf"),
        ("width=-1e999", "parameter width: expected finite numbers, found -inf"),
        ("width=1j", "parameter width: expected a number like the default 0.5, found 1j"),
        (
            "steps={[]: 1}",
            "parameter steps: expected a list, each a whole number, like the default [40, 80], found",
        ),
        (f"width={'[' * 999}", "parameter width: expected a number like the default 0.5, found"),
        (f"width={hex(10**5000)}", "parameter width: expected a number like the default 0.5, found '0x"),
        ("width=2", "expected --out FOLDER for a run with other parameters than the profile's, found none"),
    ],
)
def test_parameters_are_refused_before_a_kernel_starts(toy, parameter, message, capsys):
    assert run(toy, "toy/euler", "--profile", "smoke", "-p", parameter) == 2
    told = capsys.readouterr()
    assert message in told.err and len(told.err.splitlines()) == 1 and told.out == ""


PLAIN = "numbers, text, None, lists and mappings"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{1: 2}", "text as the keys of a mapping, found {1: 2}"),
        ("[{'a': {None: 1}}]", "text as the keys of a mapping, found [{'a': {None: 1}}]"),
        ("{1, 2}", f"{PLAIN}, found {{1, 2}}"),
        ("b'x'", f"{PLAIN}, found b'x'"),
        ("1j", f"{PLAIN}, found 1j"),
        ("...", f"{PLAIN}, found Ellipsis"),
        ("1e999", "finite numbers, found inf"),
        ("{'a': [0.5, -1e999]}", "finite numbers, found {'a': [0.5, -inf]}"),
        ("\udcff", r"text in UTF-8, found '\udcff'"),
    ],
)
def test_what_a_record_cannot_hold_is_refused_before_a_kernel_starts(toy, text, expected, capsys):
    edit(toy, PAGE, "width = 0.5\n", "width = 0.5\nlimit = None\n")
    assert run(toy, "toy/euler", "--profile", "smoke", "-p", f"limit={text}", "--out", str(toy / "mine")) == 2
    told = capsys.readouterr()
    assert f"page toy/euler, profile smoke, parameter limit: expected {expected}" in told.err
    assert len(told.err.splitlines()) == 1 and told.out == "" and not (toy / "mine").exists()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (PAGE, "width = 0.5", "width = 1e999"),
        (PAGE, "width = 0.5", "width = {1: 2}"),
        ("book/toy/runs.yml", "steps: [4, 8]", "steps: [4, 8], width: .inf"),
    ],
)
def test_so_are_such_defaults_and_profiles(toy, name, old, new, capsys):
    edit(toy, name, old, new)
    for command in (
        ["run", "--root", str(toy), "toy/euler", "--profile", "smoke"],
        ["check-ledger", "--root", str(toy)],
    ):
        assert main(command) == 2
        assert re.search(r"width.*: expected .*, found", capsys.readouterr().err)


def test_parameters_reach_page_and_record_as_they_were_given(toy):
    """But tuples, which are lists: JSON has no others, and papermill would make text of them."""
    edit(toy, PAGE, "width = 0.5\n", "width = 0.5\nlimit = None\n")
    edit(toy, PAGE, 'print("width", width)', 'print("limit", repr(limit) == told)')
    given = {"a": [1, 2.5, None, -1e-300], "b": [True, "x, 'y' ü", {}], "": 10**30}
    edit(toy, PAGE, "losses = [", f"told = {repr(given)!r}\nlosses = [")
    text = repr(given).replace("[1, 2.5, None, -1e-300]", "(1, 2.5, None, -1e-300)")
    command = ["toy/euler", "--profile", "smoke", "-p", f"limit={text}", "--out", str(toy / "mine")]
    assert run(toy, *command) == 0
    assert "limit True" in (toy / "mine/smoke/toy/euler.ipynb").read_text()
    assert load_record(toy, "smoke", "toy", "euler", toy / "mine").parameters["limit"] == given


@pytest.mark.parametrize(
    ("made", "out"),
    [
        ("file", "file"),
        ("file", "file/below"),
        ("mine/smoke", "mine"),
        ("mine/smoke/toy/euler.json/folder", "mine"),
        ("mine/smoke/toy/euler.ipynb/folder", "mine"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_a_kernel_starts(toy, made, out, capsys):
    (toy / made).parent.mkdir(parents=True, exist_ok=True)
    (toy / made).touch()
    assert run(toy, "toy/euler", "--profile", "smoke", "--out", str(toy / out)) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"companion: page toy/euler: expected to store its run in {toy / out}/smoke/toy, ")
    assert len(told.err.splitlines()) == 1 and told.out == ""


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a folder that nobody can write in")
def test_a_folder_without_permission_is_refused_too(toy, capsys):
    assert run(toy, "toy/euler", "--out", "/proc/self/mine") == 2
    assert "expected to store its run in /proc/" in capsys.readouterr().err


def test_a_results_folder_that_cannot_be_written_is_refused(toy, capsys):
    (toy / "results").touch()
    assert run(toy) == 2
    assert "page toy/euler: expected to store its run in" in capsys.readouterr().err


@pytest.mark.parametrize("out", [None, "mine"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda notebook, record: notebook.unlink(),
        lambda notebook, record: notebook.write_text(notebook.read_text()[:300]),
        lambda notebook, record: notebook.write_text(""),
        lambda notebook, record: record.unlink(),
        lambda notebook, record: record.write_text(record.read_text()[:300]),
        lambda notebook, record: record.write_text("[]"),
    ],
    ids=["no notebook", "cut notebook", "empty notebook", "no record", "cut record", "no mapping"],
)
def test_resume_runs_again_what_was_damaged(ran, out, damage, capsys):
    place = ran / (out or "results")
    if out:
        (ran / "results").rename(place)
    arguments = {"out": place if out else None, "resume": True}
    pages = [find_page(ran, "toy/euler"), find_page(ran, "toy/heun")]
    assert plan(pages, "smoke", **arguments) == []
    damage(place / "smoke/toy/euler.ipynb", place / "smoke/toy/euler.json")
    assert [job.page.name for job in plan(pages, "smoke", **arguments)] == ["euler"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "```{code-cell} python\nlosses",
            "```{code-cell} python\n:tags: [raises-exception]\nlosses",
            "the tag raises-exception",
        ),
        (
            "```{code-cell} python\nlosses",
            "```{code-cell} python\n:tags: [skip-execution]\nlosses",
            "the tag skip-execution",
        ),
        (
            "```{code-cell} python\nlosses",
            "```{code-cell} python\n:load: losses.py\n\nlosses",
            "found :load: losses.py",
        ),
        ('print("width", width)', "exit()", "found exit, which ends the kernel"),
        ('print("width", width)', "quit", "found quit, which ends the kernel"),
        ('print("width", width)', "import os; os._exit(0)", "found _exit, which ends the kernel"),
        ('print("width", width)', "get_ipython().ask_exit()", "found ask_exit, which ends the kernel"),
    ],
)
def test_what_would_not_be_run_or_end_the_run_is_refused_by_name(toy, old, new, said, capsys):
    edit(toy, PAGE, old, new)
    for command in (["run", "--root", str(toy), "toy/euler"], ["check-ledger", "--root", str(toy)]):
        assert main(command) == 2
        told = capsys.readouterr().err.splitlines()
        assert [line for line in told if "page toy/euler, code cell 3: expected " in line and said in line]
    assert not list((toy / "results").rglob("*.ipynb"))


def test_the_first_cell_that_shows_an_error_is_named(toy, capsys):
    """Though all cells were run, and a later one shows an error too."""
    shows = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    get_ipython().showtraceback()\n"
    edit(toy, PAGE, 'run = begin("toy/euler"', f'{shows}run = begin("toy/euler"')
    edit(toy, PAGE, 'print("width", width)', shows.replace("1 / 0", "2 / 0"))
    assert run(toy, "toy/euler", "--profile", "smoke") == 1
    told = capsys.readouterr().err
    assert "page toy/euler, code cell 3 of 4 failed" in told and "1 / 0" in told and "2 / 0" not in told


def test_system_exit_is_no_success_of_a_run_elsewhere(toy, capsys):
    """Which is not strict: only the failure of a cell keeps it from being stored."""
    edit(toy, PAGE, 'run = begin("toy/euler"', 'raise SystemExit(0)\nrun = begin("toy/euler"')
    assert run(toy, "toy/euler", "--profile", "smoke", "-p", "width=2", "--out", str(toy / "mine")) == 1
    assert "page toy/euler, code cell 3 of 4 failed" in capsys.readouterr().err
    assert not list((toy / "mine").rglob("*.ipynb"))


def test_a_tilde_is_the_home_in_places(toy, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("COMPANION_ROOT", f"~/{toy.name}")
    assert find_root() == toy
    assert main(["export", f"--root=~/{toy.name}", "--out=~/open"]) == 0
    assert (tmp_path / "open/claims.json").is_file()


def test_other_parameters_go_elsewhere(ran, tmp_path):
    before = stored(ran)
    assert run(ran, "toy/euler", "--profile", "smoke", "-p", "width=2", "--out", str(tmp_path / "mine")) == 0
    record = load_record(ran, "smoke", "toy", "euler", tmp_path / "mine")
    assert record.parameters["width"] == 2 and record.parameters["steps"] == [4, 8]
    assert stored(ran) == before


def test_variations_are_run_into_their_own_folder(ran, capsys):
    (ran / "book/variations.yml").write_text(
        "variations:\n"
        "  - {id: wide, page: toy/euler, profile: smoke, parameters: {width: 0.75}, watch: [toy.euler.order]}\n",
        encoding="utf-8",
    )
    stored = ran / "results/variations/wide/smoke/toy/euler.json"
    assert main(["vary", "--root", str(ran), "wide"]) == 0
    record = json.loads(stored.read_text(encoding="utf-8"))
    assert record["parameters"]["width"] == 0.75 and "toy.euler.order" in record["checks"]
    written = stored.stat().st_mtime_ns
    assert main(["vary", "--root", str(ran)]) == 0 and stored.stat().st_mtime_ns == written  # fresh: left alone
    assert main(["stale", "--root", str(ran), "--profile", "smoke"]) == 0
    stored.parents[2].rename(ran / "results/variations/narrow")
    capsys.readouterr()
    assert main(["stale", "--root", str(ran)]) == 1
    said = capsys.readouterr().out
    assert "variation wide" in said and "no run of it is stored" in said and "no such variation" in said
    assert main(["vary", "--root", str(ran), "wid"]) == 2
    assert "did you mean 'wide'" in capsys.readouterr().err


def test_defaults_are_read_without_running():
    source = '"doc"\na = 1\nb: float = -2.5e-3  # note\nc = ["x", None]\nd = (1, 2)\n'
    assert read_defaults(source, "p.md") == {"a": 1, "b": -0.0025, "c": ["x", None], "d": (1, 2)}
    for bad in ("a = f()", "a = b = 1", "import os", "a[0] = 1", "x: int", "%matplotlib inline", "a = !ls", "a?"):
        with pytest.raises(PageError, match="parameters cell line 1: expected name = literal"):
            read_defaults(bad, "p.md")
    with pytest.raises(PageError, match="parameters cell line 2: expected Python"):
        read_defaults("a = 1\nb = = 2", "p.md")


@pytest.mark.parametrize(
    ("default", "good", "bad"),
    [
        (1, [2], [2.0, True, "2", None]),
        (1.0, [2, 2.5], [True, "2"]),
        ("a", ["b"], [1, None]),
        (True, [False], [1]),
        (None, [1, "x", None, [1]], []),
        ([1, 2], [[3], [], (4,)], [[1.5], ["a"], 3]),
        ([[1, 2]], [[[3]]], [[3]]),
        ([1, "a"], [[2], ["b", 3], []], ["a", [None], [1.5]]),
        ([], [[1, "a"]], [1]),
        ([0.5, 1], [[1, 2.5]], [["a"], [True]]),
        ({}, [{"a": 1}], [[]]),
    ],
)
def test_types_follow_the_defaults(default, good, bad):
    for value in good:
        assert merge({"x": default}, {"x": value}, "here") == {"x": value}
    for value in bad:
        with pytest.raises(PageError):
            merge({"x": default}, {"x": value}, "here")
    assert [parse_value(t) for t in ("1", "[1, 2]", "None", "cuda:0")] == [1, [1, 2], None, "cuda:0"]


def test_not_attempted_pages_are_left_out_unless_named(toy, capsys):
    pages = [find_page(toy, "toy/euler"), find_page(toy, "toy/heun")]
    assert plan(pages, "paper", progress=Progress()) == []
    assert "skip   toy/euler (paper)  not attempted: no GPU" in capsys.readouterr().out
    assert [job.label for job in plan(pages[:1], "paper", named=True)] == ["toy/euler (paper)"]
    with pytest.raises(PageError, match="page toy/heun: expected one of its profiles smoke, book, found 'paper'"):
        plan(pages[1:], "paper", named=True)


def test_processors_are_shared(toy, monkeypatch):
    from companion.run import runner

    seen = []
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(runner, "cores", lambda: 8)

    class Stop(Exception):
        pass

    def popen(*_, env, **__):
        seen.append((env["OMP_NUM_THREADS"], env["MKL_NUM_THREADS"], env["PYTHONPATH"].split(os.pathsep)[0]))
        raise Stop

    monkeypatch.setattr(runner.subprocess, "Popen", popen)
    monkeypatch.setattr(runner.tempfile, "TemporaryFile", lambda **_: io.StringIO())
    for workers in (1, 3, 20):
        with pytest.raises(Stop):
            runner.run(plan([find_page(toy, "toy/heun")], "smoke"), workers, Progress(io.StringIO()))
    assert seen == [(n, n, str(toy / "lib")) for n in ("8", "2", "1")]


def test_bad_usage_is_one_sentence(capsys):
    for arguments in (["run", "--profile", "bok"], ["run", "--jobs", "0"], ["fly"], []):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_checkpoints_outlive_a_failure_and_go_with_success(toy):
    """A broken run finds its checkpoints again as long as nothing that matters has changed."""
    cell = '(run.checkpoints / "step").write_text("1"); raise SystemExit(1)'
    edit(
        toy,
        "book/toy/heun.md",
        'check("toy.heun.order", slope(3))',
        f'check("toy.heun.order", slope(3))\nif not list(run.checkpoints.iterdir()):\n    {cell}',
    )
    assert run(toy, "toy/heun") == 1
    (kept,) = (toy / ".companion/checkpoints/book/toy/heun").iterdir()
    assert (kept / "step").read_text() == "1"
    assert run(toy, "toy/heun") == 0
    assert not kept.exists()
    assert load_record(toy, "book", "toy", "heun").fingerprint["digest"].startswith(kept.name)


def test_a_run_elsewhere_keeps_its_checkpoints_there(toy, tmp_path):
    edit(
        toy,
        "book/toy/heun.md",
        'check("toy.heun.order", slope(3))',
        'check("toy.heun.order", slope(3))\n(run.checkpoints / "step").write_text("1")\n1 / 0',
    )
    assert run(toy, "toy/heun", "--out", str(tmp_path / "mine")) == 1
    assert not (toy / ".companion").exists() and len(list((tmp_path / "mine").rglob("step"))) == 1
    assert main(["verify", "--root", str(toy), "toy/heun"]) == 1
    assert not (toy / ".companion").exists()
