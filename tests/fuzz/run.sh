#!/usr/bin/env bash
# Fuzzes the readers of foreign files (safetensors, GGUF, tokenizer.json, config.json) with libFuzzer under the address and
# undefined-behaviour sanitizers. Needs clang with its runtime (Debian: clang-14, libclang-rt-14-dev).
#
#   tests/fuzz/run.sh [MINUTES] [TARGET...]     minutes a target (default 10); targets: safetensors gguf tokenizer_json
#                                               config_json (default: all, one after the other)
#
# A finding ends the run with the file that shows it. Corpora and builds stay in build/fuzz, so that a next run goes on.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
cd "$root"
minutes="${1:-10}"
[[ "$minutes" =~ ^[0-9]+$ ]] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0"; exit 2; }
shift || true
targets=("$@")
((${#targets[@]})) || targets=(safetensors gguf tokenizer_json config_json)
compiler="${CXX:-clang++-14}"
command -v "$compiler" >/dev/null || { echo "error: no $compiler (Debian: clang-14, libclang-rt-14-dev)" >&2; exit 1; }
out="${TUTTI_FUZZ_DIR:-$root/build/fuzz}"
mkdir -p "$out/objects"

# The readers and what they are made of; none needs torch.
sources=(checkpoints/{bert_config,file_mapping,json_fields,llama_config,lora,safetensors,safetensors_header,t5_config}.cc
  checkpoints/import/{bert_config_json,gguf,gguf_quants,gguf_values,hf_config,hf_llama_config,hf_weights}.cc
  data/normalizer.cc data/tokenizer.cc dist/runtime/errors.cc)
for file in data/tokenizers/*.cc; do
  [[ "$file" == *sentencepiece_training.cc ]] || sources+=("$file")
done
flags=(-std=c++20 -O1 -g -I. -include tests/clang14_source_location.h -fsanitize=address,undefined
  -fno-sanitize-recover=undefined -DFMT_SHARED)
libraries=(-lfmt -lcrypto $(pkg-config --libs icu-uc icu-i18n libpcre2-8 sentencepiece))

compile() {
  local object="$out/objects/${1//\//_}.o"
  [[ "$object" -nt "$1" ]] || "$compiler" "${flags[@]}" -fsanitize=fuzzer-no-link -c "$1" -o "$object"
  echo "$object"
}
objects=()
for file in "${sources[@]}"; do objects+=("$(compile "$file")"); done

seconds=$((minutes * 60))
for target in "${targets[@]}"; do
  main="$(compile "tests/fuzz/fuzz_$target.cc")"
  "$compiler" "${flags[@]}" -fsanitize=fuzzer "$main" "${objects[@]}" "${libraries[@]}" -o "$out/fuzz_$target"
  corpus="$out/corpus_$target"
  mkdir -p "$corpus"
  python3 tests/fuzz/make_seeds.py "$target" "$corpus"
  echo "== $target: $minutes minutes"
  (cd "$out" && "./fuzz_$target" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=3000 -timeout=20 \
    -malloc_limit_mb=2000 -print_final_stats=1 -verbosity=0 "$corpus") 2>&1 | tee "$out/$target.log"
  echo "== $target: clean"
done
