"""A real Slurm for fault drills: a controller, and a slurmd on each host of hosts.Hosts, which has a network, a host name, shared memory
and a temporary folder of its own. All of it lives in the namespaces of the driver and ends with them.
"""
import os
import pathlib
import re
import shutil
import subprocess

from jobs import ROOT, Job, expect, until

CPUS = 2  # of a node, as Slurm sees it
ADDRESS = "10.77.0.100"  # of the controller
DAEMONS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "scontrol", "scancel")

CONF = """ClusterName=tutti
SlurmctldHost=controller({address})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
TmpFS={folder}/tmp-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=pmix
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
SlurmdTimeout=15
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,bf_interval=1,sched_min_interval=0
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
PartitionName=preemptable Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
"""


def why_not():
    """Why this machine has no Slurm; nothing when it has."""
    missing = [name for name in DAEMONS if not shutil.which(name)]
    return f"no {', '.join(missing)}" if missing else ""


class Cluster:
    """Slurm on the hosts of a lab."""

    def __init__(self, lab):
        self.lab, hosts = lab, lab.hosts
        self.folder = lab.folder / "slurm"
        for name in ("state", "munge", *(f"{kind}-{node}" for node in hosts.names for kind in ("spool", "tmp"))):
            (self.folder / name).mkdir(parents=True)
        hosts.reach_driver(ADDRESS, "controller")
        key = self.folder / "munge/key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        lab.folder.chmod(0o711)
        self.folder.chmod(0o711)
        (self.folder / "munge").chmod(0o700)
        subprocess.run(["munged", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket", f"--pid-file={self.folder}/munge/pid",
                        f"--log-file={self.folder}/munge/log", f"--seed-file={self.folder}/munge/seed"], check=True)
        nodes = "\n".join(f"NodeName={name} NodeHostname={name} NodeAddr={hosts.address(name)} CPUs={CPUS} State=UNKNOWN" for name in hosts.names)
        conf = self.folder / "slurm.conf"
        conf.write_text(CONF.format(address=ADDRESS, folder=self.folder, nodes=nodes))
        self._link_tree()
        self.environment = {**lab.environment, **hosts.environment, "SLURM_CONF": str(conf), "TUTTI_ROOT": str(self.folder / "tree"),
                            "TUTTI_LAUNCHER_PATIENCE": "3"}
        self._daemon("slurmctld", ["slurmctld", "-D"])
        self.slurmd = {}
        for name in hosts.names:
            self.start_node(name)
        try:
            until(lambda: self.node_states() == ["idle"] * len(hosts.names), "Slurm is up", 60)
        except Exception as failure:
            raise type(failure)(f"{failure}: {self.logs()}") from None

    def _link_tree(self):
        """The source tree as the batch scripts expect it."""
        (self.folder / "tree/build/release").mkdir(parents=True)
        (self.folder / "tree/launch").symlink_to(ROOT / "launch")
        (self.folder / "tree/build/release/tutti").symlink_to(self.lab.tutti)

    def _daemon(self, name, command):
        with open(self.folder / f"{name}.log", "a", encoding="utf-8") as log:
            return subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def start_node(self, name):
        self.slurmd[name] = self._daemon(f"slurmd-{name}", self.lab.hosts.on(name, ["slurmd", "-N", name, "-D"]))

    def logs(self):
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-800:]}" for path in sorted(self.folder.glob("slurm*.log")))

    def call(self, *words, check=True):
        done = subprocess.run(words, cwd=self.lab.folder, env=self.environment, capture_output=True, text=True, check=False)
        expect(done.returncode == 0 or not check, f"{' '.join(words)}: {done.stderr}")
        return done.stdout

    def node_states(self):
        return self.call("sinfo", "--noheader", "--Node", "--partition=main", "--format=%t", check=False).split()

    def nodes_are_back(self):
        until(lambda: set(self.node_states()) == {"idle"}, "all nodes are idle", 90)

    def job(self, name, script, options, **how):
        return SlurmJob(self, name, script, options, **how)


