#!/usr/bin/env bash
# Fault drills: real jobs that are killed, frozen, cut off, starved and signalled, under mpirun and under a real Slurm, and a loop of random
# faults. Writes docs/results/DATE-faults.md, DATE-slurm.md and DATE-chaos.md.
#
#   tests/faults/run.sh [--fast] [--only NAME] [--chaos SECONDS]
#
#   --fast           few of each, no result file: what tests/run.sh does
#   --only NAME      drills whose name has this, no result file; "Slurm" or "chaos": these alone, with theirs
#   --chaos SECONDS  length of the chaos loop (default: 600; 0: none)
#
# Hosts are network namespaces, which want root, and Slurm wants slurm-wlm and munge; drills that need what is missing are left out, and the
# result says so.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
options=() chaos=600 result=--result
while (($#)); do
  case "$1" in
    --help | -h) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" && exit 0 ;;
    --fast) options+=(--fast) chaos=0 && shift ;;
    --only)
      options+=(--only "${2:?}")
      [[ "$2" == chaos ]] || chaos=0
      [[ "$2" == chaos || "$2" == Slurm ]] || result=""
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
[[ " ${options[*]} " != *" --fast "* ]] || result=""
exec python3 "$root/tests/faults/run_drills.py" --tutti "$TUTTI_BIN" --failing-writes "$(dirname "$TUTTI_BIN")/tests/faults/libfailing_writes.so" \
  "${options[@]}" --chaos "$chaos" $result
