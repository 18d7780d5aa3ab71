#!/usr/bin/env bash
# ids_rebuild_test.sh TUTTI: an ID table follows a catalogue that changes, through the program: each tier, on one rank and two,
# what is refused, and a job that is killed.
set -euo pipefail
tutti="$1"
run_mpi="$(cd "$(dirname "$0")" && pwd)/run_mpi.sh"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0
fail() { echo "FAILED: $*"; failed=1; }

# Playlists of themes; the newer set has 100 tracks more, and 50 of the old ones are gone.
python3 - <<'PYTHON'
import random
def write(name, tracks, playlists):
    random.seed(3)
    with open(name, "w") as file:
        print("playlist_id,title,track_id,artist,album", file=file)
        for p in range(playlists):
            theme = random.randrange(24)
            for t in sorted({theme * 50 + random.randrange(50) for _ in range(9)} | {random.randrange(1200) for _ in range(2)}):
                if t in tracks:
                    print(f"p{p},theme {theme} mix {p % 5},track-{t:04},artist {t // 10},album {t // 5}", file=file)
write("old.csv", set(range(0, 1100)), 900)
write("new.csv", set(range(50, 1200)), 1000)
PYTHON
"$tutti" import csv old.csv --out data --min-tracks 1 >/dev/null
"$tutti" import csv new.csv --out data-new --min-tracks 1 >/dev/null
"$tutti" embed cf --dataset data --dim 16 --epochs 4 --out embeddings >/dev/null
"$tutti" embed cf --dataset data-new --dim 16 --epochs 4 --seed 1 --out trained >/dev/null
"$tutti" embed fold-in --embeddings embeddings --old-dataset data --dataset data-new --out folded >/dev/null
"$tutti" ids build --embeddings embeddings --dataset data --out ids --levels 2 --num-codes 24,16 >/dev/null

hashes() { (cd "$1" && find . -type f | sort | xargs sha256sum); }
rebuild() { # RANKS OUT [OPTION...]
  local ranks="$1" out="$2"
  shift 2
  "$run_mpi" "$ranks" "$tutti" ids rebuild --from ids --old-dataset data --dataset data-new --out "$out" "$@"
}

# Nothing changed: the same bytes and the same name.
for tier in append refresh rebuild; do
  "$tutti" ids rebuild --from ids --old-dataset data --dataset data --embeddings embeddings --tier "$tier" --out same --overwrite >same.txt
  diff -r ids same || fail "$tier of an unchanged catalogue"
  grep -q 'churn 0' same.txt || fail "$tier of an unchanged catalogue says no churn"
done

for each in 'append folded' 'refresh folded' 'refresh trained' 'rebuild trained'; do
  read -r tier vectors <<<"$each"
  rebuild 1 "one-$tier-$vectors" --tier "$tier" --embeddings "$vectors" >"one-$tier-$vectors.txt"
  hashes "one-$tier-$vectors" >expected.sha
  for ranks in 2 3; do
    rebuild "$ranks" other --tier "$tier" --embeddings "$vectors" --overwrite >/dev/null
    hashes other | diff expected.sha - >difference.txt || fail "$tier with $vectors vectors: $ranks ranks make other bytes: $(cat difference.txt)"
  done
  "$tutti" ids report --ids "one-$tier-$vectors" --embeddings "$vectors" --dataset data-new --out "report-$tier-$vectors" >/dev/null || fail "$tier: no report"
  echo "ok: $tier with $vectors vectors"
done
grep -q 'churn: 0 of 10[0-9][0-9] tracks' one-append-folded.txt || { fail 'append moved tracks'; cat one-append-folded.txt; }
grep -q 'turned to them .* dB: they were turned' one-refresh-trained.txt || { fail 'codebooks were not turned'; cat one-refresh-trained.txt; }
python3 - <<'PYTHON' || failed=1
import json
change = json.load(open("one-append-folded/report.json"))["change"]
assert change["churn"] == {"full": 0, "prefix_1": 0, "prefix_2": 0}, change
assert change["new"] == 100 and change["removed"] == change["retired_ids"] == 50, change
old = json.load(open("ids/manifest.json"))["hash"]
manifest = json.load(open("one-append-folded/manifest.json"))
assert manifest["made_from"]["id-table"] == old and manifest["config"]["revision"] == 1, manifest
assert "mapping.h5" in manifest["files"]
PYTHON

# An appended table is one to append to.
"$tutti" ids rebuild --from one-append-folded --old-dataset data-new --dataset data --embeddings embeddings --out back >back.txt
grep -q '50 back' back.txt || { fail 'tracks that come back are not known'; cat back.txt; }

"$tutti" ids drift --from ids --old-dataset data --dataset data-new --embeddings folded >drift.txt
grep -q '^calls for ' drift.txt || { fail 'drift advises nothing'; cat drift.txt; }
[[ ! -e drift ]] || fail 'drift wrote something'
drift() { "$tutti" ids drift --from ids --old-dataset data --dataset data-new --embeddings folded "$@"; }
advises() { # TEXT OPTION...
  local text="$1"
  shift
  drift "$@" >drift.txt
  grep -q "^calls for $text" drift.txt || { fail "drift $* does not advise $text"; cat drift.txt; }
}
advises 'append' --rebuild-share 0.9 --new-share 0.9 --refresh-gain 9 --rebuild-group 99
advises 'rebuild: share of entries' --rebuild-share 0.001 --refresh-gain 9
advises 'new IDs, `tutti ids build`: share of entries' --rebuild-share 0.001 --new-share 0.001

