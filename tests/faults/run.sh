#!/usr/bin/env bash
# The long drills: tests/faults/run.sh [OPTIONS OF drills.py]. Builds, then writes docs/results/DATE-faults.md.
set -euo pipefail
# shellcheck source=launch/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../launch/setup.sh"
tutti_setup
tutti_build tutti
exec python3 "$tutti_root/tests/faults/drills.py" "$tutti_build_dir/tutti" "$@"
