#!/usr/bin/env bash
# ids_stream_test.sh TUTTI: `ids build --memory` and `ids rebuild --memory` over ranks. Vectors that do not fit are streamed from their file and make the
# same bytes; a file that one rank cannot read ends the job with one line of error, and leaves nothing.
set -euo pipefail
tutti="$1"
run_mpi="$(cd "$(dirname "$0")" && pwd)/run_mpi.sh"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0
fail() { echo "FAILED: $*"; failed=1; }

"$tutti" synth --tracks 20000 --playlists 500 --out data >/dev/null
"$tutti" embed cf --dataset data --out embeddings --dim 128 --epochs 1 >/dev/null # 10 MB

# build RANKS OUT [OPTION...]
build() {
  local ranks="$1" out="$2"
  shift 2
  "$run_mpi" "$ranks" "$tutti" ids build --embeddings embeddings --dataset data --out "$out" --levels 2 --num-codes 16,8 \
    --max-steps 4 --refit 1 "$@"
}
# rebuild RANKS OUT [OPTION...]: the same table for vectors that were trained again
rebuild() {
  local ranks="$1" out="$2"
  shift 2
  "$run_mpi" "$ranks" "$tutti" ids rebuild --from expected --old-dataset data --dataset data --embeddings again --out "$out" --tier rebuild "$@"
}
hashes() { (cd "$1" && find . -type f | sort | xargs sha256sum); }

# find_memory COMMAND RANKS: the MiB a rank that are too little to hold its vectors and enough to stream them, by halving.
find_memory() {
  local low=64 high=512 middle code
  while ((high - low > 1)); do
    middle=$(((low + high) / 2))
    rm -rf streamed
    code=0
    "$1" "$2" streamed --memory "${middle}M" >streamed.txt 2>&1 || code=$?
    if ((code != 0)); then
      grep -q -- '--memory' streamed.txt || { cat streamed.txt >&2; return 1; }
      low=$middle
    elif grep -q 'streamed from their file' streamed.txt; then
      echo "$middle"
      return 0
    else
      high=$middle
    fi
  done
  return 1
}

build 1 expected >/dev/null
hashes expected >expected.sha
for ranks in 1 2 3; do
  if ! memory=$(find_memory build "$ranks"); then
    fail "$ranks ranks never streamed"
    continue
  fi
  if hashes streamed | diff expected.sha - >difference.txt; then
    echo "ok: $ranks ranks stream with $memory MiB each"
  else
    fail "streamed over $ranks ranks: other bytes"
    cat difference.txt
  fi
done

"$tutti" embed cf --dataset data --out again --dim 128 --epochs 1 --seed 1 >/dev/null
rebuild 1 rebuilt >/dev/null
hashes rebuilt >expected.sha
for ranks in 1 2; do
  if ! memory=$(find_memory rebuild "$ranks"); then
    fail "a rebuild on $ranks ranks never streamed"
  elif hashes streamed | diff expected.sha - >difference.txt; then
    echo "ok: a rebuild on $ranks ranks streams with $memory MiB each"
  else
    fail "a rebuild streamed over $ranks ranks: other bytes"
    cat difference.txt
  fi
done

# A damaged value in the second half of the rows: rank 0 of several does not read it.
python3 - <<'PYTHON'
with open("embeddings/embeddings.h5", "r+b") as file:
    file.seek(file.seek(0, 2) * 7 // 10)
    file.write(b"damaged")
PYTHON
for ranks in 1 2 3; do
  rm -rf out && mkdir out
  code=0
  build "$ranks" out/ids >/dev/null 2>stderr.txt || code=$?
  ((code == 3)) || fail "$ranks ranks: exit code $code, expected 3"
  (($(grep -c 'embeddings.h5: .* found damaged' stderr.txt) == 1)) || fail "$ranks ranks: not one line of error"
  [[ -z "$(ls -A out)" ]] || fail "$ranks ranks: left behind $(ls -A out)"
  ((failed == 0)) || cat stderr.txt
done
exit "$failed"
