#!/usr/bin/env bash
# preflight_test.sh TUTTI RUN_MPI: two ranks find nothing wrong with good artefacts, and each fault by its code and name.
set -euo pipefail
tutti="$1" run_mpi="$2"
support="$(cd "$(dirname "${BASH_SOURCE[0]}")/../support" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 "$support/small_playlists.py" 300 >playlists.csv
"$tutti" import csv playlists.csv --out data >made.txt 2>&1 || { cat made.txt; exit 1; }

# ends CODE TEXT OPTION...: how the check of two ranks must end.
ends() {
  local code="$1" text="$2" found=0
  shift 2
  "$run_mpi" 2 "$tutti" preflight --out out --report report.json "$@" >said.txt 2>&1 || found=$?
  if ((found != code)) || ! grep -qF -- "$text" said.txt; then
    echo "FAILED: preflight $* ended with $found, expected $code and: $text"
    cat said.txt
    exit 1
  fi
}

ends 0 'ok: all-reduce' --dataset data
python3 - <<'PYTHON'
import json
report = json.load(open("report.json"))
assert report["code"] == 0 and len(report["hosts"]) == 2 and report["exclude"] == [], report
checks = {check["name"]: check for check in report["checks"]}
assert len(checks) == 5 and all(check["ok"] for check in checks.values()), report
assert checks["all-reduce"]["measured"]["bus_gb_per_s"] > 0
assert checks["every byte of the artefacts"]["measured"]["bytes"] > 1000
assert len(checks["speed of the ranks"]["measured"]["ms"]) == 2
assert report["seconds"] < 30, report["seconds"]
PYTHON
[[ -z "$(ls -A | grep preflight)" ]] || { echo "left behind:" && ls -A && exit 1; }

ends 7 'expected 999999999 MiB' --dataset data --need-mib 999999999
ends 4 'expected 1000000 or more' --dataset data --least-gb-per-s 1000000
ends 3 'nothere' --dataset data --ids nothere
file="$(find data -name '*.h5' | sort | tail -1)"
printf 'x' | dd of="$file" bs=1 seek=999 conv=notrunc status=none
ends 3 "$(basename "$file")" --dataset data
echo "good and bad are told apart"