class SlurmJob(Job):
    """A batch script of launch/slurm as it is, but for the run's name and length."""

    def __init__(self, cluster, name, script, options, *, launcher="srun", ranks=2, nodes=1, environment=None, sbatch=()):
        super().__init__(cluster.lab, name, options, ranks, False, False, 0, {})
        self.cluster, self.nodes = cluster, nodes
        self.program = cluster.folder / "tree/build/release/tutti"
        text = (ROOT / "launch/slurm" / script).read_text(encoding="utf-8")
        small = " ".join(self.command[self.command.index("--resume") + 1:])
        for old, new in (("--out run", f"--out {self.out}"), (r"^tutti_job( --array)? srun ", rf"tutti_job\1 {launcher} "),
                         (r"--steps 100000 --checkpoint-every \d+", small)):
            text, found = re.subn(old, new, text, flags=re.MULTILINE)
            expect(found == 1, f"{script} has {found} of '{old}'")
        self.script = cluster.folder / f"{self.out.name}.sbatch"
        self.script.write_text(text, encoding="utf-8")
        self.printed = cluster.folder / f"{self.out.name}.txt"
        self.sbatch = [f"--nodes={nodes}", f"--ntasks-per-node={ranks // nodes}", "--cpus-per-task=1", f"--output={self.printed}",
                       "--open-mode=append", *sbatch]
        self.environment = {**cluster.environment, **(environment or {})}
        self.id = None

    def start(self):
        done = subprocess.run(["sbatch", "--parsable", *self.sbatch, self.script], cwd=self.lab.folder, env=self.environment,
                              capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"sbatch: {done.stderr}")
        self.id = done.stdout.strip()
        self.lab.jobs.append(self)
        return self

    def said(self):
        return super().said() if self.printed.exists() else ""

    def records_of_tasks(self):
        """What Slurm says of the job, or of each task of the array, in the order of tasks."""
        lines = self.cluster.call("scontrol", "--oneliner", "show", "job", self.id).splitlines()
        records = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
        return sorted(records, key=lambda record: int(record.get("ArrayTaskId", "0").split("-")[0].split("%")[0]))

    def restarts(self):
        return int(self.records_of_tasks()[0]["Restarts"])

    def codes(self):
        """The exit code of the job, or of each task; None for one that goes on or that was cancelled before it began."""
        over = ("COMPLETED", "FAILED")
        return [int(record["ExitCode"].split(":")[0]) if record["JobState"] in over else None for record in self.records_of_tasks()]

    def has_ended(self):
        ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED")
        return all(record["JobState"] in ended for record in self.records_of_tasks())

    def reaches(self, step, seconds=60):
        try:
            return until(lambda: self.step() >= step, f"{self.name} at step {step}", seconds)
        except Exception as failure:
            raise type(failure)(f"{failure}, is at {self.step()}: {self.records_of_tasks()}; {self.said()[-3000:]}") from None

    def restarted(self, times, seconds=60):
        """Waits until the run trains again: its record is that of another start than the one that trained before."""
        former = self.exit_record().get("start")
        try:
            until(lambda: self.restarts() >= times, f"start {times}", seconds)
            until(lambda: self.exit_record().get("start") not in (None, former), f"start {times} trains", seconds)
        except Exception as failure:
            raise type(failure)(f"{failure}: {self.records_of_tasks()}; {self.said()[-3000:]}") from None

    def wait(self, seconds=90):
        """Gives back the code of the job."""
        try:
            until(self.has_ended, f"the end of {self.name}", seconds)
        except Exception as failure:
            raise type(failure)(f"{failure}: {self.records_of_tasks()}; {self.said()[-3000:]}") from None
        return self.codes()[0]

    def end(self):
        self.cluster.call("scancel", self.id, check=False)

    def is_running(self):
        return not self.has_ended()

    def batch_shell(self):
        """The process of the batch script."""
        return self._one(lambda words: len(words) == 2 and words[1].endswith(b"/slurm_script"))

    def srun(self):
        """Of the two processes of srun, the one that was started first."""
        return self._one(lambda words: os.path.basename(words[0]) == b"srun" and str(self.out).encode() in words)

    @staticmethod
    def _one(matches):
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and matches((entry / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")):
                    found.append(int(entry.name))
            except OSError:
                continue
        expect(found, "there is no such process")
        return min(found)
