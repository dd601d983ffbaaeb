#!/usr/bin/env bash
# Builds the soak and runs it: everything at once, for so many hours (8 without an argument), in a
# directory below the current one. It fails when an answer is wrong, or when memory, descriptors,
# threads or disk space do not stay flat.
#   soak.sh [HOURS]
set -euo pipefail

source=$(cd "$(dirname "$0")/.." && pwd)
cmake -S "$source" --preset release -DXTREE_TESTS=ON
cmake --build "$source/build/release" -j "$(nproc)" --target soak
exec "$source/build/release/tests/soak/soak" --hours="${1:-8}" --gtest_filter='Soak.*'
