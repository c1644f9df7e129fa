#!/usr/bin/env bash
# LayerParallelLearning (commit 8693d15, the authors' code of layer-parallel training): the penalty on the weights' derivative in depth has a gradient of zero.
#
# Expected: with gamma_ddt the objective has gamma/2 |(w_n - w_(n-1))/h|^2 for neighbouring layers, and the gradient that the optimiser gets has its derivative,
#   gamma/h^2 (w_n - w_(n-1)) from the left and the same from the right, as finite differences of the objective have it.
# What happens: the factor gamma/h^2 is put into an int. In all examples that the code ships it is below one (Peaks: 1e-5 times 30^2 = 0.009) and becomes 0; a factor
#   of 1.8 becomes 1. The objective, and so the line search, sees the penalty all the same. The line has been so since October 2018.
# Why it matters: multigrid over layers converges well where weights are smooth in depth, and this term is what is meant to keep them so. A study of its factor with this
#   code changes the line search and not the direction; L-BFGS is given a function and the gradient of another.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
git clone --quiet --no-checkout "${SOURCE:-https://github.com/steffi7574/LayerParallelLearning}" code
git -C code checkout --quiet 8693d15fced00660bc005a7d30f85934854b4097
# The layers need of MPI no more than two names, and of the linear algebra, which is not called here, three functions.
printf 'typedef int MPI_Comm;\n#define MPI_DOUBLE 0\n' > code/include/mpi.h
cat > main.cpp <<'CPP'
#include <cstdio>
#include "layer.hpp"

double vecdot(int, double *, double *) { return 0.0; }
double vecmax(int, double *) { return 0.0; }
int argvecmax(int, double *) { return 0; }

// Three dense layers in a row: the penalty's derivative in a weight of the middle one, by the code and by central differences of its own objective.
static void compare(const char *name, double T, int layers, double gamma) {
  const int d = 2;
  const double h = T / (layers - 2), e = 1e-3;
  double w[3][d * d + 1], g[3][d * d + 1], ends[2];
  DenseLayer one(0, d, d, h, TANH, 0.0, gamma), two(1, d, d, h, TANH, 0.0, gamma), three(2, d, d, h, TANH, 0.0, gamma);
  DenseLayer *all[3] = {&one, &two, &three};
  for (int n = 0; n < 3; n++) {
    for (int i = 0; i <= d * d; i++) w[n][i] = 0.5 * n * n * (i + 1), g[n][i] = 0.0;
    all[n]->setMemory(w[n], g[n]);
  }
  two.evalRegulDDT_diff(&one, &three, h);
  const double kept = w[1][0];
  for (int k = 0; k < 2; k++) {
    w[1][0] = kept + (k ? e : -e);
    ends[k] = two.evalRegulDDT(&one, h) + three.evalRegulDDT(&two, h);
  }
  std::printf("%s: factor %.2g, gradient %.2g by the code, %.2g by differences\n", name, gamma / (h * h), g[1][0], (ends[1] - ends[0]) / (2 * e));
}

int main() {
  compare("Peaks", 1.0, 32, 1e-5);
  compare("Indian Pines", 20.0, 29, 1e-7);
  compare("MNIST", 5.0, 32, 1e-7);
  compare("a factor above one", 1.0, 32, 2e-3);
}
CPP
"${CXX:-g++}" -w -O1 -I code/include main.cpp code/src/layer.cpp -o compare
./compare | tee seen
[ "$(cat seen)" = "Peaks: factor 0.009, gradient 0 by the code, -0.009 by differences
Indian Pines: factor 1.8e-07, gradient 0 by the code, -1.8e-07 by differences
MNIST: factor 3.6e-06, gradient 0 by the code, -3.6e-06 by differences
a factor above one: factor 1.8, gradient -1 by the code, -1.8 by differences" ]
