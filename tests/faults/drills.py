"""What each drill does and demands. A drill yields Results, one for each time that it was tried."""
import dataclasses
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import threading
import time

from jobs import expect, expect_same_end, results, until

RUN = ["--steps", "300", "--checkpoint-every", "40"]
LAUNCHER_S = 5.0  # what mpirun takes to end the ranks that are left
SILENCE_S = 3.0   # of the watchdog, at its shortest
WATCH = ["--silence-limit", str(SILENCE_S), "--step-limit", "30"]


@dataclasses.dataclass
class Result:
    what: str                 # the fault
    detected_s: float = None  # from the fault to the end of the launcher
    restart_s: float = None   # from the new start to the first step beyond the checkpoint
    lost_steps: int = None    # done before the fault, and done again
    note: str = ""


def hit(job, fault, victim):
    os.kill(job.rank_processes()[victim], fault)


def resumed(job, reference, result):
    """The run goes on and ends with the reference's bytes."""
    result.restart_s = job.goes_on()
    expect(job.wait() == 0, f"{job.name} resumed: {job.said()}")
    expect_same_end(job, reference)
    job.remove()
    return result


def killed_ranks(lab, number):
    """kill -9 of a random rank at a random moment, every second time while a checkpoint is written: mpirun ends non-zero within 5 s, and the
    run that goes on ends with the bytes of one that went through."""
    reference = lab.through("through-kill", *RUN)
    for seed in range(number):
        dice = random.Random(seed)
        victim, in_save = dice.randrange(2), seed % 2 == 1
        step = 40 * dice.randrange(2, 7) if in_save else dice.randrange(45, 280)
        job = lab.job(f"kill-{seed}", *RUN).start()
        job.reaches(step)
        time.sleep(dice.random() * 0.006)
        begin = time.monotonic()
        hit(job, signal.SIGKILL, victim)
        code = job.wait(20)
        result = Result(f"rank {victim} of 2 killed near step {step}" + (", in a save" if in_save else ""), time.monotonic() - begin)
        expect(code != 0, "mpirun ended with 0")
        expect(result.detected_s < LAUNCHER_S, f"mpirun took {result.detected_s:.1f} s")
        result.lost_steps = job.step() - job.newest_step()
        yield resumed(job, reference, result)
    job = lab.job("kill-early", *RUN[:2], "--checkpoint-every", "1000").start()
    job.reaches(60)
    hit(job, signal.SIGKILL, 1)
    expect(job.wait(20) != 0, "mpirun ended with 0")
    job = lab.job("kill-early", *RUN)
    yield resumed(job, reference, Result("killed before its first checkpoint", lost_steps=job.step()))


def frozen_ranks(lab, number):
    """SIGSTOP of a random rank: the watchdog ends the job with code 4 within its limit, naming the rank."""
    reference = lab.through("through-freeze", *RUN, *WATCH, ranks=3)
    for seed in range(number):
        dice = random.Random(100 + seed)
        victim = seed % 3
        job = lab.job(f"freeze-{seed}", *RUN, *WATCH, ranks=3).start()
        job.reaches(dice.randrange(45, 250))
        begin = time.monotonic()
        hit(job, signal.SIGSTOP, victim)
        code = job.wait(40)
        result = Result(f"rank {victim} of 3 frozen", time.monotonic() - begin)
        expect(code == 4, f"code {code}, expected 4: {job.said()}")
        expect(re.search(rf"rank {victim} on \S+ is lost: silent for", job.said()), f"no line names rank {victim}: {job.said()}")
        expect(result.detected_s < SILENCE_S + LAUNCHER_S + 2, f"it took {result.detected_s:.1f} s")
        result.lost_steps = job.step() - job.newest_step()
        yield resumed(job, reference, result)


def cut_links(lab, number):
    """The network of one of three hosts is cut: every rank ends by itself within the limit, those that are left naming the lost one; the
    launch script ends with 4. When the network is back, the run goes on."""
    reference = lab.through("through-cut", *RUN, *WATCH, ranks=3, on_hosts=True)
    for seed in range(number):
        dice = random.Random(200 + seed)
        victim = 1 + seed % 2
        job = lab.job(f"cut-{seed}", *RUN, *WATCH, ranks=3, on_hosts=True, supervised=True, restarts=0,
                      environment={"TUTTI_LAUNCHER_PATIENCE": "3"})
        job.start()
        job.reaches(dice.randrange(45, 250))
        begin = time.monotonic()
        lab.hosts.cut(f"h{victim}")
        until(lambda: not job.rank_processes(), "the end of all ranks", SILENCE_S + LAUNCHER_S + 3)
        ranks_s = time.monotonic() - begin
        code = job.wait(40)
        result = Result(f"h{victim} of 3 hosts cut off", time.monotonic() - begin, note=f"all ranks ended after {ranks_s:.1f} s")
        lab.hosts.heal(f"h{victim}")
        time.sleep(2)  # until the bridge has found it
        expect(code == 4, f"code {code}, expected 4: {job.said()}")
        expect(re.search(rf"rank {victim} on h{victim} is lost", job.said()), f"no line names rank {victim}: {job.said()}")
        result.lost_steps = job.step() - job.newest_step()
        yield resumed(job, reference, result)


