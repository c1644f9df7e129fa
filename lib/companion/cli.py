"""The command line: ``companion run | vary | carry | settle | verify | judge | status | scorecard | export |
stale | check-ledger``.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from companion.errors import CompanionError, DocumentError
from companion.root import CARRY, PROFILES, find_root, is_root

if TYPE_CHECKING:
    from companion.pages import Page

__all__ = ["main"]

EPILOG = (
    "Exit status: 0 all is well, 1 a run failed or something was found, 2 wrong usage or a broken ledger."
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} ({self.prog} --help says more)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    except ValueError:
        pass  # not the main thread: whoever called handles signals
    try:
        if options.root and not is_root(Path(options.root)):
            raise CompanionError(f"--root: expected a folder with book/ and lib/, found {options.root}")
        root = Path(options.root).resolve() if options.root else find_root()
        return options.command(root, options)
    except DocumentError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 2
    except CompanionError as error:
        print(f"companion: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("companion: interrupted; runs stored before are unchanged", file=sys.stderr)
        return 130


def _parser() -> _Parser:
    parser = _Parser(prog="companion", description="Runs, records and verdicts of the book.", epilog=EPILOG)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, function: Any, text: str, *, chapter: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, epilog=EPILOG)
        sub.set_defaults(command=function)
        sub.add_argument("--root", help="the checkout (default: found upwards from here, or COMPANION_ROOT)")
        if chapter:
            sub.add_argument("--chapter", help="one chapter only, by the name of its folder below book/")
        return sub

    run = command("run", _run, "Run pages at a profile and store the executed notebooks and their records.")
    pages = "chapter/page (default: all pages of the book or chapter)"
    run.add_argument("pages", nargs="*", metavar="PAGE", help=pages)
    run.add_argument("--profile", choices=PROFILES, default="book", help="default: book")
    run.add_argument(
        "--jobs",
        type=_positive,
        default=1,
        metavar="N",
        help="pages at a time; the processors are shared among them (default: 1)",
    )
    run.add_argument(
        "--resume", action="store_true", help="leave out pages whose stored run is fresh or carried"
    )
    run.add_argument(
        "-p",
        dest="parameters",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another value for a parameter, as a Python literal; needs --out; may be repeated",
    )
    run.add_argument("--out", metavar="FOLDER", help="store below this folder instead of results/")
    vary = command(
        "vary", _vary, "Run the variations of book/variations.yml again and store their runs.", chapter=False
    )
    vary.add_argument("ids", nargs="*", metavar="ID", help="a variation (default: those whose run is stale)")
    carry = command(
        "carry",
        _carry,
        "Carry the stale runs of pages to today's library, after an edit that changes no numbers: run each page "
        "at smoke with the code of its run and with today's, and write a sidecar beside the record if everything "
        "is equal to the bit and every changed line was executed.",
        chapter=False,
    )
    carry.add_argument("pages", nargs="+", metavar="PAGE", help="chapter/page")
    verify = command(
        "verify",
        _verify,
        "Run pages afresh into a temporary folder and compare every verdict with the one "
        "accepted in the ledger and the one stored, and at smoke what every cell prints and shows.",
    )
    verify.add_argument("pages", nargs="*", metavar="PAGE", help=pages)
    verify.add_argument("--profile", choices=PROFILES, default="smoke", help="default: smoke")
    verify.add_argument("--jobs", type=_positive, default=1, metavar="N", help="pages at a time (default: 1)")
    verify.add_argument(
        "--verdicts-only",
        action="store_true",
        help="leave out the outputs: with other versions of the libraries last digits may differ",
    )
    command(
        "judge",
        _judge,
        "Judge every stored number again by the ledgers as they are now, without running anything; list the "
        "verdicts that are not the accepted ones.",
    )
    status = command(
        "status", _status, "Show every claim: verdict by profile, value, age, and why its run is stale."
    )
    status.add_argument("--json", action="store_true", help="as JSON instead of a table")
    text = "Print how many claims have which verdict, by chapter."
    scorecard = command("scorecard", _scorecard, text, chapter=False)
    scorecard.add_argument(
        "--write", metavar="FILE", help="put it between the scorecard marks of a Markdown file instead"
    )
    text = "Write all claims as open data: claims.json, claims.csv and the schema that describes both."
    export = command("export", _export, text, chapter=False)
    export.add_argument("--out", metavar="FOLDER", required=True, help="where to write the three files")
    stale = command(
        "stale",
        _stale,
        "List stored runs that are missing or stale, with the reason; exit 1 if there are any.",
    )
    stale.add_argument(
        "--profile", choices=PROFILES, action="append", help="only this profile; may be repeated"
    )
    command(
        "settle",
        _settle,
        "Write into every stored record of a run with local changes the first commit that holds the code it ran.",
        chapter=False,
    )
    command("check-ledger", _check_ledger, "Check claims.yml and runs.yml of every chapter.")
    return parser


def _positive(text: str) -> int:
    number = int(text) if text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1, found {text!r}")
    return number


def _run(root: Path, options: argparse.Namespace) -> int:
    from companion.evidence import differences
    from companion.ledger import load_ledger
    from companion.parameters import parse_value
    from companion.progress import Progress
    from companion.runner import plan, run

    overrides = {}
    for item in options.parameters:
        name, sign, text = item.partition("=")
        if not sign or not name:
            raise CompanionError(f"-p: expected NAME=VALUE, found {item!r}")
        if name == "profile":
            raise CompanionError(
                f"-p profile: expected another parameter, since --profile sets this one, found {text!r}"
            )
        overrides[name] = parse_value(text)
    progress = Progress()
    jobs = plan(
        _pages(root, options),
        options.profile,
        overrides=overrides,
        out=Path(options.out) if options.out else None,
        resume=options.resume,
        named=bool(options.pages),
        progress=progress,
    )
    outcomes = run(jobs, options.jobs, progress)
    for outcome in outcomes:
        if outcome.record is not None and not outcome.job.overrides:
            for line in differences(load_ledger(root, outcome.record.chapter), outcome.record):
                print(f"verdict differs: {line}")
    return _failures(outcomes)


def _failures(outcomes: Sequence[Any]) -> int:
    """Print what went wrong in runs, and return the exit status."""
    from companion.tidy import plain_text

    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    for error in failed:
        print(f"\n{error if sys.stderr.isatty() else plain_text(error)}", file=sys.stderr)
    if failed:
        print(
            f"\ncompanion: {len(failed)} of {len(outcomes)} runs failed; what was stored for them before is "
            "unchanged",
            file=sys.stderr,
        )
    return 1 if failed else 0


def _vary(root: Path, options: argparse.Namespace) -> int:
    from companion.errors import nearest
    from companion.runner import plan, run
    from companion.variations import load_variations, results_of

    known = load_variations(root)
    for id in options.ids:
        if id not in known:
            raise CompanionError(
                f"vary: expected one of {', '.join(known) or 'none'}, found {id!r}{nearest(id, known)}"
            )
    chosen = [known[id] for id in options.ids] or [v for v in known.values() if v.reasons()]
    jobs = [
        job
        for v in chosen
        for job in plan([v.page], v.profile, overrides=v.parameters, out=results_of(v), named=True)
    ]
    return _failures(run(jobs))


def _carry(root: Path, options: argparse.Namespace) -> int:
    from companion.freshness.carry import carry
    from companion.pages import find_page
    from companion.progress import Progress
    from companion.tidy import plain_text

    progress, refused = Progress(), 0
    for page in [find_page(root, id) for id in options.pages]:
        report = carry(page, progress=progress)
        for line in report.carried:
            print(f"carried  {line}", flush=True)
        for sentence in report.refused:
            refused += 1
            print(f"not carried: {sentence if sys.stdout.isatty() else plain_text(sentence)}", flush=True)
    return 1 if refused else 0


def _verify(root: Path, options: argparse.Namespace) -> int:
    from companion.progress import Progress
    from companion.tidy import plain_text
    from companion.verify import verify

    outputs = not options.verdicts_only
    report = verify(_pages(root, options), options.profile, options.jobs, Progress(), outputs=outputs)
    for line in report.findings:
        print(line if sys.stdout.isatty() else plain_text(line))
    print(report.summary)
    return 1 if report.findings else 0


def _judge(root: Path, options: argparse.Namespace) -> int:
    from companion.judgement import judge_records

    found = judge_records(root, _chapter(root, options))
    print(*found.differing, *found.problems, found.summary, sep="\n")
    return 1 if found.differing or found.problems else 0


def _status(root: Path, options: argparse.Namespace) -> int:
    from companion.scorecard import claim_rows
    from companion.status import as_json, write_table

    rows = claim_rows(root, _chapter(root, options))
    print(as_json(rows)) if options.json else write_table(rows)
    return 0


def _scorecard(root: Path, options: argparse.Namespace) -> int:
    from companion.scorecard import summary, write_markdown

    if options.write:
        changed = write_markdown(root, Path(options.write))
        print(f"{options.write}: {'rewritten' if changed else 'already up to date'}")
    else:
        print(summary(root))
    return 0


def _export(root: Path, options: argparse.Namespace) -> int:
    from companion.export import export

    for path in export(root, Path(options.out)):
        print(path)
    return 0


def _stale(root: Path, options: argparse.Namespace) -> int:
    from companion.staleness import findings

    found = findings(root, _chapter(root, options), tuple(options.profile) if options.profile else None)
    for finding in found:
        print(finding)
    print(
        f"{len(found)} findings: companion run --resume runs what is missing or stale"
        if found
        else f"every stored run is fresh{' or carried' if any((root / 'results').rglob(f'*{CARRY}')) else ''}"
    )
    return 1 if found else 0


def _settle(root: Path, options: argparse.Namespace) -> int:
    from companion.freshness.settle import settle

    outcomes = []
    for outcome in settle(root):
        outcomes.append(outcome)
        found = f"settled at {outcome.commit[:12]} of {outcome.date}" if outcome.commit else (
            "no commit holds the code it ran: commit that code, or run the page again from a clean commit"
        )
        print(f"{outcome.path.relative_to(root).as_posix()}: {found}")
    failed = sum(outcome.commit is None for outcome in outcomes)
    print(
        f"{len(outcomes) - failed} of {len(outcomes)} records settled"
        if outcomes
        else "every stored record is of a commit or settled"
    )
    return 1 if failed else 0


def _check_ledger(root: Path, options: argparse.Namespace) -> int:
    from companion.evidence import semicolons
    from companion.fingerprint import fingerprint
    from companion.ledger import load_ledger, load_ledgers
    from companion.pages import load_pages

    chapter = _chapter(root, options)
    pages, problems, ledgers = [], [], []
    for load in (
        lambda: pages.extend(load_pages(root, chapter)),
        lambda: ledgers.extend([load_ledger(root, chapter)] if chapter else load_ledgers(root)),
    ):
        try:
            load()
        except DocumentError as error:
            problems += error.problems
    if not problems:
        for page in pages:  # cells and parameters too, so that nothing is left for a kernel to find
            try:
                sources = [cell.source for cell in page.cells()]
                problems += [f"page {page.id}: {said}" for said in semicolons(sources)]
                for profile in page.settings:
                    fingerprint(page, profile)
            except CompanionError as error:
                problems += getattr(error, "problems", [str(error)])
    if problems:
        raise DocumentError(list(dict.fromkeys(problems)))
    claims = sum(len(ledger.claims) for ledger in ledgers)
    counted = ((len(ledgers), "ledger"), (claims, "claim"), (len(pages), "page"))
    words = [f"{number} {word}{'' if number == 1 else 's'}" for number, word in counted]
    print(f"{', '.join(words)}: no problems")
    return 0


def _pages(root: Path, options: argparse.Namespace) -> list[Page]:
    """Return the pages named, else all of the chapter or the book."""
    from companion.pages import find_page, load_pages

    for id in options.pages:
        chapter = id.partition("/")[0]
        if options.chapter not in (None, chapter):
            raise CompanionError(
                f"page {id}: expected a page of chapter {options.chapter}, found one of {chapter}"
            )
    return [find_page(root, id) for id in options.pages] or load_pages(root, options.chapter)


def _chapter(root: Path, options: argparse.Namespace) -> str | None:
    """Return the chapter asked for, known to exist."""
    from companion.pages import load_pages

    if options.chapter:
        load_pages(root, options.chapter)
    return options.chapter


if __name__ == "__main__":
    sys.exit(main())
