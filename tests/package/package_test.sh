#!/usr/bin/env bash
# Builds XTree as a part of another project, installs it from there, moves the installed tree, and
# uses it through CMake and pkg-config. Each consumer is built and run.
#   package_test.sh SOURCE WORK COMPILER static|shared
set -euo pipefail
source=$1 work=$2 compiler=$3 kind=$4
[[ $kind == shared ]] && shared=ON || shared=OFF

fail() {
  echo "package_test: $*" >&2
  exit 1
}

# Runs the programs of a build directory, each with a new directory for its database.
run_consumers() {
  local name=$1 program
  for program in main templates; do
    rm -rf "$work/data"
    echo "-- $name: $program"
    "$work/$name/$program" "$work/data" || fail "$name: $program failed"
  done
}

configure_and_build() {
  local name=$1
  shift
  cmake -S "$source/tests/package/$name" -B "$work/$name" -G Ninja -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_EXPORT_COMPILE_COMMANDS=ON "$@"
  cmake --build "$work/$name"
}

# A user's sources are compiled with the user's flags and nothing else.
expect_no_leaked_flags() {
  local commands
  commands=$(grep -E '"command".*consumer/(main|templates)\.cc' "$work/$1/compile_commands.json")
  if grep -oE -- ' -(W[a-z]|f|O|march|pthread)[^ ]*' <<<"$commands" |
    grep -v -- '-fdiagnostics'; then
    fail "$1: these flags of XTree reach its users"
  fi
}

# A part of another project brings neither tests nor tools with it.
expect_no_extra_targets() {
  local extra
  extra=$(cmake --build "$work/add_subdirectory" --target help |
    grep -E '^xtree/(tests|tools|examples|bench)/.*: phony' || true)
  [[ -z $extra ]] || fail "add_subdirectory: targets that nobody asked for: $extra"
}

# The public names show, the inner layers do not.
expect_hidden_internals() {
  local names
  names=$(nm -DC --defined-only "$1")
  grep -q ' T xtree::Database::open(' <<<"$names" || fail "Database is not exported"
  if grep -E ' [A-Z] ([a-z ]+ for )?xtree::(index|persistence|wal|platform)::' <<<"$names"; then
    fail "$1 exports these names of inner layers"
  fi
}

rm -rf "$work"
mkdir -p "$work"

configure_and_build add_subdirectory -DXTREE_SOURCE="$source" -DBUILD_SHARED_LIBS="$shared" \
  -DXTREE_INSTALL=ON -DCMAKE_INSTALL_LIBDIR=lib
expect_no_leaked_flags add_subdirectory
expect_no_extra_targets
run_consumers add_subdirectory

cmake --install "$work/add_subdirectory" --prefix "$work/first"
prefix=$work/prefix
mv "$work/first" "$prefix"
if [[ $kind == shared ]]; then
  expect_hidden_internals "$prefix/lib/libxtree.so"
fi

configure_and_build find_package -DCMAKE_PREFIX_PATH="$prefix"
grep -q "xtree_DIR:PATH=$prefix/" "$work/find_package/CMakeCache.txt" || fail "another xtree found"
expect_no_leaked_flags find_package
run_consumers find_package

# Visibility of the user's own choice, as libraries that embed XTree have it.
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
pkg_config=(pkg-config --cflags --libs)
[[ $kind == shared ]] || pkg_config+=(--static)
read -ra flags <<<"$("${pkg_config[@]}" xtree)"
mkdir "$work/pkg_config"
for program in main templates; do
  "$compiler" -std=c++20 -fvisibility=hidden -o "$work/pkg_config/$program" \
    "$source/tests/package/consumer/$program.cc" "${flags[@]}" -Wl,-rpath,"$prefix/lib"
done
run_consumers pkg_config
echo "package_test: ok"
