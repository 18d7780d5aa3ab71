"""Drills of the batch scripts of launch/slurm under a real Slurm. As in drills.py, each yields Results."""
import os
import re
import signal
import time

from drills import WATCH, Result
from jobs import expect, expect_same_end, results, until

# Long enough for commands of Slurm to find it running.
RUN = ["--steps", "6000", "--checkpoint-every", "200", "--schedule", "constant", *WATCH]


def ends_like(job, reference, seconds=90):
    code = job.wait(seconds)
    expect(code == 0, f"{job.name}: code {code}, expected 0: {job.records_of_tasks()}; {job.said()[-3000:]}")
    expect_same_end(job, reference)


def verdicts(job):
    """What the batch script has said of each start."""
    return re.findall(r"^job \d+: the launcher ended .*: (\w+)$", job.said(), flags=re.MULTILINE)


def signals(cluster, reference, ways):
    """Signals to srun, to the batch shell and (by scancel) to all ranks: the run stops with a checkpoint of its last step, is queued again and
    ends with the bytes of one that went through. One job takes them one after the other. A TERM to srun itself is the exception: srun kills
    the ranks ("forcing job termination"), and the run goes on from its last checkpoint."""
    job = cluster.job("slurm-signals", "single_node.sbatch", RUN).start()
    for done, (name, target) in enumerate(ways):
        job.reaches(max(201, job.newest_step() + 50))
        begin, number = time.monotonic(), getattr(signal, f"SIG{name}")
        if target == "the ranks":
            cluster.call("scancel", f"--signal={name}", job.id)
        else:
            os.kill(job.srun() if target == "srun" else job.batch_shell(), number)
        until(lambda done=done: len(verdicts(job)) > done, f"the end of a start by {name} to {target}", 30)
        result, at = Result(f"{name} to {target}", time.monotonic() - begin, lost_steps=job.step() - job.newest_step()), job.newest_step()
        expected = "retry" if (name, target) == ("TERM", "srun") else "stopped"
        expect(verdicts(job)[-1] == expected, f"{result.what}: {verdicts(job)}, expected {expected}: {job.said()[-2000:]}")
        expect(expected == "retry" or result.lost_steps == 0, f"{result.what}: stopped at {job.step()}, checkpoint of {at}")
        result.note = "srun kills the ranks; from the last checkpoint" if expected == "retry" else ""
        job.restarted(done + 1)
        job.reaches(at + 1)
        result.restart_s = time.monotonic() - begin - result.detected_s
        yield result
    ends_like(job, reference)
    job.remove()


def lost_ranks(cluster, reference, launchers):
    """kill -9 of a rank on the second of two nodes, under srun (PMIx) and under mpirun in the batch script: queued again, the same end."""
    for launcher in launchers:
        job = cluster.job(f"slurm-kill-{launcher}", "many_nodes.sbatch", RUN, launcher=launcher, nodes=2).start()
        job.reaches(450)
        begin = time.monotonic()
        os.kill(job.rank_processes()[1], signal.SIGKILL)
        until(lambda job=job: verdicts(job), "the batch script's verdict", 30)
        expect(verdicts(job) == ["retry"], f"{verdicts(job)}: {job.said()[-2000:]}")
        result = Result(f"kill -9 of a rank under {launcher}", time.monotonic() - begin)
        at, result.lost_steps = job.newest_step(), job.step() - job.newest_step()
        job.restarted(1)
        job.reaches(at + 1)
        result.restart_s = time.monotonic() - begin - result.detected_s
        ends_like(job, reference)
        yield result
        job.remove()


