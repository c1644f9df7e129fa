"""The process that warm kernels are forked from: ``python server.py LISTENER OWNER MODULE…``, with the number
of a listening socket's descriptor and a process.

At the first request it imports the modules, which are third-party; the code under test is imported by the kernels,
from the files as they are then. It declines, and the kernel starts cold, where a fork would not be what a fresh
process is; each request leaves one line on stderr. It ends with its owner, and its kernels end with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import importlib.machinery
import json
import os
import runpy
import selectors
import signal
import site
import socket
import sys
import time
import warnings
from collections.abc import Mapping, Sequence

READ_LATE = (
    "PYTHONPATH",
    "MPLBACKEND",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
    "JPY_",
    "JUPYTER_",
    "IPYTHON",
    "PYTEST_",
    "COMPANION_",
    "CONTDEPTH_",
)
"""How the names of variables begin that a kernel reads after the fork. Any other may have been read by an import,
as the numbers of threads are: where one is not what the server has, the kernel starts cold."""
INLINE = "module://matplotlib_inline.backend_inline"
PR_SET_PDEATHSIG = 1


def preload(modules: Sequence[str]) -> str:
    """Import those of ``modules`` that there are; return why nothing can be forked then, or an empty string."""
    shown: list[object] = []
    show, warnings.showwarning = warnings.showwarning, lambda *parts, **_: shown.append(parts[0])
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # ipykernel reads it when imported: kernels watch the parent
    for name in modules:
        with contextlib.suppress(ModuleNotFoundError):
            __import__(name)
    warnings.showwarning = show
    for module in list(sys.modules.values()):
        if isinstance(names := getattr(module, "__dict__", None), dict):
            names.pop("__warningregistry__", None)
    if shown:
        return f"imports warn: {shown[0]}"
    if "coverage" in sys.modules:
        return "executed lines are recorded"
    if threads() > 1:  # OpenBLAS ends its threads before a fork, and starts new ones when it needs them
        if not (pid := os.fork()):
            os._exit(0)
        os.waitpid(pid, 0)
    end = time.monotonic() + 1
    while threads() > 1 and time.monotonic() < end:
        time.sleep(0.01)
    gc.collect()
    gc.freeze()
    return f"{threads()} threads live after the imports" if threads() > 1 else ""


def threads() -> int:
    """Return how many threads this process has, whoever started them."""
    return len(os.listdir("/proc/self/task"))


def shadowed(folders: Sequence[str]) -> str:
    """Return an imported module that a kernel would find in one of ``folders`` instead, or an empty string."""
    for name, module in list(sys.modules.items()):
        origin = getattr(getattr(module, "__spec__", None), "origin", None)
        if origin and "." not in name and origin not in ("built-in", "frozen"):
            found = importlib.machinery.PathFinder.find_spec(name, folders)
            if found and found.origin not in (None, origin):
                return f"{name} is at {found.origin} too"
    return ""


class Server:
    """The running kernels, each with the connection to its launcher and a descriptor that tells of its end."""

    def __init__(self, listener: socket.socket, owner: int, modules: Sequence[str]) -> None:
        self.listener, self.owner, self.modules = listener, owner, modules
        self.environment, self.pid = early(os.environ), os.getpid()
        self.flaw: str | None = None
        self.selector = selectors.PollSelector()
        self.selector.register(listener, selectors.EVENT_READ)

    def serve(self) -> dict | None:
        """Answer requests until the owner is gone; return the request in a forked process, None in the server."""
        while os.getppid() == self.owner:
            for key, _ in self.selector.select(1.0)[-1:]:  # the listener comes first: ends go before starts
                if key.data:
                    self.end(*key.data, gone=key.fileobj is key.data[0])
                elif request := self.answer():
                    return request
        return None

    def answer(self) -> dict | None:
        """Fork a kernel for the next launcher, or decline; return the request in the kernel."""
        channel, _ = self.listener.accept()
        _, streams, *_ = socket.recv_fds(channel, 1, 3)
        with channel.makefile("rb") as lines:
            line = lines.readline()
        pid, reason = 0, "a launcher has left"
        if line.endswith(b"\n"):
            request = json.loads(line)
            try:
                reason = self.refusal(request)
                if not reason and not (pid := os.fork()):
                    for descriptor in (channel.detach(), *(key.fd for key in self.selector.get_map().values())):
                        os.close(descriptor)
                    return {**request, "streams": streams}
            except OSError as error:
                reason = str(error)
        print(f"warm {pid}" if pid else f"cold: {reason}", file=sys.stderr, flush=True)
        for stream in streams:
            os.close(stream)
        with contextlib.suppress(OSError):
            channel.sendall(b"%d\n" % pid)
        if pid:
            process = os.pidfd_open(pid)
            for one in (channel, process):
                self.selector.register(one, selectors.EVENT_READ, (channel, process, pid))
        else:
            channel.close()
        return None

    def refusal(self, request: Mapping) -> str:
        """Return why the kernel must start cold, or an empty string."""
        environment, folder = request["environment"], request["folder"]
        if differing := self.environment.items() ^ early(environment).items():
            return f"{min(differing)[0]} is not the server's"
        if environment.get("MPLBACKEND"):
            return "MPLBACKEND is set"
        if self.flaw is None:
            self.flaw = preload(self.modules)
        return self.flaw or shadowed([folder, *paths(environment, folder)])

    def end(self, channel: socket.socket, process: int, pid: int, *, gone: bool) -> None:
        """Tell a launcher how its kernel ended; first end the kernel and its group where the launcher is gone."""
        for kill in (os.kill, os.killpg) if gone else ():
            with contextlib.suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(OSError):
            channel.sendall(b"%d\n" % status)
        for one in (channel, process):
            self.selector.unregister(one)
        channel.close()
        os.close(process)


def early(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that must be equal in server and kernel."""
    return {name: value for name, value in environment.items() if not name.startswith(READ_LATE)}


def paths(environment: Mapping[str, str], folder: str) -> list[str]:
    """Return the entries of ``PYTHONPATH``, absolute."""
    entries = environment.get("PYTHONPATH", "")
    return [os.path.abspath(os.path.join(folder, entry)) for entry in entries.split(os.pathsep)] if entries else []


def become_kernel(request: Mapping, server: int) -> None:
    """Make this forked process what ``python -m ipykernel_launcher`` is, and run until the kernel ends."""
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)
    for number, stream in enumerate(request["streams"]):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:0] = paths(request["environment"], request["folder"])
    site.removeduppaths()
    if not sys.flags.safe_path:
        sys.path.insert(0, os.getcwd())  # ipykernel_launcher takes it out again
    sys.argv = ["-m", *request["arguments"]]
    sys.orig_argv = [sys.executable, "-m", "ipykernel_launcher", *request["arguments"]]
    sys.modules.pop("__mp_main__", None)  # another name of the server's own code
    importlib.invalidate_caches()
    if "numpy.random" in sys.modules:  # seeds from the system, as imports draw them; random does so by itself
        sys.modules["numpy.random"].seed()
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.seed()
    if "matplotlib" in sys.modules:  # an import of it would find what ipykernel puts into MPLBACKEND
        sys.modules["matplotlib"].rcParams["backend"] = INLINE
    runpy.run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    del sys.path[0]
    server = Server(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), sys.argv[3:])
    request = server.serve()
    if request:
        become_kernel(request, server.pid)
