"""Drills on one machine: ranks that are killed, and ranks that freeze. Writes docs/results/DATE-faults.md.

    drills.py TUTTI [--kills 20] [--freezes 10] [--seed 1] [--no-result]

A run of two ranks is disturbed at a random step, taken up again, and must end with every byte of a run that nobody disturbed.
"""
import argparse
import datetime
import filecmp
import json
import os
import pathlib
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests/bench"))
from bench_report import machine  # noqa: E402

STEPS, EVERY, RANKS, SILENCE = 1500, 50, 2, 3
SHAPE = ["--d-model", "16", "--d-kv", "8", "--num-heads", "2", "--d-ff", "16", "--num-layers", "1", "--num-decoder-layers", "1",
         "--vocabulary-size", "300", "--titles-per-step", "6"]


def words_of(tutti, out, *more):
    return [str(HERE.parent / "mpi/run_mpi.sh"), str(RANKS), tutti, "train", "--dataset", "data", "--ids", "ids", "--out", out,
            "--silence-limit", str(SILENCE), *more]


def start(words, errors):
    return subprocess.Popen(words, stdout=errors, stderr=subprocess.STDOUT)


def steps_in(out):
    """Steps in the log, complete lines only."""
    try:
        lines = pathlib.Path(out, "log.jsonl").read_bytes().split(b"\n")[:-1]
        return json.loads(lines[-1])["step"] if lines else 0
    except (OSError, ValueError):
        return 0


def wait_for(condition, what, limit=60):
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > limit:
            sys.exit(f"error: waited {limit} s in vain for {what}")
        time.sleep(0.005)
    return time.monotonic() - begin


def ranks_below(pid):
    """The processes of the ranks, by rank."""
    found = {}
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
            if int(fields[1]) != pid:
                continue
            environment = status.with_name("environ").read_bytes()
        except (OSError, IndexError):
            continue
        rank = re.search(rb"OMPI_COMM_WORLD_RANK=(\d+)", environment)
        if rank:
            found[int(rank[1])] = int(status.parent.name)
    return found


def checkpoint_of(out):
    steps = sorted(pathlib.Path(out, "checkpoints").glob("step-*"))
    return steps[-1] if steps else None


def differing_files(out, other):
    """Files of the last checkpoint that differ, and steps of the log whose results do."""
    one, two = checkpoint_of(out), checkpoint_of(other)
    names = sorted({path.name for folder in (one, two) for path in folder.iterdir()})
    wrong = filecmp.cmpfiles(one, two, names, shallow=False)
    keys = ("event", "step", "loss", "level_loss", "grad_norm", "pairs")
    logs = [[{key: record[key] for key in keys if key in record} for record in
             map(json.loads, pathlib.Path(run, "log.jsonl").read_text().splitlines())] for run in (out, other)]
    return wrong[1] + wrong[2] + ([] if logs[0] == logs[1] else ["log.jsonl"])


def drill(tutti, number, random_numbers, how):
    """One disturbed run: {step, rank, detected_s, restarted_s, lost_steps}."""
    out, log_path = f"{how}-{number}", pathlib.Path(f"{how}-{number}.txt")
    words = words_of(tutti, out, "--steps", str(STEPS), "--checkpoint-every", str(EVERY), *SHAPE)
    at, victim = random_numbers.randrange(20, STEPS - 200), random_numbers.randrange(RANKS)
    with log_path.open("w") as errors:
        job = start(words, errors)
        wait_for(lambda: steps_in(out) >= at or job.poll() is not None, f"step {at} of {out}")
        ranks = ranks_below(job.pid)
        if victim not in ranks:
            sys.exit(f"error: {out} has no rank {victim}:\n{log_path.read_text()}")
        os.kill(ranks[victim], signal.SIGKILL if how == "kill" else signal.SIGSTOP)
        begin = time.monotonic()
        code = job.wait(timeout=60)
        detected = time.monotonic() - begin
    text = log_path.read_text()
    if code == 0:
        sys.exit(f"error: {out} ended with 0")
    if how == "freeze":
        if code != 4 or not re.search(rf"rank {victim} on \S+ is lost: silent for .*in step \d+", text):
            sys.exit(f"error: {out} ended with {code}, expected 4 and a line that names rank {victim}:\n{text}")
    reached, kept = steps_in(out), checkpoint_of(out)
    with log_path.open("a") as errors:
        begin = time.monotonic()
        job = start([*words, "--resume"], errors)
        resumed = int(kept.name[5:]) if kept else 0
        restarted = wait_for(lambda: steps_in(out) == STEPS or resumed < steps_in(out) != reached or job.poll() is not None,
                             f"a step of {out}")
        if job.wait(timeout=120) != 0:
            sys.exit(f"error: {out} could not be resumed:\n{log_path.read_text()}")
    wrong = differing_files(out, "through")
    if wrong:
        sys.exit(f"error: {out}, disturbed at step {reached} and resumed from {kept}, differs in {wrong}")
    print(f"{how} {number}: rank {victim} at step {reached}, code {code} after {detected:.1f} s, {reached - resumed} steps again, the same bytes", flush=True)
    return {"step": reached, "rank": victim, "code": code, "detected_s": detected, "restarted_s": restarted, "lost_steps": reached - resumed}


