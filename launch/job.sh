# What the launch scripts share; sourced by launch/mpirun.sh and launch/slurm/*.sbatch.
#
# A launcher puts codes of its own in place of the program's: Open MPI's mpirun ends with 137 or 143 when a rank was killed, 205 when a
# node was lost, 1 when it was itself sent a TERM. So a code is read together with RUN/exit.json, which a run makes when it starts
# training ("running") and again when it ends.
# shellcheck shell=bash

job_say() { printf '%s: %s\n' "${job_name:-launch}" "$*" >&2; }

# job_option NAME WORDS...: the value of --NAME in a command; nothing when it is not there.
job_option() {
  local name="$1" word previous=""
  shift
  for word in "$@"; do
    [[ "$previous" == "--$name" ]] && { printf '%s' "$word"; return; }
    [[ "$word" == "--$name="* ]] && { printf '%s' "${word#*=}"; return; }
    previous="$word"
  done
}

# What RUN/exit.json said before the present start is of another one, which has a word of its own. It is not taken away: it may be of a job
# that trains there still, and that this start will be refused for.
job_former_start=""
job_forget_end() {
  job_former_start="$(job_recorded start "$1")"
  [[ -n "$job_former_start" ]] || rm -f "$1/exit.json"
}

job_recorded() { sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" "$2/exit.json" 2>/dev/null || true; }

# job_field NAME RUN: a number or a word of RUN/exit.json, of the present start.
job_field() {
  [[ -n "$job_former_start" && "$(job_recorded start "$2")" == "$job_former_start" ]] || job_recorded "$1" "$2"
}

# The step of the newest checkpoint of a run; 0 when there is none.
job_newest_step() {
  local newest
  newest="$(find "$1/checkpoints" -mindepth 1 -maxdepth 1 -name 'step-*' 2>/dev/null | sort | tail -n 1)"
  newest="${newest##*step-}"
  printf '%d' "$((10#${newest:-0}))"
}

# Is this code none of the program's?
job_is_launchers() { case "$1" in 0 | 2 | 3 | 4 | 5 | 6 | 7 | 70) return 1 ;; esac; }

# job_true_code CODE RUN: the program's exit code behind a launcher's.
job_true_code() {
  local code="$1" run="$2" recorded
  recorded="$(job_field code "$run")"
  case "$code" in
    2 | 3 | 4 | 5 | 6 | 7 | 70) printf '%d' "$code"; return ;;
    0) if [[ "$recorded" == 0 ]]; then printf 0; else printf 4; fi; return ;;  # srun ends so when a node never started its tasks
  esac
  if [[ -n "$recorded" && "$recorded" != -1 ]]; then
    printf '%d' "$recorded"
  elif [[ "$recorded" == -1 || "$code" == 137 || "$code" == 143 || "$code" == 205 ]]; then
    printf 4  # the job was ended from outside, or lost a node
  else
    printf '%d' "$code"  # it never began: nothing to try again
  fi
}

# How many starts in a row may bring no newer checkpoint before a run is given up: two faults within the time between two checkpoints
# are bad luck, a third one is no accident.
job_most_barren=3
job_barren=0  # starts in a row, up to the one that ended last, that brought none

# job_note_progress RUN STEP_BEFORE: a start has ended that began at a checkpoint of this step.
job_note_progress() {
  if (($(job_newest_step "$1") > $2)); then job_barren=0; else job_barren=$((job_barren + 1)); fi
}

# job_verdict CODE RUN: what to do about a true code: done, stopped (with a checkpoint), retry, or fail. A run that lost a rank is tried
# again while it makes progress.
job_verdict() {
  case "$1" in
    0) printf 'done' ;;
    5) if [[ "$(job_field reason "$2")" == stop-file ]]; then printf fail; else printf stopped; fi ;;
    4) if ((job_barren < job_most_barren)); then printf retry; else printf fail; fi ;;
    *) printf fail ;;
  esac
}

# job_say_barren RUN: why a run that might be tried again is given up.
job_say_barren() { job_say "given up: $job_barren starts in a row brought no newer checkpoint than that of step $(job_newest_step "$1")"; }

# job_environment THREADS: what ranks want to be told. TUTTI_INTERFACE names the network between nodes, as an interface (ib0) or, for
# MPI alone, an address range (10.0.0.0/8), where the first one that a library finds is the wrong one.
job_environment() {
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$1}"
  if (($(id -u) == 0)); then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
  if [[ -n "${TUTTI_INTERFACE:-}" ]]; then
    export OMPI_MCA_btl_tcp_if_include="$TUTTI_INTERFACE" OMPI_MCA_oob_tcp_if_include="$TUTTI_INTERFACE"
    [[ "$TUTTI_INTERFACE" == */* ]] || export NCCL_SOCKET_IFNAME="=$TUTTI_INTERFACE"
  fi
}

# job_end_late LAUNCHER RUN: ends a launcher that goes on waiting when the ranks have ended: mpirun waits without end for the answer of a
# machine that the network has lost. TUTTI_LAUNCHER_PATIENCE: for how many seconds it may.
job_end_late() {
  local waited=0
  while sleep 1 && kill -0 "$1" 2>/dev/null; do
    [[ "$(job_field code "$2")" =~ ^[0-9]+$ ]] || continue  # a run that trains has -1
    ((++waited >= ${TUTTI_LAUNCHER_PATIENCE:-30})) || continue
    job_say "the ranks have ended, their launcher has not: ending it"
    kill -TERM "$1" 2>/dev/null
    sleep 3
    kill -KILL "$1" 2>/dev/null
    return
  done
}

# job_run COMMAND...: runs the launcher in the background and waits for it. TERM, USR1 and USR2 to this script reach it as USR2, which
# mpirun and srun pass on to the ranks: a TERM would give them two seconds. Sets job_code and job_was_stopped.
job_run() {
  local interrupted=0
  "$@" </dev/null &
  local launcher=$! watcher=""
  if [[ -n "${run:-}" ]]; then
    job_end_late "$launcher" "$run" &
    watcher=$!
  fi
  trap 'interrupted=1; job_was_stopped=1; kill -USR2 "$launcher" 2>/dev/null || true' TERM USR1 USR2
  job_code=0
  wait "$launcher" || job_code=$?
  while ((interrupted)); do  # a wait that a signal ended has not waited
    interrupted=0
    job_code=0
    wait "$launcher" || job_code=$?
  done
  trap - TERM USR1 USR2
  [[ -z "$watcher" ]] || { kill "$watcher" && wait "$watcher"; } 2>/dev/null || true
}
