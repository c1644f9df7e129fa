#!/usr/bin/env bash
# papermill 2.6.0 with PyYAML 6.0.3: the learning rate 1e-3 is a number with -p and a string with -y or -f.
#
# Expected: `papermill -p lr 1e-3`, `papermill -y "{lr: 1e-3}"` and a parameters file (-f) with the line `lr: 1e-3` run the notebook with lr = 0.001; JSON is a part of
#   YAML, and {"lr": 1e-3} is valid JSON.
# What happens: -p tries int and float of Python; -y and -f are read by PyYAML with the rules of YAML 1.1, where a float needs a point. So 1e-3 becomes the string "1e-3"
#   (1.0e-3 a number), even in a file written by json.dumps, which prints 1e-05 for 0.00001. In the same way 012 is 12 with -p and 10 with -y (octal), and 1:30 is "1:30"
#   with -p and 90 with -y (base sixty).
# Why it matters: sweeps over learning rates are written into such files. A string fails late if at all: `lr > 0` raises, but f"{lr}" in a title, a file name or a cache key
#   works and differs from the same run started with -p.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check papermill==2.6.0 PyYAML==6.0.3 nbformat==5.11.1 nbclient==0.11.0
env/bin/python - <<'PY'
import json

import nbformat

cell = nbformat.v4.new_code_cell("lr = 0.1", metadata={"tags": ["parameters"]})
kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), "page.ipynb")
with open("rates.yml", "w") as file:
    json.dump({"lr": 1e-5}, file)
PY
injected() {
  env/bin/papermill --prepare-only page.ipynb out.ipynb "$@" > /dev/null 2>&1
  env/bin/python -c 'import nbformat; print(nbformat.read("out.ipynb", 4).cells[1].source.splitlines()[1])'
}
seen="-p lr 1e-3: $(injected -p lr 1e-3)
-y {lr: 1e-3}: $(injected -y '{lr: 1e-3}')
-f, by json.dump(1e-5): $(injected -f rates.yml)
-p lr 012: $(injected -p lr 012)
-y {lr: 012}: $(injected -y '{lr: 012}')
-p lr 1:30: $(injected -p lr 1:30)
-y {lr: 1:30}: $(injected -y '{lr: 1:30}')"
echo "$seen"
[ "$seen" = '-p lr 1e-3: lr = 0.001
-y {lr: 1e-3}: lr = "1e-3"
-f, by json.dump(1e-5): lr = "1e-05"
-p lr 012: lr = 12
-y {lr: 012}: lr = 10
-p lr 1:30: lr = "1:30"
-y {lr: 1:30}: lr = 90' ]
