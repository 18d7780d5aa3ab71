# The part that all batch scripts of this folder share; they source it from TUTTI_ROOT, since Slurm runs a copy of them from elsewhere.
#
#   tutti_job [--array] LAUNCHER tutti train --out RUN ... --resume
#
# LAUNCHER is `srun` (through PMIx) or `mpirun`. Decides by the program's exit code (launch/README.md) what becomes of the job:
#
#   0                  done
#   5                  stopped with a checkpoint: queued again
#   4, and kills       a rank or node was lost: queued again, unless three starts in a row brought no newer checkpoint
#   2, 3, 6, 7, 70     ends; starting again would not help
#
# at most TUTTI_MAX_RESTARTS times (default 20). With --array the job is one task of a train of jobs (`--array=1-10%1`): it queues nothing
# again, since the next task goes on; when going on would not help it cancels the tasks that wait.
# shellcheck shell=bash

# shellcheck source=launch/job.sh
source "$TUTTI_ROOT/launch/job.sh"
job_name="job ${SLURM_JOB_ID:-?}"

# The words that start the ranks of this allocation.
tutti_launcher() {
  case "$1" in
    srun)
      launcher=(srun --mpi=pmix --kill-on-bad-exit=1 --wait=60)
      # A log a node, where the batch script asks for it.
      [[ -z "${TUTTI_NODE_LOGS:-}" ]] || launcher+=(--output="$TUTTI_NODE_LOGS/%x-%j-node%n-%N.log" --open-mode=append)
      # Slurm 22.05 to 23.02 does not hand it to srun by itself.
      [[ -z "${SLURM_CPUS_PER_TASK:-}" ]] || export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"
      ;;
    mpirun)
      launcher=("${MPIEXEC:-mpirun}" --bind-to none)
      [[ -z "${TUTTI_NODE_LOGS:-}" ]] || launcher+=(--output-filename "$TUTTI_NODE_LOGS/${SLURM_JOB_NAME:-tutti}-$SLURM_JOB_ID")
      ;;
    *) job_say "unknown launcher '$1', expected srun or mpirun" && exit 2 ;;
  esac
}

tutti_job() {
  local array=0 launcher run before code verdict
  [[ "$1" == --array ]] && { array=1 && shift; }
  tutti_launcher "$1"
  shift
  run="$(job_option out "$@")"
  [[ -n "$run" ]] || { job_say "the command has no --out" && exit 2; }
  [[ -z "${TUTTI_NODE_LOGS:-}" ]] || mkdir -p "$TUTTI_NODE_LOGS"

  job_environment "$(job_option threads "$@" | grep . || echo "${SLURM_CPUS_PER_TASK:-1}")"
  # Newer Slurm says when the job ends; the program reads that itself.
  if [[ -z "${SLURM_JOB_END_TIME:-}${TUTTI_TIME_LIMIT:-}" ]]; then
    local left
    left="$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%L 2>/dev/null | head -n 1)"
    [[ "$left" =~ ^[0-9:-]+$ ]] && export TUTTI_TIME_LIMIT="$left"
  fi

  before="$(job_newest_step "$run")"
  job_forget_end "$run"
  # Starts in a row without progress: those before are told by a file. A run that has no folder after a start has made none.
  local barren="$run/starts-without-progress"
  job_barren=0
  if [[ ! -d "$run" ]]; then
    job_barren="${SLURM_RESTART_COUNT:-0}"
  elif [[ "$(cat "$barren" 2>/dev/null)" =~ ^[0-9]+$ ]]; then
    job_barren="${BASH_REMATCH[0]}"
  fi
  job_was_stopped=0
  job_run "${launcher[@]}" "$@"
  code="$(job_true_code "$job_code" "$run")"
  job_note_progress "$run" "$before"
  verdict="$(job_verdict "$code" "$run")"
  # A time limit that is too short for a step brings nothing either.
  if [[ "$verdict" == stopped ]] && ((job_barren >= job_most_barren)); then verdict=fail; fi
  job_say "the launcher ended with $job_code, the run with $code, at step $(job_newest_step "$run"): $verdict"
  if [[ "$verdict" == retry || "$verdict" == stopped ]]; then
    [[ ! -d "$run" ]] || echo "$job_barren" >"$barren" || true
  else
    if [[ "$code" =~ ^[45]$ ]] && ((job_barren >= job_most_barren)); then job_say_barren "$run"; fi
    rm -f "$barren" || true  # whoever submits it again has found out why
  fi

  if ((array)); then
    if [[ "$verdict" == fail ]]; then scancel --state=PENDING "$SLURM_ARRAY_JOB_ID"; fi
    exit "$code"
  fi
  [[ "$verdict" == retry || "$verdict" == stopped ]] || exit "$code"
  if ((${SLURM_RESTART_COUNT:-0} >= ${TUTTI_MAX_RESTARTS:-20})); then
    job_say "queued again ${SLURM_RESTART_COUNT} times already: given up"
    exit "$code"
  fi
  # A job that somebody cancelled, or that Slurm itself takes off the nodes, is Slurm's to queue again; and one that Slurm has started anew
  # while this node was cut off is not this script's any more.
  local state restarts
  state="$(scontrol --oneliner show job "$SLURM_JOB_ID" 2>/dev/null || true)"
  restarts="$(grep -o 'Restarts=[0-9]*' <<<"$state" | cut -d= -f2 || true)"
  state="$(grep -o 'JobState=[A-Z_]*' <<<"$state" | cut -d= -f2 || true)"
  if [[ "$state" != RUNNING || "$restarts" != "${SLURM_RESTART_COUNT:-0}" ]]; then
    job_say "not queued again: its state is ${state:-unknown}, start ${restarts:-?} where this was ${SLURM_RESTART_COUNT:-0}"
    exit "$code"
  fi
  scontrol requeue "$SLURM_JOB_ID" || exit "$code"
  sleep 60  # Slurm ends this script; a job that ended by itself would not be queued again
}
