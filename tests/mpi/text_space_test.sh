#!/usr/bin/env bash
# text_space_test.sh TUTTI RUN_MPI: IDs in text space, from playlists to a table: the same bytes on any number of ranks, whole or absent,
# and for a changed catalogue as in every space.
set -euo pipefail
# shellcheck source=tests/support/program_test.sh
source "$(cd "$(dirname "${BASH_SOURCE[0]}")/../support" && pwd)/program_test.sh" "$1"
run_mpi="$2"
for seed in 1 2; do python3 "$support/small_bert.py" "bert-$seed" "$seed"; done
python3 "$support/small_playlists.py" 300 >playlists.csv
python3 "$support/small_playlists.py" 330 >more.csv
echo 'p-more,jazz 1,t-new,artist 4,name new' >>more.csv
quietly "$tutti" import csv playlists.csv --out data
quietly "$tutti" import csv more.csv --out data-new --min-tracks 1

hashes() { (cd "$1" && find . -type f | sort | xargs sha256sum); }
quietly "$tutti" embed text --dataset data --base bert-1 --out text
for ranks in 2 3; do
  quietly "$run_mpi" "$ranks" "$tutti" embed text --dataset data --base bert-1 --out "text-$ranks"
  diff <(hashes text) <(hashes "text-$ranks") || { echo "FAILED: $ranks ranks make other bytes" && exit 1; }
done
quietly "$tutti" embed text --dataset data --base bert-2 --out other
python3 - <<'PYTHON'
import json
text, other = (json.load(open(name + "/manifest.json")) for name in ("text", "other"))
assert text["config"]["space"] == "text" and text["config"]["encoder"] != other["config"]["encoder"], text
assert text["counts"] == {"rows": 60, "dim": 12}, text
PYTHON
quietly "$tutti" ids build --embeddings text --dataset data --out ids --levels 2 --num-codes 8
quietly "$tutti" ids report --ids ids --embeddings text --dataset data --out report
# No fold-in: text space stays as it is, so vectors of the newer playlists are in it.
quietly "$tutti" embed text --dataset data-new --base bert-1 --out text-new
quietly "$tutti" ids rebuild --from ids --old-dataset data --dataset data-new --embeddings text-new --out ids-new
grep -q 'churn: 0 of 60 tracks' out.txt || { echo 'FAILED: append moved tracks' && cat out.txt && exit 1; }

refused 2 '--base' "$tutti" embed text --dataset data --base nobody --out out
refused 2 '--overwrite' "$tutti" embed text --dataset data --base bert-1 --out text
refused 2 '--threads' "$tutti" embed text --dataset data --base bert-1 --out out --threads 0
refused 3 'config.json' "$tutti" embed text --dataset data --base data --out out
refused 3 "option 'unobserved-weight'" "$tutti" embed fold-in --embeddings text --old-dataset data --dataset data-new --out out
timeout -s KILL 0.1 "$tutti" embed text --dataset data --base bert-1 --out out >/dev/null 2>&1 || true
[[ ! -e out || -e out/manifest.json ]] || { echo "FAILED: half an artefact was left behind" && exit 1; }
