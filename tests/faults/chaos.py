"""A run that is hurt again and again, under launch/mpirun.sh, which starts it anew each time."""
import dataclasses
import os
import random
import signal
import time

from drills import WATCH
from jobs import Failed, expect, results, until

CHECKPOINT_EVERY = 100
MEAN_PAUSE_S = 20.0


@dataclasses.dataclass
class Fault:
    what: str
    at_s: float
    detected_s: float = 0.0  # from the fault until the script starts the run again
    restart_s: float = 0.0   # from there to the first step beyond the checkpoint
    lost_steps: int = 0
    lost_s: float = 0.0      # of these steps, at the speed of the run


def _starts(job):
    return job.said().count("starting again from step")


def chaos(lab, seconds, seed=1):
    """Kills, freezes and (where there are hosts) cut links, one every 20 s on average, for so long. Then the run is stopped, and every step
    of its log is compared with a run that nothing happened to. Gives back (faults, summary)."""
    dice = random.Random(seed)
    on_hosts, ranks = lab.hosts is not None, 3
    options = ["--steps", "1000000", "--schedule", "constant", "--checkpoint-every", str(CHECKPOINT_EVERY), "--report-every", "100000", *WATCH]
    how = dict(ranks=ranks, on_hosts=on_hosts, supervised=True, environment={"TUTTI_LAUNCHER_PATIENCE": "3"})
    job = lab.job("chaos", *options, **how)
    begin = time.monotonic()
    job.start()
    job.reaches(CHECKPOINT_EVERY + 1)
    faults, kinds = [], ["kill", "freeze", *(["cut"] if on_hosts else [])]
    while True:
        pause = 5 + dice.expovariate(1 / (MEAN_PAUSE_S - 5))
        if time.monotonic() - begin + pause > seconds:
            break
        time.sleep(pause)
        kind, victim = dice.choice(kinds), dice.randrange(ranks)
        if kind == "cut":
            victim = 1 + victim % (ranks - 1)
        processes, starts, was_at = job.rank_processes(), _starts(job), job.step()
        at = time.monotonic()
        fault = Fault(f"{kind} of rank {victim}", at - begin)
        if kind == "cut":
            lab.hosts.cut(f"h{victim}")
        else:
            os.kill(processes[victim], signal.SIGKILL if kind == "kill" else signal.SIGSTOP)
        try:
            until(lambda starts=starts: _starts(job) > starts, f"a new start after the {fault.what}", 60)
        except Failed as failure:
            raise Failed(f"{failure}; ranks left: {job.rank_processes()}, {job.exit_record()}; {job.said()[-3000:]}") from None
        found = time.monotonic()
        fault.detected_s = found - at
        if kind == "cut":
            lab.hosts.heal(f"h{victim}")
        from_step = job.newest_step()
        fault.lost_steps = max(0, was_at - from_step)
        until(lambda: job.exit_record().get("reason") == "running" or job.process.poll() is not None, "the run trains again", 90)
        expect(job.process.poll() is None, f"the script ended after the {fault.what}: {job.said()[-2000:]}")
        until(lambda step=from_step: job.step() > step, "a new step", 60)
        fault.restart_s = time.monotonic() - found
        faults.append(fault)
        print(f"{fault.at_s:6.1f} s: {fault.what}: detected {fault.detected_s:.1f} s, restart {fault.restart_s:.1f} s, "
              f"{fault.lost_steps} steps lost", flush=True)
    time.sleep(max(0.0, seconds - (time.monotonic() - begin)))
    (job.out / "stop").touch()
    code = job.wait(60)
    took = time.monotonic() - begin
    expect(code == 5, f"the run ended with {code}, expected 5: {job.said()[-2000:]}")
    steps = job.step()
    expect([record["step"] for record in job.records()] == list(range(1, steps + 1)), "steps are missing or double in the log")
    lab.run("checkpoint", "verify", str(job.out))

    # On one host: ranks add alike wherever they are.
    reference = lab.job("calm", *options, ranks=ranks).start()
    reference.reaches(steps, 2 * seconds)
    (reference.out / "stop").touch()
    expect(reference.wait(60) == 5, reference.said()[-2000:])
    expect(results(job) == results(reference)[:steps], "a step of the hurt run is not that of the calm one")

    trial = lab.job("speed", *options, **how)
    trial_begin = time.monotonic()
    trial.start().reaches(CHECKPOINT_EVERY)
    warm, warm_step = time.monotonic(), trial.step()
    time.sleep(15)
    speed = (trial.step() - warm_step) / (time.monotonic() - warm)
    (trial.out / "stop").touch()
    trial.wait(60)
    start_s = warm - trial_begin - warm_step / speed
    for fault in faults:
        fault.lost_s = fault.lost_steps / speed
    useful = steps / speed + start_s
    return faults, dict(asked_s=seconds, seconds=took, steps=steps, steps_per_s=speed, useful_share=useful / took, on_hosts=on_hosts)
