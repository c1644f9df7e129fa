"""``begin``, ``check`` and ``note`` as pages use them, outside a kernel and inside."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from toy_book import edit

from companion import begin, check, note
from companion.errors import CheckError, CompanionError, DocumentError, PageError
from companion.evidence.record import extract
from companion.run import session


@pytest.fixture
def run(toy, monkeypatch):
    monkeypatch.setattr(session, "_run", None)
    folder = toy / "results" / "book" / "toy"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)  # where nbval runs stored notebooks
    return begin("toy/euler", profile="book")


def test_outside_ipython_the_line_is_printed(run, capsys):
    checked = check("toy.euler.order", 1.0)
    note("finest", 80)
    assert capsys.readouterr().out == "toy.euler.order: reproduced (book)\nfinest = 80\n"
    assert (checked.verdict, checked.value, checked.interval, checked.expected) == (
        "reproduced",
        1.0,
        None,
        "1 ± 0.01",
    )
    assert (run.chapter, run.page, run.device) == ("toy", "euler", "cpu") and run.threads >= 1


@pytest.fixture
def shown(monkeypatch):
    """Pretend to be in a kernel; return what is displayed there."""
    outputs = []
    shell = SimpleNamespace(kernel=object(), execution_count=1)
    monkeypatch.setattr(session, "_shell", lambda: shell)
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: outputs.append((data, metadata)))
    return SimpleNamespace(outputs=outputs, shell=shell)


def test_a_person_sees_the_verdict_at_once(run, shown):
    check("toy.euler.loss", [3.0, 1.0, 2.0], seeds=[0, 1, 2])
    ((data, metadata),) = shown.outputs
    assert data == {
        "text/plain": "toy.euler.loss: undecided (book)",
        "text/html": '<p class="companion-verdict undecided"><span aria-hidden="true">?</span> '
        '<a href="claims.html#claim-toy-euler-loss">toy.euler.loss</a>: undecided (book)</p>',
    }
    assert set(metadata["companion"]["check"]) == {"claim", "profile", "values", "seeds"}


def test_the_runner_stores_one_stable_line_and_numbers_without_a_verdict(run, shown, monkeypatch):
    monkeypatch.setenv("COMPANION_RUN", "1")
    checked = check("toy.euler.loss", [3.0, 1.0, 2.0], seeds=[0, 1, 2])
    note("finest", 80)
    (data, metadata), (empty, noted) = shown.outputs
    assert data == {"text/plain": "toy.euler.loss: measured (book)"}
    payload = metadata["companion"]["check"]
    assert (
        payload
        == json.loads(json.dumps(payload))
        == {"claim": "toy.euler.loss", "profile": "book", "values": [3.0, 1.0, 2.0], "seeds": [0, 1, 2]}
    )
    assert checked.verdict == "undecided" and checked.interval[0] < 0 < checked.interval[1]
    assert (empty, noted) == ({"text/plain": ""}, {"companion": {"note": {"name": "finest", "value": 80}}})
    notebook = {"cells": [{"outputs": [{"metadata": m} for _, m in shown.outputs]}, {}]}
    checks, values = extract(notebook)
    assert checks == {"toy.euler.loss": {"values": [3.0, 1.0, 2.0], "seeds": [0, 1, 2]}}
    assert values == {"finest": 80}
    with pytest.raises(CompanionError, match="check toy.euler.loss: expected once in a notebook, found twice"):
        extract({"cells": notebook["cells"] * 2})


def test_only_what_was_given_is_stored(run, shown, monkeypatch):
    monkeypatch.setenv("COMPANION_RUN", "1")
    check("toy.euler.order", 1)
    check("toy.euler.loss", [3.0, 1.0, 2.0], baseline=(4, 4, 4), seeds=range(3))
    single, paired = (metadata["companion"]["check"] for _, metadata in shown.outputs)
    assert single == {"claim": "toy.euler.order", "profile": "book", "value": 1}
    assert paired["baseline"] == [4, 4, 4] and "value" not in paired
    monkeypatch.setattr(session, "_run", None)
    begin("toy/euler", profile="book")
    check("toy.euler.order", values=[1.0, 1.2])
    assert shown.outputs[-1][1]["companion"]["check"]["values"] == [1.0, 1.2]


def test_a_reader_may_run_a_cell_again_but_a_run_may_not(run, shown, monkeypatch):
    check("toy.euler.order", 1.0)
    with pytest.raises(CheckError, match="claim toy.euler.order: expected once in a run, found twice"):
        check("toy.euler.order", 1.0)
    shown.shell.execution_count = 2
    assert check("toy.euler.order", 2.0).verdict == "not reproduced"
    monkeypatch.setenv("COMPANION_RUN", "1")
    shown.shell.execution_count = 3
    with pytest.raises(CheckError, match="found twice"):
        check("toy.euler.order", 1.0)


def test_errors_are_one_sentence(run, monkeypatch):
    for call, sentence in (
        (
            lambda: check("toy.euler.ordr", 1),
            "claim toy.euler.ordr: expected a claim of book/toy/claims.yml, found none; "
            "did you mean 'toy.euler.order'?",
        ),
        (
            lambda: check("toy.heun.order", 2),
            "claim toy.heun.order: expected a claim of page euler, found one of page heun",
        ),
        (lambda: note("my name", 1), "note: expected a name like digits_accuracy, found 'my name'"),
        (lambda: note("loss", float("nan")), "note loss: expected a finite number, found nan"),
        (
            lambda: begin("toy/euler", profile="bok"),
            "profile: expected one of smoke, book, paper, found 'bok'; did you mean 'book'?",
        ),
    ):
        with pytest.raises(CheckError) as error:
            call()
        assert str(error.value) == sentence
    with pytest.raises(
        PageError, match="expected one of toy/euler, toy/heun, found 'toy/eulr'; did you mean 'toy/euler'"
    ):
        begin("toy/eulr", profile="book")
    with pytest.raises(PageError, match="page toy/heun: expected one of its profiles smoke, book, found 'paper'"):
        begin("toy/heun", profile="paper")
    monkeypatch.setattr(session, "_run", None)
    with pytest.raises(CheckError, match=r'check: expected begin\("chapter/page", profile=profile\) before it'):
        check("toy.euler.order", 1.0)


def test_begin_validates_the_ledger(toy, monkeypatch):
    monkeypatch.setenv("COMPANION_ROOT", str(toy))
    edit(toy, "book/toy/claims.yml", "year: 2020", "year: x")
    with pytest.raises(DocumentError, match="key paper.year"):
        begin("toy/euler", profile="book")
    monkeypatch.setenv("COMPANION_ROOT", str(toy / "book"))
    with pytest.raises(CompanionError, match="COMPANION_ROOT: expected a folder with book/ and lib/"):
        begin("toy/euler", profile="book")


def test_checkpoints_are_the_runners_folder_or_a_private_one(run, tmp_path, monkeypatch):
    private = run.checkpoints
    assert (
        private.is_dir()
        and private == run.checkpoints
        and private != begin("toy/euler", profile="book").checkpoints
    )
    monkeypatch.setenv("COMPANION_CHECKPOINTS", str(tmp_path / "kept"))
    assert run.checkpoints == tmp_path / "kept" and run.checkpoints.is_dir()


def test_import_is_light():
    code = (
        "import sys, companion; heavy = ('torch', 'contdepth', 'numpy', 'scipy', 'papermill'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    )


def test_nothing_of_companion_imports_torch(toy):
    code = (
        "import sys, companion.cli as c, companion.run.worker, companion.run.runner, "
        "companion.rerun.verify, companion.report.status\n"
        f"c.main(['check-ledger', '--root', {str(toy)!r}]); c.main(['scorecard', '--root', {str(toy)!r}])\n"
        "print([m for m in ('torch', 'contdepth') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
