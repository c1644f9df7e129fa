# Needs only Python 3.11, 3.12 or 3.13, make and a package index. Everything is installed into .venv, pinned by constraints.txt.
# make book | test | reproduce PROFILE=… CHAPTER=… [PAGE=…] | serve | pdf | bench | clean        (make help lists them)
PYTHON ?= python3
PORT ?= 8000
JOBS ?= 2
PROFILE ?= book
CHAPTER ?=
DEVICE ?= cuda
PAGE ?=
# A CPU-only machine whose package index offers a "+cpu" build of torch gets it by itself. Elsewhere name PyTorch's CPU index
# (pytorch.org, "Get started") here to avoid the CUDA packages; a GPU machine leaves it empty and gets CUDA by the same files.
TORCH_INDEX ?=

BIN := .venv/bin
STEP := $(PYTHON) .ci/step.py
export PYTHONUNBUFFERED := 1
export MPLBACKEND := agg

.NOTPARALLEL:
.PHONY: help env book test reproduce serve bench clean lint unit gpu-test verify html html-tests scorecard pdf

help:
	@echo "make book                             build the book from the stored runs, print the scorecard and where to open it"
	@echo "make test                             lint, tests, smoke re-run of every page (verdicts, outputs), strict build, built pages"
	@echo "make gpu-test [DEVICE=cuda]           the tests marked device on a GPU, against the CPU"
	@echo "make reproduce PROFILE=book CHAPTER=schemes [PAGE=orders]   run pages again (resumable) and store the new records"
	@echo "make serve [PORT=8000]                serve the built book on this machine"
	@echo "make pdf                              one tagged PDF of the whole book (needs Chromium or Chrome), says where it is"
	@echo "make bench                            side-by-side benchmarks, as ratios"
	@echo "make clean                            remove what was built (.venv and checkpoints of unfinished runs stay)"

env: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:3]; sys.exit(0 if (3, 11) <= v < (3, 14) else "Python: expected >= 3.11 and < 3.14, found %d.%d.%d; name another with: make $(or $(MAKECMDGOALS),env) PYTHON=python3.11" % v)'
	@$(STEP) "Virtual environment" $(PYTHON) -m venv .venv
	@$(STEP) "Install (pinned, about 1.8 GB)" $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -e ".[all,run,book,test]"
	@touch $@

book: env html scorecard

html: env
	@$(STEP) "Book (strict build from stored runs)" $(BIN)/jupyter-book build . --all -W -n --keep-going

scorecard: env
	@$(BIN)/companion scorecard
	@echo "Open: $(CURDIR)/_build/html/index.html"

test: lint unit verify html-tests scorecard

lint: env
	@$(STEP) "Lint" $(BIN)/ruff check .
	@$(STEP) "Format" $(BIN)/ruff format --check .
	@$(STEP) "Types" $(BIN)/mypy
	@$(STEP) --summary 2 "Ledgers, cells, register and prose" $(BIN)/companion check-ledger

unit: env
	@$(STEP) --summary 1 "Unit tests" $(BIN)/python -m pytest tests/contdepth tests/companion tests/package -q -n $(JOBS) --dist worksteal

# Needs pytest, PyTorch, NumPy, SciPy and packages in pure Python; what else is not there leaves its room out.
gpu-test:
	@$(STEP) --summary 1 "Tests on the GPU" $(or $(wildcard $(BIN)/python),$(PYTHON)) -m pytest tests/contdepth/device -q -m device --device $(DEVICE)

verify: env
	@$(STEP) --stream "Smoke re-run (nbval): verdicts, numbers, outputs" $(BIN)/companion verify --jobs $(JOBS)

html-tests: html
	@$(STEP) --summary 2 "Results and built pages" $(BIN)/python -m pytest tests/book -q -n $(JOBS) --dist worksteal

reproduce: env
	@$(BIN)/companion run --profile $(PROFILE) $(if $(PAGE),$(CHAPTER)/$(PAGE),$(if $(CHAPTER),--chapter $(CHAPTER))) --resume --jobs $(JOBS)

serve: html
	@echo "http://localhost:$(PORT)/index.html   (Ctrl-C stops)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

pdf: html
	@$(STEP) --summary 1 "PDF of the whole book" $(BIN)/python -m companion.site.pdf --html _build/html --out _build/contdepth.pdf
	@echo "Open: $(CURDIR)/_build/contdepth.pdf"

bench: env
	@mkdir -p _build/bench
	@$(STEP) --stream "Fixed-step integration against torchdiffeq" $(BIN)/python benchmarks/integrate.py --out _build/bench/integrate.json
	@$(STEP) --stream "Solving to a tolerance against torchdiffeq and Radau" $(BIN)/python benchmarks/adaptive.py --out _build/bench/adaptive.json
	@$(STEP) --stream "PDE-Net 2.0 closure against the plain way" $(BIN)/python benchmarks/pdenet2_closure.py --out _build/bench/pdenet2_closure.json
	@$(STEP) --stream "One step of YOPO against PGD and the plain algorithm" $(BIN)/python benchmarks/yopo_step.py --out _build/bench/yopo_step.json
	@$(STEP) --stream "Many mean-field nets as one batch against a loop" $(BIN)/python benchmarks/meanfield_batch.py --out _build/bench/meanfield_batch.json
	@$(STEP) --stream "Restoring a picture against BM3D and non-local means" $(BIN)/python benchmarks/restore.py --out _build/bench/restore.json
	@$(STEP) --stream "A stage of trained diffusion by its table" $(BIN)/python benchmarks/reaction.py --out _build/bench/reaction.json
	@$(STEP) --stream "Log-determinants by roulette and Laplacians in one pass" $(BIN)/python benchmarks/flows.py --out _build/bench/flows.json
	@$(STEP) --stream "Irregular series, each at its own times, against the union of all" $(BIN)/python benchmarks/irregular.py --out _build/bench/irregular.json
	@$(STEP) --stream "Accelerations of a Lagrangian network in one pass" $(BIN)/python benchmarks/mechanics.py --out _build/bench/mechanics.json
	@$(STEP) --stream "The states of all runs, derived and remembered" $(BIN)/python benchmarks/status.py --out _build/bench/status.json
	@$(STEP) --stream "Recorded steps on a GPU" $(BIN)/python benchmarks/gpu.py --out _build/bench/gpu.json
	@$(STEP) --stream "The book: build time, weight of pages, time until interactive" $(BIN)/python benchmarks/book.py --out _build/bench/book.json

clean:
	rm -rf _build .ruff_cache .hypothesis build *.egg-info lib/*.egg-info
	find lib tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
