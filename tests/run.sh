#!/usr/bin/env bash
# Builds everything and runs every test through CTest. Installs what is missing first (launch/setup.sh lists the variables
# and says what --no-install does).
#
#   tests/run.sh [--no-install] [-- CTEST OPTIONS]        say, -- -L unit -R Options
set -euo pipefail
# shellcheck source=launch/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../launch/setup.sh"

setup_options=(--tests)
while (($#)); do
  case "$1" in
    --help | -h)
      sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    --)
      shift
      break
      ;;
    *) setup_options+=("$1") ;;
  esac
  shift
done

tutti_setup "${setup_options[@]}"
tutti_build all
if (($(id -u) == 0)); then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
tutti_say "Testing"
cd "$tutti_build_dir"
ctest --output-on-failure -j 2 --output-junit "$tutti_build_dir/tests.xml" "$@" </dev/null