def signals(lab, number):
    """USR1, USR2 and TERM, to one rank, to mpirun and to the launch script: one checkpoint, the same step on all ranks, code 5."""
    reference = lab.through("through-signal", *RUN)
    ways = (("USR1", "mpirun"), ("TERM", "rank"), ("USR1", "rank"), ("USR2", "rank"), ("USR2", "mpirun"), ("TERM", "launch/mpirun.sh"))
    for name, target in ways[:number]:
        job = lab.job(f"{name}-{target[:3]}", *RUN, supervised=target == "launch/mpirun.sh").start()
        job.reaches(100)
        begin = time.monotonic()
        number = getattr(signal, f"SIG{name}")
        if target == "rank":
            hit(job, number, 1)
        else:
            job.process.send_signal(number)
        code = job.wait()
        result = Result(f"{name} to {target}", time.monotonic() - begin)
        expect(code == 5, f"{result.what}: code {code}, expected 5: {job.said()}")
        expect(job.newest_step() == job.step(), f"{result.what}: stopped at {job.step()}, checkpoint of {job.newest_step()}")
        result.lost_steps = 0
        yield resumed(job, reference, result)


def stops_anywhere(lab, ranks):
    """A stop within the micro-batches of a step, while a checkpoint is written, and in a validation: the same bytes in the end."""
    options = [*RUN, "--micro-batch", "1", "--validate-every", "50", "--validation-queries", "40"]
    reference = lab.through("through-stop", *options)
    dice = random.Random(7)
    places = (("within a step", 70, None), ("in a save", 80, None), ("in a validation", 99, 0.0))
    for what, step, wait in places:
        for rank in ranks:
            job = lab.job(f"stop-{step}-{rank}", *options).start()
            job.reaches(step)
            time.sleep(dice.random() * 0.004 if wait is None else 0.01)
            hit(job, signal.SIGUSR1, rank)
            code = job.wait()
            expect(code == 5, f"stop {what}: code {code}, expected 5: {job.said()}")
            yield resumed(job, reference, Result(f"stopped {what}, by rank {rank}", lost_steps=0))


def world_sizes(lab):
    """4, then 2, then 3 ranks: the samples of each step are the same, the losses equal within 1e-4 relative."""
    reference = lab.through("through-world", *RUN, ranks=4)
    job = lab.job("world", *RUN)
    for ranks, until_step in ((4, 100), (2, 200), (3, None)):
        part = lab.job("world", *RUN, ranks=ranks)
        if until_step is None:
            restart_s = part.goes_on()
            expect(part.wait() == 0, part.said())
        else:
            part.start().reaches(until_step)
            hit(part, signal.SIGUSR1, ranks - 1)
            expect(part.wait() == 5, part.said())
    worst = 0.0
    for one, other in zip(results(job), results(reference), strict=True):
        for key in ("step", "pairs"):
            expect(one[key] == other[key], f"step {other['step']}: {key} {one[key]}, expected {other[key]}")
        worst = max(worst, abs(one["loss"] / other["loss"] - 1))
    expect(worst < 1e-4, f"losses differ by {worst:.1e}")
    yield Result("4, then 2, then 3 ranks", restart_s=restart_s, lost_steps=0, note=f"largest difference of a loss {worst:.0e} relative")


def bad_disks(lab):
    """A full, a read-only and a quota-bound place in the middle of a run of two ranks: code 7, no crash, the checkpoint before is whole,
    nothing is tried again; with room the run goes on. (Few kernels have quotas on tmpfs: EDQUOT comes from tests/faults/failing_writes.)"""
    reference = lab.through("through-disk", *RUN)
    place = lab.folder / "place"
    place.mkdir()
    for what in ("disk full", "read-only", "quota"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "none", place], check=True)
        try:
            name, environment = what.split()[0].split("-")[0], {}
            if what == "quota":
                environment = {"LD_PRELOAD": str(lab.failing_writes), "FAIL_UNDER": str(place / name / "checkpoints"), "FAIL_AT": "60",
                               "FAIL_HOW": "EDQUOT"}
            job = lab.job(str(place / name), *RUN, supervised=True, environment=environment).start()
            begin = None
            if what != "quota":
                job.reaches(130)
                os.kill(job.rank_processes()[0], signal.SIGSTOP)  # time to spoil the disk
                begin, before = time.monotonic(), job.newest_step()
                if what == "disk full":
                    fill(place)
                else:
                    make_read_only(job.out / "checkpoints")
                os.kill(job.rank_processes()[0], signal.SIGCONT)
            code = job.wait()
            result = Result(what, begin and time.monotonic() - begin, note="code 7, not tried again")
            expect(code == 7, f"{what}: code {code}, expected 7: {job.said()}")
            for word in ("Segmentation", "signal 11", "starting again", "terminate called"):
                expect(word not in job.said(), f"{what}: {job.said()}")
            expect(str(place) in job.said(), f"{what}: the message does not name the place: {job.said()}")
            make_room(place)
            expect(job.newest_step() >= (before if begin else 40), f"{what}: the checkpoint before is gone")
            lab.run("checkpoint", "verify", str(job.out))
            job.environment = dict(lab.environment)
            result.lost_steps = job.step() - job.newest_step()
            yield resumed(job, reference, result)
        finally:
            subprocess.run(["umount", "-l", place], check=True)


