#!/usr/bin/env bash
# Makes the Debian packages of a build, unpacks them, and uses what is in them.
#   debian_test.sh SOURCE BUILD WORK COMPILER
set -euo pipefail
source=$1 build=$2 work=$3 compiler=$4

fail() {
  echo "debian_test: $*" >&2
  exit 1
}

rm -rf "$work"
mkdir -p "$work/root"
(cd "$build" && cpack -G DEB -B "$work/packages")

found=()
for package in "$work"/packages/*.deb; do
  name=$(dpkg-deb -f "$package" Package)
  [[ -n $(dpkg-deb -f "$package" Maintainer) ]] || fail "$name names no maintainer"
  dpkg-deb -x "$package" "$work/root"
  found+=("$name")
done
[[ " ${found[*]} " == *" libxtree-dev "* ]] || fail "no libxtree-dev among: ${found[*]}"

if [[ " ${found[*]} " == *" xtree "* ]]; then
  library_path=$(dirname "$(find "$work/root/usr/lib" -name 'libxtree.*' | head -n 1)")
  LD_LIBRARY_PATH=$library_path "$work/root/usr/bin/xtree" --version || fail "xtree does not run"
fi

cmake -S "$source/tests/package/find_package" -B "$work/consumer" -G Ninja \
  -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$work/root/usr"
cmake --build "$work/consumer"
for program in main templates; do
  rm -rf "$work/data"
  "$work/consumer/$program" "$work/data" || fail "$program failed"
done
echo "debian_test: ok"
