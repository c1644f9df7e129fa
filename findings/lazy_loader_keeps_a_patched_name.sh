#!/usr/bin/env bash
# lazy-loader 0.6 with pytest 9.2.0: a test that replaces a function with monkeypatch leaves it replaced for good, and only in some orders of the tests.
#
# Expected: monkeypatch.setattr(module, name, fake) lasts until the test ends; afterwards everybody sees the function again, however it is reached. That is what
#   happens in a package whose __init__.py imports eagerly.
# What happens: a package with lazy_loader.attach_stub looks a public name up at its first use and keeps what it finds in its own namespace. If the first use falls
#   into the test, what it keeps is the replacement: undoing the patch mends the module, not the package. A replacement that calls the original by the package's name
#   calls itself. If anybody used the name before, all is well, so it depends on the order: the test below passes alone and with others before it, and fails after
#   one that patches.
# Why it matters: NumPy-style scientific packages (scikit-image, librosa, MNE-Python) made their namespaces lazy with this library; pytest-xdist and random orders
#   then give failures in tests that have nothing to do with the patch, and a mutation test can call its own mutant.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check lazy-loader==0.6 pytest==9.2.0
for kind in lazy eager; do
  mkdir "$kind"
  printf 'def order():\n    return 2\n' > "$kind/schemes.py"
  printf 'from .schemes import order\n\n__all__ = ["order"]\n' > "$kind/__init__.pyi"
done
printf 'import lazy_loader\n\n__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)\n' > lazy/__init__.py
cp eager/__init__.pyi eager/__init__.py
for kind in lazy eager; do
  cat > "test_$kind.py" <<PY
import $kind
from $kind import schemes


def test_a_wrong_order_is_noticed(monkeypatch):
    monkeypatch.setattr(schemes, "order", lambda: 1)
    assert schemes.order() == 1 and $kind.order() in (1, 2)


def test_the_order_is_two():
    assert $kind.order() == 2
PY
done
outcome() { env/bin/python -m pytest -q -p no:cacheprovider "$@" 2>&1 | tail -n 1 | sed 's/ in .*//'; }
seen="eager, both: $(outcome test_eager.py)
lazy, both: $(outcome test_lazy.py)
lazy, the second alone: $(outcome test_lazy.py::test_the_order_is_two)
lazy, the second first: $(outcome test_lazy.py::test_the_order_is_two test_lazy.py::test_a_wrong_order_is_noticed)"
echo "$seen"
[ "$seen" = "eager, both: 2 passed
lazy, both: 1 failed, 1 passed
lazy, the second alone: 1 passed
lazy, the second first: 2 passed" ]
