"""What asynchronous saving costs: the same training with and without checkpoints, in turn, on all cores."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from bench_report import ROOT, TUTTI, Report, interleaved, median, mpirun

RANKS = 2
MODEL = ["--d-model", "384", "--d-kv", "64", "--num-heads", "6", "--d-ff", "1024", "--num-layers", "4", "--num-decoder-layers", "4",
         "--vocabulary-size", "300", "--titles-per-step", "64"]
FIRST = 10  # steps that do not count


def prepare():
    with open("playlists.csv", "w", encoding="utf-8") as out:
        subprocess.run([sys.executable, ROOT / "tests/support/small_playlists.py", "600"], stdout=out, check=True)
    for words in (["import", "csv", "playlists.csv", "--out", "data"], ["embed", "cf", "--dataset", "data", "--out", "vectors", "--dim", "64"],
                  ["ids", "build", "--embeddings", "vectors", "--dataset", "data", "--out", "ids", "--levels", "2", "--num-codes", "4"]):
        subprocess.run([TUTTI, *words], check=True, capture_output=True)


def seconds_of(steps, every):
    """Wall time of `steps` steps behind the first ones; the checkpoint that ends a run does not count."""
    command = mpirun(RANKS, [TUTTI, "train", "--dataset", "data", "--ids", "ids", "--out", "run", "--overwrite", "--steps", str(FIRST + steps + 5),
                             "--checkpoint-every", str(every), *MODEL])
    log, times = pathlib.Path("run/log.jsonl"), {}
    log.unlink(missing_ok=True)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        time.sleep(0.005)
        lines = log.read_bytes().count(b"\n") if log.exists() else 0
        for step in (FIRST, FIRST + steps):
            if lines >= step:
                times.setdefault(step, time.monotonic())
    if process.returncode != 0 or len(times) != 2:
        sys.exit(f"error: {' '.join(command)} ended with {process.returncode}")
    return times[FIRST + steps] - times[FIRST]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    report = Report("saving", "What a checkpoint costs a run that goes on")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepare()
        times = interleaved(args.runs, without=lambda: seconds_of(args.steps, 10**6), saving=lambda: seconds_of(args.steps, args.every))
        size = sum(f.stat().st_size for f in next(pathlib.Path("run/checkpoints").glob("step-*")).iterdir())
        parameters = json.loads(next(pathlib.Path("run/checkpoints").glob("step-*/manifest.json")).read_text())["counts"]["parameters"]
    saves = (FIRST + args.steps) // args.every
    costs = [(b - a) / saves for a, b in zip(times["without"], times["saving"])]
    base = median(times["without"])
    share = 100 * median([b / a - 1 for a, b in zip(times["without"], times["saving"])])
    report.row("one step", 1000 * base / args.steps, unit="ms")
    report.row("one checkpoint beside the training", 1000 * median(costs), unit="ms of the run")
    report.row(f"saving every {args.every} steps ({base * args.every / args.steps:.1f} s)", share, unit="% of step time", goal=3, lower_is_better=True)
    report.note(f"{RANKS} ranks x 1 thread on all cores, {parameters / 1e6:.1f} million parameters, checkpoints of {size / 2**20:.0f} MiB; {args.steps} steps with "
                f"{saves} checkpoints and without, in turn, {args.runs} times, wall time: without "
                f"{', '.join(f'{t:.2f}' for t in times['without'])} s, saving {', '.join(f'{t:.2f}' for t in times['saving'])} s.")
    report.write()


if __name__ == "__main__":
    main()
