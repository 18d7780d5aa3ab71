# Sourced by shell tests of the program, as `source program_test.sh TUTTI`: a work folder that goes away at the end, and commands that must
# end well or badly.
tutti="$1"
support="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
export OMP_NUM_THREADS=1
export PYTHONPATH="$support" PYTHONDONTWRITEBYTECODE=1  # the scripts of the tests import what is here

quietly() {
  "$@" >out.txt 2>&1 </dev/null || {
    printf 'FAILED: %s\n' "${*/#$tutti/tutti}"
    cat out.txt
    exit 1
  }
}
# refused CODE WORDS COMMAND...: ends with that code and says so.
refused() {
  local code="$1" words="$2" status=0
  shift 2
  "$@" >out.txt 2>&1 </dev/null || status=$?
  if [[ "$status" != "$code" ]] || ! grep -qF -- "$words" out.txt; then
    printf 'FAILED: %s\nexit code %s, expected %s and "%s"\n' "${*/#$tutti/tutti}" "$status" "$code" "$words"
    cat out.txt
    exit 1
  fi
  echo "ok: refused, $words"
}
