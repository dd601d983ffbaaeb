#!/usr/bin/env bash
# Builds the library with planted faults, and proves that the harness catches each of them.
#   planted_test.sh SOURCE BUILD COMPILER
set -euo pipefail

cmake -S "$1" -B "$2" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$3" -DXTREE_PLANTS=ON \
  -DXTREE_TOOL=OFF -DXTREE_EXAMPLES=OFF > /dev/null
cmake --build "$2" --target planted -j 2 > /dev/null
"$2/tests/harness/planted"
