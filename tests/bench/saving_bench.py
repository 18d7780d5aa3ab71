"""What asynchronous checkpoints cost a run: the same training with checkpoints every so many steps and with one at the end alone, in turns.

Usage: saving_bench.py [--steps N] [--every N] [--rounds N]
"""
import argparse
import json
import shutil
import time

import bench_report as bench
from demo_data import make_data, tutti

WORK = bench.ROOT / "build/saving"
MODEL = ("--d-model", 256, "--d-kv", 32, "--num-heads", 8, "--d-ff", 768, "--num-layers", 4, "--num-decoder-layers", 4)


def seconds_of(steps, every):
    """Wall seconds of the run, and what it says of itself."""
    out = WORK / "run"
    shutil.rmtree(out, ignore_errors=True)
    started = time.monotonic()
    tutti("train", "--dataset", WORK / "data/data", "--ids", WORK / "data/ids", "--out", out, "--steps", steps, "--titles-per-step", 16, "--group-cap", 0,
          "--validate-every", 0, "--checkpoint-every", every, *MODEL)
    seconds = time.monotonic() - started
    step_ms = [record["step_ms"] for record in map(json.loads, (out / "log.jsonl").read_text().splitlines()) if record["event"] == "step"]
    newest = sorted((out / "checkpoints").glob("step-*"))[-1]
    return seconds, bench.median(step_ms), sum(path.stat().st_size for path in newest.iterdir()) / 2**20


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--steps", type=int, default=400)
    arguments.add_argument("--every", type=int, default=100)
    arguments.add_argument("--rounds", type=int, default=3)
    args = arguments.parse_args()
    report = bench.Report("saving", "Training with asynchronous checkpoints beside training without")
    make_data(WORK / "data", 20_000)
    runs = bench.interleaved(args.rounds, without=lambda: seconds_of(args.steps, args.steps), saving=lambda: seconds_of(args.steps, args.every))
    without, saving = (bench.median([seconds for seconds, _, _ in runs[name]]) for name in ("without", "saving"))
    _, step_ms, mebibytes = runs["saving"][-1]
    saves = args.steps // args.every - 1
    report.row(f"a run of {args.steps} steps of {step_ms:.0f} ms with {saves} more checkpoints of {mebibytes:.0f} MiB: time added",
               100 * (saving / without - 1), unit="%", goal=3, lower_is_better=True)
    each = lambda name: ", ".join(f"{seconds:.1f}" for seconds, _, _ in runs[name])
    report.note(f"Whole runs, seconds, in turns: without {each('without')}; saving {each('saving')}. Both write a checkpoint at the end and wait for it. One rank "
                f"with one thread; the thread that writes has the other core. A save every {args.every * step_ms / 1e3:.0f} s is far more often than a real run's.")
    report.write()


if __name__ == "__main__":
    main()
