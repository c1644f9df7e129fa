"""Run one command as one step: a line when it starts, a heartbeat, its elapsed time at the end.

``step.py LABEL COMMAND…`` keeps the whole output in ``_build/logs/<label>.log``; a failure prints its tail. CPU
seconds are those of the command and of all processes that it waited for (a browser's are not among them).
With ``--summary N`` the last N lines of the output are shown after success (a test runner's tally); with
``--stream`` lines are shown as they come. Standard library only: it also runs before the environment exists.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

HEARTBEAT_S = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--summary", type=int, default=0, metavar="N")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("label")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()

    log = Path("_build/logs") / (re.sub(r"[^a-z0-9]+", "-", args.label.lower()).strip("-") + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    start, done = time.monotonic(), threading.Event()
    print(f"{args.label} …", flush=True)

    def heartbeat() -> None:
        while not done.wait(HEARTBEAT_S):
            print(f"  … {time.monotonic() - start:4.0f} s", flush=True)

    if not args.stream:
        threading.Thread(target=heartbeat, daemon=True).start()
    lines: list[str] = []
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            args.command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        try:
            for line in process.stdout:
                out.write(line)
                out.flush()
                lines.append(line.rstrip("\n"))
                if args.stream:
                    print("  " + lines[-1], flush=True)
            code = process.wait()
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            code = 130
    done.set()
    elapsed, used = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    if code:
        if not args.stream:
            print("\n".join(lines[-60:]))
        print(
            f"{args.label}: FAILED after {elapsed:.0f} s, {cpu:.0f} CPU s (exit {code}); whole log in {log}",
            flush=True,
        )
        return code
    if args.summary:
        print("\n".join(line for line in lines[-args.summary :] if line.strip()))
    print(f"{args.label}: done in {elapsed:.0f} s ({cpu:.0f} CPU s)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
