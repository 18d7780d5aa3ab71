"""Training jobs of a few seconds for fault drills: started, watched, hurt, and compared."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = ["--titles-per-step", "6", "--d-model", "16", "--d-kv", "8", "--num-heads", "2", "--d-ff", "16", "--num-layers", "1",
         "--num-decoder-layers", "1", "--vocabulary-size", "300"]


class Failed(Exception):
    pass


def expect(condition, message):
    if not condition:
        raise Failed(message)


def until(condition, what, seconds=60.0):
    """Waits for a condition; gives back its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise Failed(f"waited {seconds:.0f} s in vain: {what}")


class Lab:
    """A folder with a small dataset and its IDs, where runs are made."""

    def __init__(self, tutti, failing_writes, folder, hosts=None):
        self.tutti, self.failing_writes = pathlib.Path(tutti).resolve(), failing_writes
        self.folder, self.hosts = pathlib.Path(folder), hosts
        self.jobs = []  # those that were started
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1",
                            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "PRTE_ALLOW_RUN_AS_ROOT": "1",
                            "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        with open(self.folder / "playlists.csv", "w", encoding="utf-8") as out:
            subprocess.run([sys.executable, ROOT / "tests/support/small_playlists.py", "600"], stdout=out, check=True)
        self.run("import", "csv", "playlists.csv", "--out", "data")
        self.run("embed", "cf", "--dataset", "data", "--out", "embeddings", "--dim", "64", "--epochs", "2")
        self.run("ids", "build", "--embeddings", "embeddings", "--dataset", "data", "--out", "ids", "--levels", "2", "--num-codes", "4")

    def run(self, *words):
        """A command of the program that must succeed."""
        done = subprocess.run([self.tutti, *words], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"tutti {' '.join(words[:2])} ended with {done.returncode}: {done.stderr}")
        return done

    def end_jobs(self):
        """Those that a failed drill left behind."""
        for job in self.jobs:
            if job.is_running():
                job.end()
        self.jobs.clear()

    def job(self, name, *options, ranks=2, on_hosts=False, supervised=False, restarts=100000, environment=None):
        return Job(self, name, options, ranks, on_hosts, supervised, restarts, environment or {})

    def through(self, name, *options, **how):
        """A run that nothing happens to."""
        job = self.job(name, *options, **how).start()
        expect(job.wait(300) == 0, f"{name}: {job.said()}")
        return job


