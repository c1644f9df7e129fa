"""The command line: ``companion run | pieces | bundle | collect | vary | carry | settle | verify | judge |
status | scorecard | export | stale | register | check-ledger``.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from companion import commands
from companion.errors import CompanionError, DocumentError
from companion.pieces import cli as pieces_cli
from companion.root import PROFILES, find_root, is_root

__all__ = ["main"]

EPILOG = "Exit status: 0 all is well, 1 a run failed or something was found, 2 wrong usage or a broken ledger."


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
        status = options.command(root, options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        if not _reader_has_gone():
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to fail at the exit
        return 141
    except DocumentError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 2
    except CompanionError as error:
        print(f"companion: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("companion: interrupted; runs stored before are unchanged", file=sys.stderr)
        return 130


def _reader_has_gone() -> bool:
    """Return whether nobody reads the output any more, as ``head`` after its ten lines."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _parser() -> _Parser:
    parser = _Parser(prog="companion", description="Runs, records and verdicts of the book.", epilog=EPILOG)
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, function: Any, text: str, *, chapter: bool = True) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(name, help=text, description=text, epilog=EPILOG)
        sub.set_defaults(command=function)
        sub.add_argument(
            "--root",
            type=os.path.expanduser,
            help="the checkout (default: found upwards from here, or COMPANION_ROOT)",
        )
        if chapter:
            sub.add_argument("--chapter", help="one chapter only, by the name of its folder below book/")
        return sub

    run = command(
        "run", commands.run_command, "Run pages at a profile and store the executed notebooks and their records."
    )
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
    run.add_argument("--resume", action="store_true", help="leave out pages whose stored run is fresh or carried")
    run.add_argument(
        "-p",
        dest="parameters",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another value for a parameter, as a Python literal; needs --out; may be repeated",
    )
    run.add_argument(
        "--out", type=os.path.expanduser, metavar="FOLDER", help="store below this folder instead of results/"
    )
    run.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="GROUP",
        help="with --profile paper: the pieces of this group of pieces.yml alone, and no page; may be repeated",
    )
    run.add_argument(
        "--minutes",
        type=_minutes,
        metavar="M",
        help="with --profile paper: begin no piece that would not fit, stop what runs before that time is over",
    )
    run.add_argument(
        "--on",
        type=os.path.expanduser,
        metavar="FILE.py",
        help="with --profile paper: compute pieces where the Parsl configuration `config` of this file says",
    )
    pieces_cli.add_commands(command)
    vary = command(
        "vary",
        commands.vary_command,
        "Run the variations of book/variations.yml again and store their runs.",
        chapter=False,
    )
    vary.add_argument("ids", nargs="*", metavar="ID", help="a variation (default: those whose run is stale)")
    carry = command(
        "carry",
        commands.carry_command,
        "Carry the stale runs of pages to today's library, after an edit that changes no numbers: run each page "
        "at smoke with the code of its run and with today's, and write a sidecar beside the record if everything "
        "is equal to the bit and every changed line was executed.",
        chapter=False,
    )
    carry.add_argument("pages", nargs="+", metavar="PAGE", help="chapter/page")
    verify = command(
        "verify",
        commands.verify_command,
        "Run pages again beside their stored runs (by nbval) and compare verdicts, numbers, notes, figures and "
        "what every cell prints: to the bit where processor and versions are those of the record, else as stated "
        "in machines.yml.",
    )
    verify.add_argument("pages", nargs="*", metavar="PAGE", help=pages)
    verify.add_argument("--profile", choices=PROFILES, default="smoke", help="default: smoke")
    verify.add_argument("--jobs", type=_positive, default=1, metavar="N", help="pages at a time (default: 1)")
    verify.add_argument(
        "--verdicts-only",
        action="store_true",
        help="leave out numbers and outputs: with other versions of the libraries they may differ",
    )
    verify.add_argument(
        "--pieces",
        type=_positive,
        metavar="N",
        help="compute N stored pieces, chosen by chance, again and compare them instead",
    )
    verify.add_argument(
        "--cold",
        action="store_true",
        help="start every kernel afresh, not from one that has imported its packages already",
    )
    command(
        "judge",
        commands.judge_command,
        "Judge every stored number again by the ledgers as they are now, without running anything; list the "
        "verdicts that are not the accepted ones.",
    )
    status = command(
        "status",
        commands.status_command,
        "Show every claim: verdict by profile, value, age, and why its run is stale.",
    )
    status.add_argument("--json", action="store_true", help="as JSON instead of a table")
    status.add_argument(
        "--profile",
        choices=("paper",),
        help="how far the pieces of the runs at the papers' scale are instead: done, needed, left, by headline",
    )
    text = "Print how many claims have which verdict, by chapter."
    scorecard = command("scorecard", commands.scorecard_command, text, chapter=False)
    scorecard.add_argument(
        "--write", metavar="FILE", help="put it between the scorecard marks of a Markdown file instead"
    )
    text = "Write all claims as open data: claims.json, claims.csv and the schema that describes both."
    export = command("export", commands.export_command, text, chapter=False)
    export.add_argument(
        "--out", type=os.path.expanduser, metavar="FOLDER", required=True, help="where to write the three files"
    )
    stale = command(
        "stale",
        commands.stale_command,
        "List stored runs that are missing or stale, with the reason; exit 1 if there are any.",
    )
    stale.add_argument("--profile", choices=PROFILES, action="append", help="only this profile; may be repeated")
    command(
        "settle",
        commands.settle_command,
        "Write into every stored record of a run with local changes the first commit that holds the code it ran.",
        chapter=False,
    )
    register = command(
        "register",
        commands.register_command,
        "Add to book/register.tsv what the ledgers have that is new, changed or gone since its last lines.",
        chapter=False,
    )
    register.add_argument("ids", nargs="*", metavar="ID", help="an entry of the ledgers (default: all)")
    register.add_argument("--reason", default="", help="why entries were revised or retired, one sentence")
    command(
        "check-ledger",
        commands.check_ledger_command,
        "Check claims.yml and runs.yml of every chapter, the cells of its pages, the register of what the ledgers "
        "say with its history, and that every number in prose stands in a role.",
    )
    return parser


def _minutes(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of minutes > 0, found {text!r}")
    return number


def _positive(text: str) -> int:
    number = int(text) if text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1, found {text!r}")
    return number


if __name__ == "__main__":
    sys.exit(main())