refused() { # CODE TEXT COMMAND...
  local code="$1" text="$2" found=0
  shift 2
  "$@" >/dev/null 2>error.txt || found=$?
  ((found == code)) || fail "exit code $found, expected $code: $*"
  grep -qF -- "$text" error.txt || { fail "the error does not say '$text'"; cat error.txt; }
  [[ ! -e out ]] || fail "left behind: $*"
}
refused 2 '--new-loss: found 0.5, expected at least 1.5' drift --new-loss 0.5
refused 2 '--rebuild-group' drift --rebuild-group 0.5
refused 2 '--refresh-gain' drift --refresh-gain nan
refused 2 '--memory' "$tutti" ids rebuild --from ids --old-dataset data --dataset data-new --embeddings folded --out out --memory 1M
refused 3 'expected vectors in the space of the table' "$tutti" ids rebuild --from ids --old-dataset data --dataset data-new --embeddings trained --out out
refused 2 '--tier' "$tutti" ids rebuild --from ids --old-dataset data --dataset data-new --embeddings folded --tier other --out out
refused 3 'made from' "$tutti" ids rebuild --from ids --old-dataset data-new --dataset data-new --embeddings folded --out out
refused 3 'made from' "$tutti" ids rebuild --from ids --old-dataset data --dataset data-new --embeddings embeddings --out out
refused 2 '--overwrite' "$tutti" ids rebuild --from ids --old-dataset data --dataset data-new --embeddings folded --out ids

# Codes of a dictionary: the same bytes on any number of ranks, built, appended and refreshed.
atoms=(ids build --embeddings embeddings --dataset data --levels 2 --num-codes 24 --quantizer dictionary)
"$tutti" "${atoms[@]}" --out ids-atoms >atoms.txt
grep -q 'dictionary of 12 atoms' atoms.txt || { fail 'nothing is said of the dictionary'; cat atoms.txt; }
hashes ids-atoms >expected.sha
for ranks in 2 3; do
  "$run_mpi" "$ranks" "$tutti" "${atoms[@]}" --out other --overwrite >/dev/null
  hashes other | diff expected.sha - >difference.txt || fail "dictionary: $ranks ranks make other bytes: $(cat difference.txt)"
done
follow_atoms() { "$tutti" ids rebuild --from ids-atoms --old-dataset data --out atoms-"$1" --tier "$@"; }
follow_atoms append --dataset data --embeddings embeddings >/dev/null
diff -r ids-atoms atoms-append || fail 'append of an unchanged catalogue, dictionary'
follow_atoms append --dataset data-new --embeddings folded --overwrite >atoms.txt
grep -q 'churn: 0 of 10[0-9][0-9] tracks' atoms.txt || { fail 'append moved tracks, dictionary'; cat atoms.txt; }
follow_atoms refresh --dataset data-new --embeddings trained >/dev/null
"$run_mpi" 2 "$tutti" ids rebuild --from ids-atoms --old-dataset data --dataset data-new --embeddings trained --tier refresh --out other --overwrite >/dev/null
diff -r atoms-refresh other || fail 'refresh of a dictionary on 2 ranks'
refused 2 'append or refresh' "$tutti" ids rebuild --from ids-atoms --old-dataset data --dataset data-new --embeddings trained --tier rebuild --out out
refused 2 '--group-cap' "$tutti" "${atoms[@]}" --out out --group-cap 4
refused 2 '--balance' "$tutti" "${atoms[@]}" --out out --balance 2
refused 2 '--beam' "$tutti" "${atoms[@]}" --out out --beam 2
refused 2 'even number' "$tutti" ids build --embeddings embeddings --dataset data --levels 2 --num-codes 24,16 --quantizer dictionary --out out
refused 2 'rq-kmeans, dictionary or rq-vae' "$tutti" ids build --embeddings embeddings --dataset data --quantizer other --out out
"$tutti" "${atoms[@]}" --out other --sample 500 --overwrite | grep -q 'sample of 500' || fail 'a sample of rows, dictionary'
"$tutti" ids report --ids ids-atoms --embeddings embeddings --dataset data --out report-atoms >/dev/null || fail 'no report of a dictionary'

# Killed at any time, the table that it was to replace is whole: the old one, or the new one.
hashes ids >old.sha
for seconds in 0.05 0.1 0.2 0.4; do
  rm -rf target && cp -r ids target
  timeout -s KILL "$seconds" "$tutti" ids rebuild --from ids --old-dataset data --dataset data-new --embeddings trained --tier rebuild --out target --overwrite \
    >/dev/null 2>&1 || true
  hashes target | diff -q old.sha - >/dev/null || hashes target | diff -q <(hashes one-rebuild-trained) - >/dev/null ||
    fail "killed after $seconds s: neither the old table nor the new one"
done
exit "$failed"
