#!/usr/bin/env bash
# watch_test.sh RUN_MPI WATCH_PROBE FAULT RANK CODE PATTERN...: a watched job of three ranks, one of which meets a fault, ends with
# this code ("fail": any but 0) within its limit of 3 s and what the launcher takes, and each PATTERN is in a line of its output.
set -u
run_mpi=$1 probe=$2 fault=$3 rank=$4 code=$5
shift 5
begin=$(date +%s%N)
output=$("$run_mpi" 3 "$probe" "$fault" "$rank" 2>&1)
found=$?
took_ms=$((($(date +%s%N) - begin) / 1000000))
printf '%s\n' "$output"
if [[ "$code" == fail ]]; then
  ((found != 0)) || { echo "exit code 0, expected another"; exit 1; }
elif ((found != code)); then
  echo "exit code $found, expected $code"
  exit 1
fi
for pattern in "$@"; do
  grep -qE "$pattern" <<<"$output" || { echo "no line is like: $pattern"; exit 1; }
done
# Start, a second until the fault, 3 s of patience, 5 s of MPI_Abort at most, and a loaded machine.
((took_ms < 15000)) || { echo "it took $took_ms ms"; exit 1; }
