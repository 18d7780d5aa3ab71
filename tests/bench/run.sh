#!/usr/bin/env bash
# Runs a benchmark against its peer and writes the dated result, docs/results/DATE-NAME.md.
#
#   tests/bench/run.sh NAME [OPTIONS OF tests/bench/NAME_bench.py]
#
# Builds NAME_bench, installs the peers of tests/bench/requirements.txt beside the torch wheel in an environment of their own, and probes
# the machine's matrix product before and after. Close everything else first: a busy machine is named in the result.
set -euo pipefail
# shellcheck source=launch/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../launch/setup.sh"

bench_dir="$tutti_root/tests/bench"
name="${1:-}"
if [[ -z "$name" || "$name" == -* || ! -e "$bench_dir/${name}_bench.py" ]]; then
  printf 'usage: tests/bench/run.sh NAME [OPTIONS], with NAME one of:\n' >&2
  for driver in "$bench_dir"/*_bench.py; do printf '  %s\n' "$(basename "${driver%_bench.py}")" >&2; done
  exit 2
fi
shift

tutti_setup --tests
targets=(tutti matmul_bench)
if [[ -e "$bench_dir/${name}_bench.cc" ]]; then targets+=("${name}_bench"); fi
tutti_build "${targets[@]}"

# The peers bring libraries of their own (OpenMP, BLAS): apart from the environment that the build links against.
peers="$tutti_cache/venv-bench-$(sha256sum "$bench_dir/requirements.txt" | cut -c1-16)"
if [[ ! -e "$peers/complete" ]]; then
  tutti_find_python
  tutti_say "Installing the packages of tests/bench/requirements.txt into $peers"
  rm -rf "$peers"
  "$tutti_python" -m venv "$peers" >&2
  "$peers/bin/python" -m pip install -r "$bench_dir/requirements.txt" </dev/null >&2
  touch "$peers/complete"
fi
# transformers runs in the environment of the conformance tests, which has torch.
export TUTTI_BENCH_TORCH_PYTHON="$TUTTI_CONFORMANCE_PYTHON"
export TUTTI_BENCH_BIN="$tutti_build_dir/tests/bench" TUTTI_BIN="$tutti_build_dir/tutti"
exec "$peers/bin/python" "$bench_dir/${name}_bench.py" "$@"
