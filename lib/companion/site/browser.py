"""A headless Chromium for the built book: found on this machine, never downloaded, and kept from other hosts."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from companion.errors import CompanionError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["VARIABLE", "chromium", "find_chromium", "served"]

VARIABLE = "CONTDEPTH_CHROMIUM"
"""Environment variable: the browser's program, or ``none`` to go without one."""

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def find_chromium() -> str:
    """Return the path of a Chromium (or Chrome, or Edge) on this machine.

    ``CONTDEPTH_CHROMIUM`` goes before the names on ``PATH``. Raises :class:`CompanionError` where there is none.
    """
    named = os.environ.get(VARIABLE)
    if named == "none":
        raise CompanionError(f"a browser is needed, and {VARIABLE}=none says to go without one")
    if named:
        found = shutil.which(named)
        if found is None:
            raise CompanionError(f"{VARIABLE}: expected a program that can be run, found {named!r}")
        return found
    found = next((path for path in map(shutil.which, (*NAMES, *PLACES)) if path), None)
    if found is None:
        raise CompanionError(
            f"expected Chromium, Chrome or Edge on PATH, found none: install one, or name its "
            f"program in {VARIABLE}"
        )
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless Chromium that can reach this machine alone; closed at the end of the block."""
    program = find_chromium()
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise CompanionError(
            "expected the package playwright, found none: make env installs it (extras book and test)"
        ) from None
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium's sandbox cannot be had as root
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=program, args=list(FLAGS), chromium_sandbox=not root and sys.platform == "linux"
            )
        except Error as error:
            said = next((line for line in str(error).splitlines() if line.strip()), "nothing")
            raise CompanionError(
                f"{program} does not start ({said}): name another browser in {VARIABLE}, or {VARIABLE}=none"
            ) from None
        try:
            yield browser
        finally:
            browser.close()


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over browsers that hang up."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine alone, and give its address without a trailing slash."""
    server = _Server(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
