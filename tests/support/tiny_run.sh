# Sourced by tests that start many small training runs: tiny_data TUTTI makes data and ids in the present folder; tiny_train[@] is a run
# of some seconds that wants --out. await CONDITION... waits for a command to succeed, at most 30 s.
# shellcheck shell=bash

tiny_data() {
  local support
  support="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
  python3 "$support/small_playlists.py" 600 >playlists.csv
  {
    "$1" import csv playlists.csv --out data
    "$1" embed cf --dataset data --out embeddings --dim 64 --epochs 2
    "$1" ids build --embeddings embeddings --dataset data --out ids --levels 2 --num-codes 4
  } >made.txt 2>&1 || { cat made.txt && exit 1; }
}

# shellcheck disable=SC2034  # for those that source this
tiny_train=(train --dataset data --ids ids --titles-per-step 6 --d-model 16 --d-kv 8 --num-heads 2 --d-ff 16 --num-layers 1
  --num-decoder-layers 1 --vocabulary-size 300)

await() {
  local i
  for ((i = 0; i < 3000; ++i)); do
    if "$@"; then return 0; fi
    sleep 0.01
  done
  printf 'waited in vain for: %s\n' "$*"
  return 1
}

# Steps in the log of a run, at least N of them.
has_steps() { [[ -e "$1/log.jsonl" ]] && (($(wc -l <"$1/log.jsonl") >= $2)); }

# The processes below PID that run tutti: the ranks.
ranks_below() {
  local child
  for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
    if [[ "$(cat "/proc/$child/comm" 2>/dev/null)" == tutti ]]; then echo "$child"; fi
    ranks_below "$child"
  done
}

fail() {
  printf 'FAILED: %s\n' "$*"
  exit 1
}
