#!/usr/bin/env bash
# Builds XTree by both compilers and under the sanitizers, with warnings as errors, and runs its
# tests. Meant for a fresh Debian 12 (as root, for the packages). The first stage that fails ends
# it.
#   run-tests.sh              the stages release, asan and tsan, in this order
#   run-tests.sh STAGE...     these; there are also clang, long and seeds, which take their time
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=$(nproc)
summaries=$(mktemp -d)
trap 'rm -rf "$summaries"' EXIT
times=()

# Runs one step, and notes how long it took.
timed() {
  local name=$1 begin=$SECONDS
  shift
  echo "== $name"
  "$@" || {
    local code=$?
    echo "== $name: FAILED after $((SECONDS - begin)) s" >&2
    exit $code
  }
  echo "== $name: $((SECONDS - begin)) s"
  times+=("$(printf '%-16s %4d s' "$name" $((SECONDS - begin)))")
}

# build PRESET [ARGUMENT...]: arguments are for `cmake --build`.
build() {
  local preset=$1
  shift
  cmake --preset "$preset" -DXTREE_TESTS=ON -DXTREE_TOOL=ON -DXTREE_EXAMPLES=ON \
    -DXTREE_WERROR=ON &&
    cmake --build --preset "$preset" -j "$jobs" "$@"
}

# Runs tests and keeps what ctest says at the end, for this stage.
run() {
  local preset=$1
  shift
  ctest --preset "$preset" -j "$jobs" "$@" | tee "$summaries/all" || return
  sed -n '/tests passed,/,$p' "$summaries/all" >"$summaries/$stage"
}

run_stage() {
  case "$1" in
    release) # every test but the long ones, by gcc
      timed "build release" build release
      timed "test release" run release -LE long
      ;;
    asan) # the same by clang, and the fuzzers
      timed "build asan" build asan
      timed "test asan" run asan
      ;;
    tsan) # the tests in which threads meet
      timed "build tsan" build tsan --target concurrency_tests
      timed "test tsan" run tsan
      ;;
    clang) # clang's code as users get it
      timed "build clang" build clang
      timed "test clang" run clang -L 'api|index' -LE long
      ;;
    long) # campaigns of the crash harness, and whether it finds planted faults
      timed "build release" build release
      timed "test long" run release -L long
      ;;
    seeds) # random tests again and again, each time with another seed
      timed "build release" build release
      timed "test seeds" run release -LE 'long|package|style|work|memcheck' --repeat until-fail:10
      ;;
    *)
      echo "run-tests.sh: no stage '$1'; there are: release asan tsan clang long seeds" >&2
      exit 2
      ;;
  esac
}

stages=("$@")
[[ ${#stages[@]} -gt 0 ]] || stages=(release asan tsan)

timed "install" scripts/install-deps.sh test
for stage in "${stages[@]}"; do
  run_stage "$stage"
done

printf '\n'
printf '%s\n' "${times[@]}"
# The first stage stands last: it is the one that ran everything.
for ((i = ${#stages[@]} - 1; i >= 0; --i)); do
  printf '\n== %s\n' "${stages[i]}"
  cat "$summaries/${stages[i]}"
done
