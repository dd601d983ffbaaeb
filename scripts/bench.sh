#!/usr/bin/env bash
# Builds the benchmarks on a fresh Debian 12 (as root, for the packages), runs XTree beside all its
# peers, in memory and on the disk, and leaves figures and plots in bench/results. Arguments go to
# the comparison in memory: without any it takes about two hours; with --quick, a twentieth of the
# entries, some minutes. The durable part takes six to ten minutes, and one with --quick; that of
# indexes larger than memory two, and half of one.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install-deps.sh build
packages=(libbenchmark-dev libboost-dev libspatialindex-dev libgeos-dev libgeos++-dev libsqlite3-dev
  libnanoflann-dev libcgal-dev librocksdb-dev liblmdb-dev python3 python3-matplotlib)
missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
if [[ ${#missing[@]} -gt 0 ]]; then
  echo "== install: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

cmake --preset release -DXTREE_BENCH=ON
cmake --build --preset release -j "$(nproc)" --target compare tree_bench durable_bench write_bench \
  cold_bench mode_bench snapshot_bench
mkdir -p bench/results
build/release/bench/tree/compare --results bench/results "$@" | tee bench/results/results.txt
quick=()
[[ " $* " != *" --quick "* ]] || quick=(--quick)
build/release/bench/durable/durable_bench "${quick[@]}" | tee bench/results/durable.txt
entries=()
[[ " $* " != *" --quick "* ]] || entries=(--entries=1000000)
build/release/bench/durable/write_bench "${entries[@]}" | tee bench/results/written.txt
build/release/bench/durable/cold_bench "${quick[@]}" | tee bench/results/cold.txt
build/release/bench/resolve/mode_bench | tee bench/results/modes.txt
build/release/bench/resolve/snapshot_bench | tee bench/results/snapshots.txt
# Debian's own Python, which has Debian's matplotlib.
/usr/bin/python3 bench/plot.py bench/results
/usr/bin/python3 bench/durable/plot.py bench/results
