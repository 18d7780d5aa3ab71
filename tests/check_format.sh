#!/usr/bin/env bash
# Fails when clang-format 14 would change a C++ file of the tree. --fix changes them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
formatter="$(command -v clang-format-14 || command -v clang-format)"
mode=(--dry-run --Werror)
if [[ "${1:-}" == --fix ]]; then mode=(-i); fi
git ls-files -z --cached --others --exclude-standard '*.cc' '*.h' | xargs -0 -r -P2 -n20 "$formatter" "${mode[@]}"
