#!/usr/bin/env bash
# ids_world_test.sh TUTTI: embeddings and IDs are the same bytes for 1, 2, 3, 4 and 7 ranks, and 1 and 2 threads a rank, as
# real jobs over real files. 1,300 tracks are three blocks of rows, so of 7 ranks some have none.
set -euo pipefail
tutti="$1"
run_mpi="$(cd "$(dirname "$0")" && pwd)/run_mpi.sh"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"

python3 - <<'PYTHON'
import random
random.seed(3)
with open("playlists.csv", "w") as file:
    print("playlist_id,title,track_id,artist,album", file=file)
    for p in range(900):
        theme = random.randrange(26)
        # Themes of 50 tracks; some tracks of others; a few playlists are the only ones that hold their tracks.
        tracks = {theme * 50 + random.randrange(50) for _ in range(8)} | {random.randrange(1300) for _ in range(2)}
        for t in sorted(tracks):
            print(f"p{p},theme {theme} mix {p % 5},track-{t * 7919 % 1300:04},artist {t // 10},album {t // 5}", file=file)
PYTHON
"$tutti" import csv playlists.csv --out data --min-tracks 1

# What the folders hold: every file, manifests included.
hashes() { (cd "$1" && find . -type f | sort | xargs sha256sum); }

# job RANKS THREADS OUT: both commands.
job() {
  "$run_mpi" "$1" "$tutti" embed cf --dataset data --out "$3/embeddings" --dim 24 --epochs 3 --threads "$2" --overwrite
  "$run_mpi" "$1" "$tutti" ids build --embeddings "$3/embeddings" --dataset data --out "$3/ids" --levels 2 \
    --num-codes 24,16 --group-cap 6 --spill-tolerance 0.5 --threads "$2" --overwrite
}

mkdir one other
job 1 1 one >one.txt
hashes one >one.sha
grep -q 'moved to another code' one.txt || { echo 'no track was spilled: the test tests less than it should'; cat one.txt; exit 1; }
failed=0
for world in "1 2" "2 1" "2 2" "3 1" "4 1" "7 1" "7 2"; do
  read -r ranks threads <<<"$world"
  job "$ranks" "$threads" other >other.txt
  if hashes other | diff one.sha - >difference.txt; then
    echo "ok: $ranks ranks, $threads threads"
  else
    echo "FAILED: $ranks ranks, $threads threads make other bytes:"
    cat difference.txt
    failed=1
  fi
done

# A table that was built over ranks says the same of itself as one that was not.
"$tutti" ids report --ids one/ids --embeddings one/embeddings --dataset data --out one/report --queries 100 >/dev/null
"$tutti" ids report --ids other/ids --embeddings other/embeddings --dataset data --out other/report --queries 100 --threads 2 >/dev/null
diff -r one/report other/report || failed=1
exit "$failed"
