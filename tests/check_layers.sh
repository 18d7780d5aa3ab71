#!/usr/bin/env bash
# Fails when a folder includes one that stands above it (DESIGN: dist <- data <- ids <- checkpoints <- trainer <- launch),
# when a header includes torch/torch.h (20 s and 1 GB for each unit that sees it), or when dist/ or data/ or a checkpoint
# file sees torch at all.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folders=(dist data ids checkpoints trainer launch)
failed=0

refuse() { # MESSAGE GREP-ARGUMENTS...
  local message="$1" found
  shift
  if found="$(grep -rnE --include='*.h' --include='*.cc' "$@")"; then
    printf '%s:\n%s\n' "$message" "$found"
    failed=1
  fi
}

for i in "${!folders[@]}"; do
  above="$(IFS='|'; echo "${folders[*]:i+1}")"
  if [[ -n "$above" ]]; then
    refuse "${folders[i]}/ includes a folder above it" "^#include \"($above)/" "${folders[i]}"
  fi
done
refuse "quoted includes start at the root of the tree" '^#include "[^/"]+"' "${folders[@]}" tests
refuse "a header includes torch/torch.h" --exclude='*.cc' '^#include [<"]torch/(torch|all)\.h' "${folders[@]}" tests
refuse "dist/ and data/ know nothing of tensors" '^#include [<"](ATen|c10|torch)/' dist data
refuse "only the CUDA code may include a communicator's back end" '^#include <(nccl|cuda_runtime)\.h>' \
  data ids checkpoints trainer launch
exit "$failed"
