#!/usr/bin/env bash
# Builds the library with planted faults, and proves that each is caught: by the harness, or for
# those of links by link_test.
#   planted_test.sh SOURCE BUILD COMPILER
set -euo pipefail

cmake -S "$1" -B "$2" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$3" -DXTREE_PLANTS=ON \
  -DXTREE_TOOL=OFF -DXTREE_EXAMPLES=OFF > /dev/null
cmake --build "$2" --target planted link_test -j 2 > /dev/null
"$2/tests/harness/planted"

test_links() { "$2/tests/concurrency/link_test" --gtest_filter='LinkOrders.*' > /dev/null 2>&1; }
test_links "$@"
for plant in link_not_closed link_not_renewed link_left_open; do
  if XTREE_PLANT=$plant test_links "$@"; then
    echo "$plant: nothing was caught"
    exit 1
  fi
done
