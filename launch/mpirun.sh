#!/usr/bin/env bash
# Runs a tutti command on several ranks of this machine or of the machines of a host file, and starts a training run again when a rank
# is lost.
#
#   launch/mpirun.sh [-n RANKS] [--hostfile FILE] [--restarts N] [--logs DIR] -- tutti train --out RUN ... --resume
#
#   -n RANKS         ranks (default: what mpirun finds; without a host file the cores of this machine)
#   --hostfile FILE  machines, as mpirun reads them
#   --restarts N     how often a run that lost a rank or a machine is started again from its newest checkpoint (default: 3). It is given
#                    up earlier when three starts in a row bring no newer checkpoint, and never tried again after a wrong option, bad
#                    data, numbers that are not finite, or a full disk.
#   --logs DIR       what each rank prints, in files below DIR
#
# To stop a run with a checkpoint send TERM, USR1 or USR2 to this script. Its exit code is the program's (launch/README.md).
# TUTTI_INTERFACE=ib0 names the network between machines. `mpirun` is looked for on PATH, or is $MPIEXEC.
set -euo pipefail
# shellcheck source=launch/job.sh
source "$(dirname "${BASH_SOURCE[0]}")/job.sh"
job_name=launch/mpirun.sh

usage() {
  sed -n '2,/^set /s/^# \{0,1\}//p' "$0"
  exit "$1"
}

ranks="" hostfile="" restarts=3 logs=""
while (($#)); do
  case "$1" in
    --help | -h) usage 0 ;;
    -n | --hostfile | --restarts | --logs)
      (($# > 1)) || { job_say "$1 wants a value" && exit 2; }
      case "$1" in -n) ranks="$2" ;; --hostfile) hostfile="$2" ;; --restarts) restarts="$2" ;; --logs) logs="$2" ;; esac
      shift 2
      ;;
    --) shift && break ;;
    *) job_say "unknown option '$1'; the command comes behind --" && exit 2 ;;
  esac
done
(($#)) || { job_say "no command; try --help" && exit 2; }
[[ "$ranks$restarts" =~ ^[0-9]+$ ]] || { job_say "-n and --restarts want whole numbers" && exit 2; }

command=("$@")
run="" resumable=0
if [[ "${2:-}" == train ]]; then
  run="$(job_option out "$@")"
  for word in "$@"; do [[ "$word" == --resume* ]] && resumable=1; done
fi

job_environment "$(job_option threads "$@" | grep . || echo 1)"
launcher=("${MPIEXEC:-mpirun}")
if "${launcher[0]}" --version 2>/dev/null | grep -q -E 'Open MPI|Open RTE|PRRTE'; then
  launcher+=(--bind-to none)
  if [[ -n "$ranks" && -z "$hostfile" ]] && (($(nproc) < ranks)); then launcher+=(--oversubscribe); fi
  [[ -n "$logs" ]] && launcher+=(--output-filename "$logs")
elif [[ -n "$logs" ]]; then
  job_say "--logs needs Open MPI's mpirun" && exit 2
fi
[[ -n "$ranks" ]] && launcher+=(-n "$ranks")
[[ -n "$hostfile" ]] && launcher+=(--hostfile "$hostfile")

job_was_stopped=0
pause=5
for ((start = 0; ; ++start)); do
  before=0
  if [[ -n "$run" ]]; then
    before="$(job_newest_step "$run")"
    job_forget_end "$run"
  fi
  job_run "${launcher[@]}" "${command[@]}"
  [[ -n "$run" ]] || exit "$job_code"
  code="$(job_true_code "$job_code" "$run")"
  never_began=0
  if ((start > 0)) && [[ -z "$(job_field code "$run")" ]] && job_is_launchers "$code"; then
    never_began=1 code=4  # it did before: the machine or network that was lost is not back yet
  else
    job_note_progress "$run" "$before"
    pause=5
  fi
  ((code == job_code)) || job_say "the launcher ended with $job_code; for the run that is $code"
  verdict="$(job_verdict "$code" "$run")"
  if [[ "$verdict" != retry ]]; then
    ((code != 4)) || job_say_barren "$run"
    exit "$code"
  fi
  if ((job_was_stopped)); then exit "$code"; fi
  if ((!resumable)); then
    job_say "a rank was lost; give --resume to have the run go on by itself"
    exit "$code"
  fi
  if ((start >= restarts)); then
    job_say "a rank was lost and the run was started again $start times: given up"
    exit "$code"
  fi
  if ((never_began)); then
    sleep "$pause"
    pause=$((pause < 150 ? 2 * pause : 300))
  fi
  job_say "a rank was lost; starting again from step $(job_newest_step "$run") (restart $((start + 1)) of $restarts)"
done
