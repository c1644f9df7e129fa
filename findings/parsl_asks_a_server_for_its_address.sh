#!/usr/bin/env bash
# Parsl 2026.10.26: making a HighThroughputExecutor asks a public web server for this machine's address, before anything is run.
#
# Expected: a constructor stores what it is told; nothing leaves the machine before parsl.load, least of all for workers on the same machine. The documentation
#   of address says that without it all addresses of the machine are found out and tried, not that others are asked for them.
# What happens: the constructor finds them out, and one of its ways is a request to https://api.ipify.org with a time-out of 30 s; another opens a socket to
#   8.8.8.8. Importing a module that defines a configuration is enough. Where the request is refused nothing is said; behind a firewall that swallows packets
#   the import takes half a minute; where it is answered, workers try the router's address too.
# Why it matters: configurations are objects of modules, imported on login nodes, in tests and in continuous integration. Who has promised that nothing calls
#   out breaks the promise by an import, and who sits behind such a firewall blames the scheduler for the wait. With address="127.0.0.1", or that of an
#   interface, nobody is asked.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check parsl==2026.10.26 requests==2.34.2
cat > made.py <<'PY'
import socket
import sys

import requests

asked = []


def get(address, **options):  # the request is noted and not sent
    asked.append(address)
    raise requests.ConnectionError("not sent")


def connect(self, place):
    asked.append(f"{place[0]}:{place[1]}")
    raise OSError("not sent")


requests.get = get
socket.socket.connect = connect  # a Python class around the C one: it can be replaced

from parsl.executors import HighThroughputExecutor

HighThroughputExecutor(**({"address": "127.0.0.1"} if sys.argv[1] == "told" else {}))
print(f"{sys.argv[1]}: {' '.join(asked) or 'nobody asked'}")
PY
seen="$(env/bin/python made.py told)
$(env/bin/python made.py untold)"
echo "$seen"
[ "$seen" = "told: nobody asked
untold: 8.8.8.8:80 https://api.ipify.org" ]
