#!/usr/bin/env bash
# nbval 0.11.0 with nbclient 0.11.0: a notebook that was executed a moment ago, and whose code prints the same each time, fails.
#
# Expected: nbclient executes a notebook and stores its outputs; `pytest --nbval` executes it again in the same environment and compares. As the code is
#   deterministic, it passes.
# What happens: a front end, and nbclient, apply `clear_output` (what was shown before goes) and `update_display_data` (an output shown earlier changes in its
#   place). nbval keeps all that was cleared, and drops updates (it prints "unhandled iopub msg: update_display_data"). So both notebooks below fail, while a third,
#   without these messages, passes.
# Why it matters: progress bars, live plots and widgets of training loops are made of exactly these messages. A reproducible notebook is reported as not reproduced,
#   and the way out that people take, NBVAL_IGNORE_OUTPUT, switches the comparison of that cell off for good.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet --disable-pip-version-check nbval==0.11.0 nbclient==0.11.0 nbformat==5.11.1 ipykernel==6.31.0 ipython==9.18.1 pytest==9.2.0
cat > make.py <<'PY'
import nbformat
from nbclient import NotebookClient

CELLS = {
    "plain": ["print('step 1')\nprint('step 2')"],
    "cleared": ["from IPython.display import clear_output\nfor step in (1, 2):\n    clear_output()\n    print('step', step)"],
    "updated": ["from IPython.display import display\nshown = display('step 1', display_id='bar')", "shown.update('step 2')"],
}
for name, sources in CELLS.items():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, kernel_name="python3").execute()
    nbformat.write(notebook, f"{name}.ipynb")
    print(f"{name}: stored", [output.get("text") or output["data"]["text/plain"] for cell in notebook.cells for output in cell.outputs])
PY
env/bin/python -m ipykernel install --prefix env --name python3 > /dev/null 2>&1
env/bin/python make.py
failed=""
for name in plain cleared updated; do
  env/bin/python -m pytest -q -p no:cacheprovider --nbval --nbval-current-env "$name.ipynb" > "$name.log" 2>&1 || failed="$failed $name"
  echo "$name: $(tail -n 1 "$name.log")"
done
echo "failed:$failed"
[ "$failed" = " cleared updated" ]