class Job:
    """mpirun, or launch/mpirun.sh where it is `supervised`, around `tutti train`; each start goes on from the newest checkpoint.
    `on_hosts`: True for a rank on each host of the lab, or a hostfile."""

    def __init__(self, lab, name, options, ranks, on_hosts, supervised, restarts, environment):
        self.lab, self.name, self.ranks, self.on_hosts = lab, name, ranks, on_hosts
        self.out = pathlib.Path(name) if os.path.isabs(name) else lab.folder / name
        self.log, self.printed = self.out / "log.jsonl", lab.folder / f"{self.out.name}.txt"
        small = [word for flag, value in zip(SMALL[::2], SMALL[1::2]) if flag not in options for word in (flag, value)]
        data = [] if "--dataset" in options else ["--dataset", str(lab.folder / "data")]
        train = [str(lab.tutti), "train", *data, "--ids", str(lab.folder / "ids"), "--out", str(self.out),
                 "--resume", *small, *options]
        hostfile = on_hosts if on_hosts not in (True, False) else on_hosts and lab.hosts.hostfile
        if supervised:
            words = [str(ROOT / "launch/mpirun.sh"), "--restarts", str(restarts)]
            words += ["--hostfile", str(hostfile)] if on_hosts else ["-n", str(ranks)]
            self.command = [*words, "--", *train]
        else:
            where = ["--hostfile", str(hostfile)] if on_hosts else ["--oversubscribe"]
            self.command = ["mpirun", "--bind-to", "none", "-n", str(ranks), *where, *train]
        self.program = lab.tutti
        self.environment = {**lab.environment, **environment}
        if on_hosts:
            self.command = lab.hosts.on(lab.hosts.names[0], self.command)
            self.environment.update(lab.hosts.environment)
            if not supervised:
                network = lab.hosts.environment["TUTTI_INTERFACE"]
                self.environment.update(OMPI_MCA_btl_tcp_if_include=network, OMPI_MCA_oob_tcp_if_include=network)

    def start(self):
        self.lab.jobs.append(self)
        with open(self.printed, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(self.command, cwd=self.lab.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT)
        return self

    def wait(self, seconds=60):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()
            raise Failed(f"{self.name} has not ended within {seconds} s: {self.said()}") from None

    def is_running(self):
        return self.process.poll() is None

    def end(self):
        """Whatever is left of it."""
        for pid in [*self.rank_processes().values(), self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def said(self):
        return self.printed.read_text(encoding="utf-8", errors="replace")

    def rank_processes(self):
        """{rank: process}"""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                if command[0] != str(self.program).encode() or str(self.out).encode() not in command:
                    continue
                variables = dict(word.split(b"=", 1) for word in (entry / "environ").read_bytes().split(b"\0") if b"=" in word)
                rank = next(variables[name] for name in (b"OMPI_COMM_WORLD_RANK", b"PMIX_RANK") if name in variables)
                found[int(rank)] = int(entry.name)
            except (OSError, StopIteration, IndexError):
                continue
        return found

    def records(self, event="step"):
        try:
            lines = self.log.read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        records = []
        for line in lines:
            try:
                records.append(json.loads(line))
            except ValueError:
                pass  # being written
        return [record for record in records if record["event"] == event]

    def step(self):
        """The last one in the log."""
        try:
            with open(self.log, "rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 4000))
                for line in reversed(log.read().splitlines()):
                    try:
                        record = json.loads(line)
                    except ValueError:
                        continue
                    if record["event"] == "step":
                        return record["step"]
        except OSError:
            pass
        return 0

    def reaches(self, step, seconds=60):
        def reached():
            expect(self.process.poll() is None or self.step() >= step, f"{self.name} ended with {self.process.returncode}: {self.said()}")
            return self.step() >= step

        return until(reached, f"{self.name} at step {step}, is at {self.step()}", seconds)

    def checkpoints(self):
        return sorted(path for path in (self.out / "checkpoints").glob("step-*") if (path / "manifest.json").exists())

    def newest_step(self):
        found = self.checkpoints()
        return int(found[-1].name[len("step-"):]) if found else 0

    def exit_record(self):
        try:
            return json.loads((self.out / "exit.json").read_text())
        except (OSError, ValueError):
            return {}

    def goes_on(self, seconds=60):
        """Starts again; gives back the seconds until its first step beyond the checkpoint."""
        begin, step = time.monotonic(), self.newest_step()
        (self.out / "exit.json").unlink(missing_ok=True)
        self.start()
        until(lambda: self.process.poll() is not None or self.exit_record().get("reason") == "running", f"{self.name} trains again", seconds)
        until(lambda: self.process.poll() is not None or self.step() > step, f"{self.name} beyond step {step}", seconds)
        return time.monotonic() - begin

    def remove(self):
        shutil.rmtree(self.out, ignore_errors=True)


def results(job):
    keys = ("event", "step", "loss", "level_loss", "grad_norm", "pairs", "hits_at_10")
    wanted = [record for event in ("step", "validation") for record in job.records(event)]
    return [{key: record[key] for key in keys if key in record} for record in wanted]


def expect_same_end(job, reference):
    """The same bytes in every file of the last checkpoint, and every loss in the log."""
    one, other = job.checkpoints()[-1], reference.checkpoints()[-1]
    expect(one.name == other.name, f"{job.name} ends with {one.name}, {reference.name} with {other.name}")
    names = sorted(path.name for path in other.iterdir())
    expect(names == sorted(path.name for path in one.iterdir()), f"{job.name} has other files")
    for name in names:
        expect((one / name).read_bytes() == (other / name).read_bytes(), f"{one / name} and {other / name} differ")
    expect(results(job) == results(reference), f"the logs of {job.name} and {reference.name} differ")
