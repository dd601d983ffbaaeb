#!/usr/bin/env bash
# Builds the library with planted faults, and proves that each is caught: by the harness, or for
# those that no crash shows by a test of their own.
#   planted_test.sh SOURCE BUILD COMPILER
set -euo pipefail

cmake -S "$1" -B "$2" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$3" -DXTREE_PLANTS=ON \
  -DXTREE_TOOL=OFF -DXTREE_EXAMPLES=OFF > /dev/null
cmake --build "$2" --target planted link_test cache_test -j 2 > /dev/null
"$2/tests/harness/planted"

# expect_caught TEST FILTER PLANT...
expect_caught() {
  local test=$1 filter=$2
  shift 2
  "$test" --gtest_filter="$filter" > /dev/null 2>&1
  for plant in "$@"; do
    if XTREE_PLANT=$plant "$test" --gtest_filter="$filter" > /dev/null 2>&1; then
      echo "$plant: nothing was caught"
      exit 1
    fi
  done
}
expect_caught "$2/tests/concurrency/link_test" 'LinkOrders.*' \
  link_not_closed link_not_renewed link_left_open
expect_caught "$2/tests/api/cache_test" '*GrewInPlace' evicted_while_growing
