#!/usr/bin/env bash
# Fault drills: real jobs that are killed, frozen, cut off, starved and signalled, and a loop of random
# faults. Writes docs/results/DATE-faults.md and DATE-chaos.md.
#
#   tests/faults/run.sh [--fast] [--only NAME] [--chaos SECONDS]
#
#   --fast           few of each, no result file: what tests/run.sh does
#   --only NAME      drills whose name has this, no result file; "chaos": the loop alone
#   --chaos SECONDS  length of the chaos loop (default: 600; 0: none)
#
# Hosts are network namespaces, which want root; drills that need them are left out elsewhere, and the result says so.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
options=() chaos=600 result=--result
while (($#)); do
  case "$1" in
    --help | -h) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" && exit 0 ;;
    --fast) options+=(--fast) chaos=0 result="" && shift ;;
    --only)
      options+=(--only "${2:?}")
      [[ "$2" == chaos ]] || result="" chaos=0
      shift 2
      ;;
    --chaos) chaos="${2:?}" && shift 2 ;;
    *) printf 'unknown option %s; try --help\n' "$1" >&2 && exit 2 ;;
  esac
done
if [[ -z "${TUTTI_BIN:-}" ]]; then
  # shellcheck source=launch/setup.sh
  source "$root/launch/setup.sh"
  tutti_setup --tests
  tutti_build tutti failing_writes
  TUTTI_BIN="$tutti_build_dir/tutti"
fi
exec python3 "$root/tests/faults/run_drills.py" --tutti "$TUTTI_BIN" --failing-writes "$(dirname "$TUTTI_BIN")/tests/faults/libfailing_writes.so" \
  "${options[@]}" --chaos "$chaos" $result
