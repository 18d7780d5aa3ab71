#!/usr/bin/env bash
# apptainer_test.sh: launch/apptainer.def against the tree, where no image can be built: what its steps name exists, and setup.sh does with
# them what the file relies on.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
def="$root/launch/apptainer.def"
fail() { printf 'FAILED: %s\n' "$*" && exit 1; }
section() { sed -n "/^%$1\$/,/^%/p" "$def" | sed '/^%/d'; }

# An image of Debian 12, for which setup.sh installs packages, and a C++ compiler that is new enough.
grep -qx 'Bootstrap: docker' "$def" && grep -qx 'From: debian:12' "$def" || fail "not made from Debian 12"

# Variables that %post sets mean something to setup.sh (or to ccache).
for word in $(section post | sed -n 's/^ *export //p'); do
  name="${word%%=*}"
  [[ "$name" == CCACHE_DISABLE ]] || grep -q "\${$name" "$root/launch/setup.sh" || fail "setup.sh does not read $name"
done
build="$(section post | grep -o 'TUTTI_BUILD_DIR=[^ ]*' | cut -d= -f2)"
cache="$(section post | grep -o 'TUTTI_CACHE=[^ ]*' | cut -d= -f2)"
source_tree="$(section post | sed -n 's/^ *cd //p')"
[[ -n "$build" && -n "$cache" && -n "$source_tree" ]] || fail "%post lacks a folder"
grep -q "ROOTFS}$source_tree\"" "$def" || fail "%setup does not put the tree where %post builds it"
# The program needs libtorch, in the cache, when it runs: nothing may delete it.
for gone in $(section post | sed -n 's/^ *rm -rf //p' | tr -d '"'); do
  [[ "$cache/" != "${gone%\*}"* && "$build/" != "${gone%\*}"* ]] || fail "%post deletes $gone, which the image needs"
done

# PATH finds the program and mpirun.sh, which finds job.sh beside itself.
path="$(section environment | grep -o 'PATH="[^"]*"')"
[[ "$path" == *"$build"* && "$path" == *"$source_tree/launch"* ]] || fail "PATH lacks $build or $source_tree/launch"
[[ -x "$root/launch/mpirun.sh" && -e "$root/launch/job.sh" && -x "$root/launch/setup.sh" ]] || fail "a script is not where PATH looks"
grep -q "RUNTIME_OUTPUT_DIRECTORY \${CMAKE_BINARY_DIR}" "$root/launch/CMakeLists.txt" || fail "the program is not at the top of $build"

# The build must not want the repository: the image holds an archive of it.
! grep -rn -E 'FindGit|find_package\(Git' "$root/CMakeLists.txt" "$root/launch/cmake" || fail "the build asks git"
echo "ok"