def arrays(cluster, reference):
    """A train of jobs: tasks that run out of time, one after the other, make one run; what is left of them ends at once. A wrong option
    cancels the tasks that wait."""
    job = cluster.job("slurm-array", "array_train.sbatch", RUN, environment={"TUTTI_TIME_LIMIT": "5s"}).start()
    codes = until(lambda: job.has_ended() and job.codes(), f"the end of the train: {job.records_of_tasks()}; {job.said()[-2000:]}", 200)
    stopped = codes.count(5)
    expect(codes == [5] * stopped + [0] * (10 - stopped) and 0 < stopped < 10, f"tasks ended with {codes}: {job.said()[-3000:]}")
    expect_same_end(job, reference)
    yield Result(f"{stopped} tasks ran out of time, the next one finished the run, {9 - stopped} ended at once")
    job.remove()
    job = cluster.job("slurm-array-wrong", "array_train.sbatch", [*RUN, "--learning-rte", "1"]).start()
    codes = until(lambda: job.has_ended() and job.codes(), "the end of the train that is wrong", 60)
    waited = job.records_of_tasks()[1:]  # one record stands for all that never began
    expect(codes[0] == 2 and [record["JobState"] for record in waited] == ["CANCELLED"], f"tasks ended with {codes}: {waited}; {job.said()[-2000:]}")
    yield Result("a wrong option", note="code 2, the nine tasks that waited are cancelled")


def given_up(cluster):
    """A run that loses ranks without end: at the cap of restarts, and after three starts without a newer checkpoint, it ends with code 4.
    A wrong option is not tried again."""
    hopeless = cluster.folder / "hopeless"
    for what, cap, restarts in (("cap of 1 restart", "1", 1), ("no progress", "20", 2)):
        job = cluster.job(f"slurm-{what.replace(' ', '-')}", "single_node.sbatch", RUN, ranks=1, environment={"TUTTI_MAX_RESTARTS": cap})
        hopeless.write_text(f"#!/bin/sh\nmkdir -p {job.out}/checkpoints\n"
                            f"printf '{{\\n  \"code\": -1\\n}}\\n' >{job.out}/exit.json\nkill -9 $$\n", encoding="utf-8")
        hopeless.chmod(0o755)
        job.script.write_text(job.script.read_text().replace('"$TUTTI_ROOT/build/release/tutti"', str(hopeless)))
        code = job.start().wait(90)
        expect((code, job.restarts()) == (4, restarts), f"{what}: code {code} after {job.restarts()} restarts: {job.said()}")
        expect("given up" in job.said(), job.said())
        yield Result(what, note=f"code 4 after {restarts} restart(s)")
        job.remove()


def refused(cluster):
    """A wrong option, tasks that srun starts without PMIx, and a second job on the folder of a first: ended at once, with the cure."""
    job = cluster.job("slurm-wrong", "single_node.sbatch", [*RUN, "--learning-rte", "1"]).start()
    code = job.wait()
    expect((code, job.restarts()) == (2, 0), f"a wrong option: code {code} after {job.restarts()} restarts: {job.said()}")
    yield Result("a wrong option")

    job = cluster.job("slurm-singles", "single_node.sbatch", RUN)
    job.script.write_text(job.script.read_text().replace("tutti_job srun", "SLURM_MPI_TYPE=none\nlauncher_of_the_site() { srun --mpi=none \"$@\"; }\n"
                                                         "launcher_of_the_site"))
    code = job.start().wait()
    # Open MPI 4 says so itself, in MPI_Init; of an MPI that starts N worlds of one rank instead, tutti does (dist/launcher.h).
    expect(code in (1, 2) and "PMI" in job.said() and job.step() == 0, f"srun without PMIx: code {code}: {job.said()}")
    yield Result("srun without PMIx", note=f"code {code}, the cure named")

    first = cluster.job("slurm-shared", "single_node.sbatch", [*RUN[:1], "100000", *RUN[2:]], sbatch=["--nodelist=h0"]).start()
    first.reaches(50)
    second = cluster.job("slurm-shared", "single_node.sbatch", [*RUN[:1], "100000", *RUN[2:]], sbatch=["--nodelist=h1"])
    second.printed = cluster.folder / "second.txt"
    second.sbatch = [word if not word.startswith("--output=") else f"--output={second.printed}" for word in second.sbatch]
    code = second.start().wait()
    expect((code, second.restarts()) == (2, 0) and "one job at a time" in second.said(), f"a second job: code {code}: {second.said()}")
    expect(first.exit_record().get("reason") == "running", f"the first job suffered: {first.exit_record()}")
    (first.out / "stop").touch()
    expect(first.wait() == 5, first.said())
    yield Result("a second job on one run folder, on another node")


