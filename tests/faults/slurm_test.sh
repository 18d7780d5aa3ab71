#!/usr/bin/env bash
# slurm_test.sh TUTTI [all]: the batch scripts of launch/slurm under a real Slurm: a controller and two nodes, started here in namespaces of
# their own (network, processes, mounts, host name), which take everything with them when this ends. `all`: also what takes minutes (a
# real time limit, a node that goes down) and scontrol requeue.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

if [[ "${1:-}" != --inside ]]; then
  skip() { printf 'skipped: %s\n' "$*" && exit 77; }
  (($(id -u) == 0)) || skip "needs root, for namespaces and slurmd"
  for tool in slurmctld slurmd sbatch srun munged ip unshare; do
    command -v "$tool" >/dev/null || PATH="$PATH:/usr/sbin:/sbin" command -v "$tool" >/dev/null || skip "no $tool"
  done
  spaces=(--net --mount --uts --ipc --pid --fork --mount-proc --kill-child)
  unshare "${spaces[@]}" true 2>/dev/null || skip "this machine does not let root make namespaces"
  work="$(mktemp -d)"
  trap 'rm -rf "$work"' EXIT
  unshare "${spaces[@]}" "${BASH_SOURCE[0]}" --inside "$1" "$work" "${2:-}"
  exit
fi

tutti="$2" work="$3" which="${4:-}"
PATH="$PATH:/usr/sbin:/sbin"
# shellcheck source=tests/support/tiny_run.sh
source "$root/tests/support/tiny_run.sh"
cd "$work"

# A machine with a network: Slurm's clients want an address that is not the loopback's.
hostname tuttinode
ip link set lo up
ip link add slurm0 type veth peer name slurm1
ip addr add 10.251.0.1/24 dev slurm0
ip link set slurm0 up && ip link set slurm1 up
printf '127.0.0.1 localhost\n10.251.0.1 tuttinode n1 n2\n' >hosts
mount --bind hosts /etc/hosts

mkdir state munge tmp-n1 tmp-n2
head -c 1024 /dev/urandom >munge/key
chmod 0400 munge/key && chmod 0711 "$work" && chmod 0700 munge
munged --force --key-file="$work/munge/key" --socket="$work/munge.socket" --pid-file="$work/munge/pid" \
  --log-file="$work/munge/log" --seed-file="$work/munge/seed"