def fill(place):
    try:
        with open(place / "ballast", "wb") as out:
            while True:
                out.write(b"x" * (1 << 20))
    except OSError:
        pass


def make_read_only(folder):
    # Files that are open for writing keep a mount writable: a read-only one lies over it.
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)


def make_room(place):
    (place / "ballast").unlink(missing_ok=True)
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        where = line.split()[1]
        if where.startswith(f"{place}/"):
            subprocess.run(["umount", "-l", where], check=True)


def damaged_inputs(lab, hows):
    """A flipped bit and a cut in dataset and checkpoint: refused before the first step, the file named."""
    for what, pattern in (("dataset", "data/playlists-*.h5"), ("dataset", "data/titles.h5")):
        for how in hows:
            copy = lab.folder / "damaged"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(lab.folder / "data", copy)
            file = sorted(copy.glob(pattern.split("/")[1]))[0]
            damage(file, how)
            options = ["--dataset", str(copy), *RUN] + (["--stage", str(lab.folder / "stage")] if how == "flipped" else [])
            yield refused(lab, f"{what} {file.name} {how}", file.name, options)
    reference = lab.through("through-damage", "--steps", "120", "--checkpoint-every", "40")
    for shard in ("model-00001-of-00002.safetensors", "optimizer-00002-of-00002.safetensors", "manifest.json", "state.json"):
        for how in hows:
            branch = lab.folder / "branch"
            shutil.rmtree(branch, ignore_errors=True)
            shutil.copytree(reference.out, branch, symlinks=True)
            job = lab.job("branch", "--steps", "120", "--checkpoint-every", "40")
            damage(job.checkpoints()[-1] / shard, how)
            job.start()
            expect(job.wait() == 0, job.said())
            expect(shard in job.said() and "resuming" in job.said() and "step 80" in job.said(),
                   f"{shard} {how} is not named, or the checkpoint before not taken: {job.said()}")
            expect_same_end(job, reference)
            yield Result(f"checkpoint: {shard} {how}", note="named, the one before taken, the same end")


def damage(file, how):
    data = bytearray(file.read_bytes())
    if how == "flipped":
        data[len(data) // 2] ^= 4
    else:
        del data[len(data) * 2 // 3:]
    file.write_bytes(data)


def refused(lab, what, name, options):
    job = lab.job("refused", *options).start()
    code = job.wait()
    expect(code == 3 and name in job.said() and job.step() == 0, f"{what}: code {code}, step {job.step()}: {job.said()}")
    return Result(what, note="code 3, named, before the first step")


def stragglers(lab, number):
    """One rank gets a third of its time: named in the log, with its phase, within 50 steps."""
    options = ["--steps", "100000", "--checkpoint-every", "100000", "--titles-per-step", "60", "--d-model", "64", "--d-kv", "16", "--num-heads",
               "4", "--d-ff", "256", "--num-layers", "2"]
    for victim in range(number):
        job = lab.job(f"slow-{victim}", *options).start()
        job.reaches(30)
        process, over = job.rank_processes()[victim], threading.Event()

        def slow(process=process, over=over):
            while not over.is_set():
                os.kill(process, signal.SIGSTOP)
                time.sleep(0.004)
                os.kill(process, signal.SIGCONT)
                time.sleep(0.002)

        def named(job=job, victim=victim):
            return [r for r in job.records("straggler") if r["rank"] == victim and r["phase"] == "model"]

        thread, first = threading.Thread(target=slow), job.step()
        thread.start()
        try:
            until(lambda job=job, first=first, named=named: named() or job.step() > first + 80, "80 slow steps")
        finally:
            over.set()
            thread.join()
        hit(job, signal.SIGUSR1, victim)
        expect(job.wait() == 5, job.said())
        expect(named(), f"rank {victim} was not named: {job.records('straggler')}")
        steps = named()[0]["step"] - first
        expect(steps <= 50, f"named after {steps} steps")
        found = named()[0]
        yield Result(f"rank {victim} at a third of its speed",
                     note=f"named after {steps} steps, {found['ms']:.0f} ms a step where the other needs {found['median_ms']:.0f}")
        job.remove()