def table(title, drills, goal_s):
    rows = [f"| {key.replace('_', ' ')} | {min(values):.1f} | {statistics.median(values):.1f} | {max(values):.1f} |"
            for key in ("detected_s", "restarted_s", "lost_steps") for values in [[d[key] for d in drills]]]
    codes = sorted({d["code"] for d in drills})
    verdict = "met" if max(d["detected_s"] for d in drills) <= goal_s else "MISSED"
    return [f"## {title}", "", f"{len(drills)} of {len(drills)} ended with the bytes of the run that nobody disturbed: model, moments, state, manifest, every loss. "
            f"Exit codes of the disturbed jobs: {', '.join(map(str, codes))}. Goal: ended within {goal_s} s: {verdict}.", "",
            "| | least | median | most |", "| --- | --- | --- | --- |", *rows, ""]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tutti")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--freezes", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-result", action="store_true")
    arguments = parser.parse_args()
    tutti = str(pathlib.Path(arguments.tutti).resolve())
    random_numbers = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        playlists = subprocess.run([sys.executable, ROOT / "tests/support/small_playlists.py", "600"], check=True, capture_output=True).stdout
        pathlib.Path("playlists.csv").write_bytes(playlists)
        for words in (["import", "csv", "playlists.csv", "--out", "data"], ["embed", "cf", "--dataset", "data", "--out", "embeddings", "--dim", "64", "--epochs", "2"],
                      ["ids", "build", "--embeddings", "embeddings", "--dataset", "data", "--out", "ids", "--levels", "2", "--num-codes", "4"]):
            subprocess.run([tutti, *words], check=True, capture_output=True)
        subprocess.run(words_of(tutti, "through", "--steps", str(STEPS), "--checkpoint-every", str(EVERY), *SHAPE), check=True, capture_output=True)
        kills = [drill(tutti, i, random_numbers, "kill") for i in range(arguments.kills)]
        freezes = [drill(tutti, i, random_numbers, "freeze") for i in range(arguments.freezes)]
        os.chdir(ROOT)
    lines = ["# Drills: killed and frozen ranks", "",
             f"Command: `tests/faults/run.sh --kills {arguments.kills} --freezes {arguments.freezes} --seed {arguments.seed}`. Machine: {machine()}. "
             f"{RANKS} ranks under mpirun, {STEPS} steps, a checkpoint every {EVERY}, a random rank at a random step.", ""]
    if kills:
        lines += table("kill -9", kills, 5)
    if freezes:
        lines += table(f"SIGSTOP, --silence-limit {SILENCE}", freezes, SILENCE + 6)
    lines += ["detected s: from the fault until the job has ended. restarted s: from the new start until its first step is in the log. lost steps: steps that were "
              "made again.", ""]
    print("\n".join(lines))
    if not arguments.no_result:
        path = ROOT / f"docs/results/{datetime.date.today()}-faults.md"
        path.write_text("\n".join(lines))
        print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