cat >slurm.conf <<CONF
ClusterName=tutti
SlurmctldHost=tuttinode(10.251.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket,cred_expire=5
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool-%n
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd-%n.pid
TmpFS=$work/tmp-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=pmix
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
KillWait=5
SlurmdTimeout=15
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,bf_interval=1,sched_min_interval=0
NodeName=n1 NodeHostname=tuttinode NodeAddr=10.251.0.1 Port=17001 CPUs=2 State=UNKNOWN
NodeName=n2 NodeHostname=tuttinode NodeAddr=10.251.0.1 Port=17002 CPUs=2 State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$work/slurm.conf"
slurmctld -D >slurmctld.log 2>&1 &
declare -A slurmd
for node in n1 n2; do
  mkdir "spool-$node"
  slurmd -N "$node" -D >"slurmd-$node.log" 2>&1 &
  slurmd[$node]=$!
done
nodes_are_idle() { [[ "$(sinfo --noheader --Node --format=%t 2>/dev/null | sort | uniq -c | tr -s ' ')" == " 2 idle" ]]; }
await nodes_are_idle || { tail -n 20 slurm*.log && fail "Slurm did not start"; }

# The scripts as they are, in a folder with data, ids and run; the environment makes the model small, and the tests' ranks few.
mkdir -p tree/build/release
ln -s "$root/launch" tree/launch
ln -s "$tutti" tree/build/release/tutti
export TUTTI_ROOT="$work/tree" TUTTI_D_MODEL=16 TUTTI_D_KV=8 TUTTI_NUM_HEADS=2 TUTTI_D_FF=16 TUTTI_NUM_LAYERS=1 TUTTI_NUM_DECODER_LAYERS=1 \
  TUTTI_VOCABULARY_SIZE=300 TUTTI_TITLES_PER_STEP=6
# Both nodes have one host name here, where Open MPI's shared memory mistakes ranks for each other.
export OMPI_MCA_btl=self,tcp OMPI_MCA_mpi_yield_when_idle=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
tiny_data "$tutti"

submit() { sbatch --parsable --cpus-per-task=1 "$@"; }
steps_of() { wc -l <run/log.jsonl 2>/dev/null || echo 0; }
has_restarted() { [[ "$(scontrol show job "$1" | grep -o 'Restarts=[0-9]*')" == "Restarts=$2" ]]; }
has_ended() { [[ "$(scontrol show job "$1" | grep -o 'JobState=[A-Z]*')" =~ COMPLETED|FAILED|CANCELLED ]]; }
exit_code() { scontrol show job "$1" | grep -o 'ExitCode=[0-9]*' | cut -d= -f2; }
has_more_steps_than() { (($(steps_of) > $1)); }
await_long() { await "$@" || await "$@" || { cat ./*.log && fail "$*"; }; }
no_step_twice() {
  python3 -c 'import json, sys
steps = [json.loads(line)["step"] for line in open("run/log.jsonl") if "step_ms" in line]
sys.exit(steps != list(range(1, len(steps) + 1)) and "steps are missing or double")'
}

# Slurm's warning (here: the same signal, by hand) stops the run with a checkpoint; the job is queued again and goes on.
job="$(submit --ntasks-per-node=2 "$TUTTI_ROOT/launch/slurm/single_node.sbatch")"
await_long has_steps run 30
scancel --signal=USR2 --batch "$job"
await_long has_restarted "$job" 1
before="$(steps_of)"
await_long has_more_steps_than "$((before + 20))"
touch run/stop
await_long has_ended "$job"
[[ "$(exit_code "$job")" == 5 ]] || fail "the job ended with $(exit_code "$job"), expected 5"
no_step_twice
grep -q "stopped" "tutti-$job.log" || fail "the log does not say why"
echo "ok: a signal, a requeue, a stop file"

# A rank is killed on one of two nodes: the job is queued again and goes on from its checkpoint.
rm -rf run
export TUTTI_SEED=2
job="$(submit --nodes=2 --ntasks-per-node=1 "$TUTTI_ROOT/launch/slurm/many_nodes.sbatch")"
await_long has_steps run 1100  # a checkpoint is at 1000
mapfile -t ranks < <(pgrep -x tutti)
kill -KILL "${ranks[-1]}"
await_long has_restarted "$job" 1
await_long has_more_steps_than 1200
for node in 0 1; do
  compgen -G "logs/tutti-$job-node$node-*.log" >/dev/null || { ls logs && fail "there is no log of node $node"; }
done
scancel "$job"
await_long has_ended "$job"
no_step_twice
echo "ok: a rank killed on one of two nodes"

# What cannot work is not queued again.
rm -rf run
export TUTTI_D_KV=-1
job="$(submit --ntasks-per-node=1 "$TUTTI_ROOT/launch/slurm/single_node.sbatch")"
await_long has_ended "$job"
[[ "$(exit_code "$job")" == 2 ]] && has_restarted "$job" 0 || fail "a wrong option: code $(exit_code "$job")"
echo "ok: a wrong option"
[[ "$which" == all ]] || exit 0

# Each part starts a run anew, and ends it.
export TUTTI_D_KV=8
begin_part() { rm -rf run && export TUTTI_SEED="$1"; }
end_part() { scancel "$1" && await_long has_ended "$1" && no_step_twice; }

begin_part 3
job="$(submit --ntasks-per-node=2 "$TUTTI_ROOT/launch/slurm/single_node.sbatch")"
await_long has_steps run 30
scontrol requeue "$job"
await_long has_restarted "$job" 1
before="$(steps_of)"
await_long has_more_steps_than "$((before + 20))"
end_part "$job"
echo "ok: scontrol requeue"

# One minute is the shortest limit there is; the warning comes up to a minute early.
begin_part 4
job="$(submit --ntasks-per-node=2 --time=1 --signal=B:USR2@20 "$TUTTI_ROOT/launch/slurm/single_node.sbatch")"
await_long has_steps run 30
for i in 1 2 3; do has_restarted "$job" 1 && break || await has_restarted "$job" 1 || true; done
await_long has_restarted "$job" 1
before="$(steps_of)"
await_long has_more_steps_than "$((before + 20))"
grep -q -E "stopped \((time-limit|signal 12|another rank)\)" "tutti-$job.log" || fail "the log does not say that time was over"
end_part "$job"
echo "ok: a time limit"

begin_part 5
job="$(submit --nodes=2 --ntasks-per-node=1 "$TUTTI_ROOT/launch/slurm/many_nodes.sbatch")"
await_long has_steps run 1100
mapfile -t ranks < <(pgrep -x tutti)
kill -KILL "${slurmd[n2]}" "${ranks[-1]}"
await_long has_restarted "$job" 1
slurmd -N n2 -D >>slurmd-n2.log 2>&1 &
slurmd[n2]=$!
before="$(steps_of)"
await_long has_more_steps_than "$((before + 20))"
end_part "$job"
await_long nodes_are_idle
echo "ok: a node went down with its rank"
