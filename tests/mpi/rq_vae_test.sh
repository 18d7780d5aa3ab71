#!/usr/bin/env bash
# rq_vae_test.sh TUTTI RUN_MPI: IDs by the codebooks of an RQ-VAE: the same bytes on any number of ranks, a newer catalogue through the
# same network, and what is refused.
set -euo pipefail
# shellcheck source=tests/support/program_test.sh
source "$(cd "$(dirname "${BASH_SOURCE[0]}")/../support" && pwd)/program_test.sh" "$1"
run_mpi="$2"
python3 "$support/small_playlists.py" 300 >playlists.csv
python3 "$support/small_playlists.py" 330 >more.csv
echo 'p-more,jazz 1,t-new,artist 4,name new' >>more.csv
quietly "$tutti" import csv playlists.csv --out data
quietly "$tutti" import csv more.csv --out data-new --min-tracks 1
quietly "$tutti" embed cf --dataset data --dim 16 --epochs 3 --out vectors
quietly "$tutti" embed fold-in --embeddings vectors --old-dataset data --dataset data-new --out folded

hashes() { (cd "$1" && find . -type f | sort | xargs sha256sum); }
network=(embed rq-vae --embeddings vectors --dataset data --levels 2 --num-codes 8 --latent 4 --steps 200 --batch 512)
quietly "$tutti" "${network[@]}" --out latents
grep -q 'rq-kmeans with as many codes' out.txt || { echo 'FAILED: no comparison' && cat out.txt && exit 1; }
for ranks in 2 3; do
  quietly "$run_mpi" "$ranks" "$tutti" "${network[@]}" --out "latents-$ranks"
  diff <(hashes latents) <(hashes "latents-$ranks") || { echo "FAILED: $ranks ranks make other bytes" && exit 1; }
done
build=(ids build --dataset data --quantizer rq-vae --embeddings latents --norm raw --levels 2 --num-codes 8)
quietly "$tutti" "${build[@]}" --out ids
cmp latents/codebooks.h5 ids/codebooks.h5
quietly "$tutti" ids report --ids ids --embeddings latents --dataset data --out report

quietly "$tutti" embed rq-vae --network latents --embeddings folded --dataset data-new --out latents-new
cmp latents/rq_vae.safetensors latents-new/rq_vae.safetensors
quietly "$tutti" ids rebuild --from ids --old-dataset data --dataset data-new --embeddings latents-new --out ids-new
grep -q 'churn: 0 of 60 tracks' out.txt || { echo 'FAILED: append moved tracks' && cat out.txt && exit 1; }

refused 3 'no codebooks.h5' "$tutti" "${build[@]/latents/vectors}" --out out
refused 2 '--levels, --num-codes: found 8,8,8, expected 8,8' "$tutti" "${build[@]/2/3}" --out out
refused 2 '--norm' "$tutti" "${build[@]/raw/unit}" --out out
refused 2 '--refit' "$tutti" "${build[@]}" --refit 0 --out out
refused 2 '--ema' "$tutti" "${network[@]}" --ema 1 --out out
refused 2 '--learning-rate' "$tutti" "${network[@]}" --learning-rate 0 --out out
refused 3 'no rq_vae.safetensors' "$tutti" "${network[@]}" --network vectors --out out
refused 3 'vectors of 4 numbers' "$tutti" "${network[@]/vectors/latents}" --network latents --out out
refused 3 'made from' "$tutti" embed rq-vae --embeddings folded --dataset data --out out
[[ ! -e out ]] || { echo 'FAILED: something was left behind' && exit 1; }
