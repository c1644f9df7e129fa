"""The process that stands for a warm kernel: ``python -I -S launch.py SOCKET -f CONNECTION_FILE``.

It asks the server at SOCKET to fork a kernel that gets its arguments, folder, variables and standard streams,
hands signals on to it and ends as it ends. Where no server answers, or the server declines, the process becomes an
ordinary kernel. Little of the standard library is imported and nothing else: every kernel's start begins here.
"""

import json
import os
import select
import signal
import socket
import sys

HANDED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def main(address: str, arguments: list[str]) -> int:
    """Stand for the kernel until it has ended, and return its exit status; end by the signal that ended it."""
    parent, pid, early = int(os.environ.get("JPY_PARENT_PID") or os.getppid()), 0, []

    def hand_on(number: int, _frame: object = None) -> None:
        if not pid:
            early.append(number)
            return
        for send in (os.killpg, os.kill):  # a kernel that has just been forked does not lead its group yet
            try:
                return send(pid, number)
            except ProcessLookupError:
                continue

    for number in HANDED_ON:
        signal.signal(number, hand_on)
    try:
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        channel.connect(address)
        request = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}
        socket.send_fds(channel, [b"?"], [0, 1, 2])
        channel.sendall(json.dumps(request).encode() + b"\n")
        pid = number_from(channel, parent) or 0
    except OSError:
        pid = 0
    if not pid:
        os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", *arguments])
    for one in early:
        hand_on(one)
    status = number_from(channel, parent)
    if status is None:
        return 1
    if status < 0:
        if -status in HANDED_ON:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def number_from(channel: socket.socket, parent: int) -> int | None:
    """Return the number on the server's next line, None where the server is gone; leave once the parent is."""
    line = b""
    while not line.endswith(b"\n"):
        while not select.select([channel], [], [], 1.0)[0]:
            if os.getppid() != parent:
                os._exit(1)
        byte = channel.recv(1)
        if not byte:
            return None
        line += byte
    return int(line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
