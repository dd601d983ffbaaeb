#!/usr/bin/env bash
# Installs what XTree needs on Debian 12, as root. Does nothing where all of it is there already.
#   install-deps.sh build   to build the library, the command and the examples
#   install-deps.sh test    for all that, the tests, and the second compiler
set -euo pipefail

packages=(g++ cmake ninja-build pkg-config liblz4-dev libzstd-dev libcli11-dev libcsv-dev
  libfmt-dev nlohmann-json3-dev)
case "${1-}" in
  build) ;;
  test)
    # libclang-rt: the sanitizers of clang. dpkg-dev and file: what cpack looks into packages with.
    # valgrind: the tests of work count instructions, others run under memcheck.
    packages+=(libgtest-dev libbenchmark-dev clang-16 libclang-rt-16-dev python3 dpkg-dev file
      valgrind)
    ;;
  *)
    echo "usage: $0 build|test" >&2
    exit 2
    ;;
esac

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

echo "== install: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "${missing[@]}"
