#!/usr/bin/env bash
# Builds XTree on a fresh Debian 12 (as root, for the packages) and runs its main job: real data in
# a durable index, a writer that is killed, and the same work in memory. Arguments go to the
# program.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-deps.sh build
cmake --preset release -DXTREE_TESTS=OFF -DXTREE_EXAMPLES=ON -DXTREE_TOOL=ON
cmake --build --preset release -j "$(nproc)"
exec build/release/examples/cities data/cities.csv "$@"
