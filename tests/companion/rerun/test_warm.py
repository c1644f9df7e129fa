"""Warm kernels: forked, but otherwise what a cold kernel is, also in how they are interrupted and how they end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from companion.rerun.warm import server
from companion.rerun.warm.kernels import PRELOADED, WarmKernels, warm_kernels

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: elsewhere no kernel is forked")

LIB = Path(__file__).parents[3] / "lib"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(LIB), **dict.fromkeys(THREADS, "2")}
ENVIRONMENT.pop("MPLBACKEND", None)
STATE = """
import gc, json, os, signal, sys, threading, warnings
state = {
    "modules": [name for name, one in sys.modules.items() if (getattr(one, "__file__", 0) or "").startswith(LIB)],
    "argv": [sys.argv[:-1], sys.orig_argv[:-1]], "path": sys.path, "flags": str(sys.flags), "folder": os.getcwd(),
    "environment": {name: value for name, value in os.environ.items() if name != "JPY_PARENT_PID"},
    "main": sorted(vars(sys.modules["__main__"])), "threads": sorted(one.name for one in threading.enumerate()),
    "signals": [str(signal.getsignal(number)).split(" at ")[0] for number in signal.valid_signals()],
    "leads": [os.getpid() == os.getpgid(0), os.getpid() == os.getsid(0)], "collects": gc.isenabled(),
    "streams": [str(sys.__stdout__), sys.__stdout__.line_buffering, os.readlink("/proc/self/fd/0")[:4]],
}
for name in PRELOADED:
    __import__(name)
import companion, matplotlib, numpy, scipy.linalg, threadpoolctl, torch
import matplotlib.pyplot as plt
state["rc"] = {name: str(value) for name, value in dict.items(matplotlib.rcParams)}
state["filters"] = sorted(map(str, warnings.filters))
x = torch.randn(400, 400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
state["numbers"] = [float(x.exp().sum()), float((x @ x).tanh().sum()), *numpy.linalg.svd(x.numpy())[1][:5],
                    *scipy.linalg.eigvals(x.numpy())[:5].real]
state["pools"] = sorted((pool["filepath"], pool["num_threads"]) for pool in threadpoolctl.threadpool_info())
figure = plt.figure()
state["figure"] = [type(figure.canvas).__module__, plt.get_backend(), plt.isinteractive()]
plt.close(figure)
print(json.dumps([state, [torch.initial_seed(), numpy.random.rand()], companion.__file__]))
""".replace("LIB", repr(str(LIB))).replace("PRELOADED", repr(PRELOADED))


class Kernel:
    """A running kernel and what it printed."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str] | None = None) -> None:
        specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")])
        self.manager = KernelManager(kernel_name=name, kernel_spec_manager=specs)
        self.manager.start_kernel(env=dict(environment or ENVIRONMENT), cwd=str(folder), stderr=subprocess.DEVNULL)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.launcher = self.manager.provisioner.process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def printed(self, code: str, run=None) -> str:
        """Return what ``code`` prints, or the name of its exception."""
        seen = []

        def hook(message):
            content = message["content"]
            if message["msg_type"] == "stream":
                seen.append(content["text"])
                if run:
                    run()
            elif message["msg_type"] == "error":
                seen.append(content["ename"])

        self.client.execute_interactive(code, output_hook=hook, timeout=60)
        return "".join(seen)

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(int(self.printed("import os; print(os.getpid())")))


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    kernels = WarmKernels(tmp_path_factory.mktemp("warm"), ENVIRONMENT)
    assert kernels.start() == kernels.name
    yield kernels
    kernels.stop()


def started(warm: WarmKernels, **environment: str) -> Kernel:
    return Kernel(warm.name, warm.folder, {**ENVIRONMENT, **environment})


def last(warm: WarmKernels) -> str:
    return warm.log.read_text().splitlines()[-1]


def gone(process: psutil.Process) -> bool:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_a_warm_kernel_is_as_a_cold_one_and_computes_the_same_bits(warm):
    found = []
    for name in (warm.name, warm.name, "python3"):
        with Kernel(name, warm.folder) as kernel:
            found.append(json.loads(kernel.printed(STATE)))
    assert last(warm).startswith("warm ") and warm.log.read_text().count("warm ") == 2
    (state, drawn, module), (_, again, _), (cold, _, _) = found
    assert state == cold and state["modules"] == [] and Path(module).is_relative_to(LIB)
    assert all(one != other for one, other in zip(drawn, again, strict=True)), "expected fresh seeds"


def test_cells_are_interrupted_and_a_restart_keeps_the_ports(warm):
    with started(warm) as kernel:
        code = "import time; print('on', flush=True); time.sleep(30)"
        assert kernel.printed(code, run=kernel.manager.interrupt_kernel).split() == ["on", "KeyboardInterrupt"]
        before = kernel.process
        kernel.manager.restart_kernel(now=True)
        kernel.client.wait_for_ready(timeout=60)
        assert kernel.process != before and gone(before)
        launcher = kernel.manager.provisioner.process
        kernel.manager.shutdown_kernel()
        assert launcher.returncode == 0


@pytest.mark.parametrize("code, status", [("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", -9), ("exit()", 0)])
def test_the_launcher_ends_as_its_kernel(warm, code, status):
    with started(warm) as kernel:
        kernel.client.execute(f"import os; {code}")
        assert kernel.launcher.wait(timeout=10) == status


def test_a_kernel_does_not_outlive_its_launcher(warm):
    with started(warm) as kernel:
        process = kernel.process
        code = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid)"
        child = psutil.Process(int(kernel.printed(code)))
        kernel.launcher.kill()
        assert gone(process) and gone(child)


