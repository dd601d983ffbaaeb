#!/usr/bin/env bash
# Runs clang-format and clang-tidy over the sources.
#   lint.sh          says what is wrong; needs a configured build/dev for the compile commands
#   lint.sh --fix    formats in place, and then says what clang-tidy finds
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t sources < <(find include src tools examples tests -name '*.h' -o -name '*.cc' | sort)
if [[ ${1-} == --fix ]]; then
  clang-format-16 -i "${sources[@]}"
else
  clang-format-16 --dry-run --Werror "${sources[@]}"
fi

[[ -f build/dev/compile_commands.json ]] || cmake --preset dev
find src tools examples -name '*.cc' -print0 | sort -z |
  xargs -0 -n 4 -P "$(nproc)" clang-tidy-16 -p build/dev --quiet