def requeued(cluster, reference):
    """scontrol requeue, and a job of a better partition that takes the nodes: the run goes on later and has the same end."""
    job = cluster.job("slurm-requeue", "single_node.sbatch", RUN).start()
    job.reaches(450)
    cluster.call("scontrol", "requeue", job.id)
    result = Result("scontrol requeue", lost_steps=0)
    job.restarted(1)
    ends_like(job, reference)
    yield result
    job.remove()
    job = cluster.job("slurm-preempted", "preemptable.sbatch", RUN, sbatch=["--exclusive", "--nodelist=h0"]).start()
    job.reaches(450)
    other = cluster.call("sbatch", "--parsable", "--exclusive", "--nodelist=h0", "--output=/dev/null", "--wrap=sleep 3").strip()
    job.restarted(1, 90)
    expect("stopped (signal" in job.said(), f"no checkpoint was written when it was preempted: {job.said()}")
    ends_like(job, reference)
    yield Result("preempted by another partition's job", lost_steps=0)
    cluster.call("scancel", other, check=False)
    job.remove()


def out_of_time(cluster, reference):
    """A real time limit: one minute is the shortest there is, and Slurm warns up to a minute early."""
    slow = [word if word != "6000" else "1000000" for word in RUN]
    job = cluster.job("slurm-time", "single_node.sbatch", slow, sbatch=["--time=1", "--signal=B:USR2@20"]).start()
    job.restarted(1, 120)
    expect(re.search(r"stopped \((time-limit|signal 12|another rank)\)", job.said()), f"no word of time: {job.said()}")
    at = job.newest_step()
    job.reaches(at + 1)
    expect(at >= 200, f"stopped at {at}")
    job.reaches(6001, 120)
    (job.out / "stop").touch()
    expect(job.wait() == 5, job.said())
    steps = [record["step"] for record in job.records()]
    expect(steps == list(range(1, len(steps) + 1)), "steps are missing or double in the log")
    expect(len(steps) > 6000 and results(job)[:6000] == results(reference), "steps differ from those of a calm run")
    yield Result("a time limit of one minute", lost_steps=0)
    job.remove()


def lost_nodes(cluster, reference):
    """A node of two goes down with its ranks, and the network of a node is cut, the one with the batch script too: queued again, the same end."""
    job = cluster.job("slurm-down", "many_nodes.sbatch", RUN, nodes=2).start()
    job.reaches(450)
    begin = time.monotonic()
    cluster.slurmd["h1"].kill()
    os.kill(job.rank_processes()[1], signal.SIGKILL)
    job.restarted(1, 90)
    yield_to = Result("slurmd and rank of a node killed", time.monotonic() - begin)
    cluster.start_node("h1")
    ends_like(job, reference)
    yield yield_to
    job.remove()
    cluster.nodes_are_back()
    for node, what in (("h1", "the second node cut off"), ("h0", "the node of the batch script cut off")):
        job = cluster.job(f"slurm-cut-{node}", "many_nodes.sbatch", RUN, nodes=2).start()
        job.reaches(450)
        begin = time.monotonic()
        cluster.lab.hosts.cut(node)
        # Slurm 22.05 holds a job whose batch script it cannot start (docs/runs.md). On the node that comes back it would try: the former script is
        # still there. So that node stays away until another one has the job.
        job.restarted(1, 120)
        cluster.lab.hosts.heal(node)
        result = Result(what, time.monotonic() - begin)
        ends_like(job, reference)
        yield result
        job.remove()
        cluster.nodes_are_back()