@pytest.mark.parametrize("name, value", [("OMP_NUM_THREADS", "1"), ("MPLBACKEND", "agg")])
def test_a_kernel_starts_cold_where_imports_would_have_read_something_else(warm, name, value):
    with started(warm, **{name: value}) as kernel:
        assert kernel.printed(f"import os; print(os.environ[{name!r}])").split() == [value]
        assert last(warm).startswith(f"cold: {name} is ")


def test_a_module_of_the_folder_takes_precedence(tmp_path):
    assert server.shadowed([str(tmp_path), str(LIB), *sys.path]) == ""
    (tmp_path / "psutil.py").touch()
    assert server.shadowed([str(tmp_path)]) == f"psutil is at {tmp_path / 'psutil.py'} too"


@pytest.mark.parametrize(
    "line, reason",
    [
        ("warnings.warn('old')", "imports warn: "),
        ("threading.Thread(target=time.sleep, args=[9], daemon=True).start()", "2 threads live after the imports"),
    ],
)
def test_nothing_is_forked_after_imports_that_leave_a_trace(tmp_path, line, reason):
    (tmp_path / "noisy.py").write_text(f"import threading, time, warnings\n{line}\n")
    code = "from companion.rerun.warm import server; print(server.preload(['noisy', 'missing']))"
    path = os.pathsep.join([str(tmp_path), str(LIB)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**ENVIRONMENT, "PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith(reason) and not done.stderr


OWNER = """
import sys, time
from pathlib import Path
import test_warm
from companion.rerun.warm.kernels import WarmKernels
kernels = WarmKernels(Path(sys.argv[1]), test_warm.ENVIRONMENT, ["ipykernel.kernelapp"])
kernels.start()
kernel = test_warm.started(kernels)
print(kernels.process.pid, kernel.process.pid, kernel.launcher.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("victim", ["server", "owner"])
def test_no_process_is_left_when_one_is_killed(tmp_path, victim):
    path = os.pathsep.join([str(LIB), str(Path(__file__).parent)])
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        env={**ENVIRONMENT, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        server, *kernels = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
        (owner if victim == "owner" else server).send_signal(signal.SIGKILL)
        assert all(gone(process) for process in [server, *kernels])
        owner.kill()


def test_a_kernel_starts_cold_without_a_server(tmp_path):
    with warm_kernels(tmp_path, ENVIRONMENT) as name:
        pass
    with Kernel(name, tmp_path) as kernel:
        assert kernel.printed("print(6 * 7)") == "42\n"


def test_elsewhere_there_is_no_warm_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with warm_kernels(tmp_path) as name:
        assert name is None and list(tmp_path.iterdir()) == []
