"""Data-parallel training on one machine: two ranks of one thread against one rank of two threads on the same steps, and how much of
a step waits for gradients. Usage: ranks_bench.py [--runs 3]
"""
import argparse
import json
import os
import pathlib

import bench_report as bench
from demo_data import make_data, tutti

WORK = pathlib.Path(os.environ.get("TUTTI_RANKS_DIR", bench.ROOT / "build/ranks"))
TITLES = 64
SHAPES = {
    "2 + 2 layers, d 128": (30, ["--d-model", 128, "--d-kv", 32, "--num-heads", 4, "--d-ff", 384, "--num-layers", 2, "--num-decoder-layers", 2]),
    "Flan-T5-small shape": (5, ["--d-model", 512, "--d-kv", 64, "--num-heads", 6, "--d-ff", 1024, "--num-layers", 8, "--num-decoder-layers", 8]),
}
WARM_UP = 2  # steps that are not counted: pages are touched for the first time


def train(words, steps, ranks, threads, extra=()):
    """Means of rank 0's steps behind the warm-up."""
    out = WORK / "run"
    tutti("train", "--dataset", WORK / "data", "--ids", WORK / "ids", "--out", out, "--overwrite", "--steps", WARM_UP + steps,
          "--titles-per-step", TITLES, "--threads", threads, "--checkpoint-every", 1_000_000, "--seed", 1, *words, *extra,
          ranks=ranks, threads=threads)
    records = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    records = [r for r in records if r["event"] == "step"][WARM_UP:]
    mean = lambda key: sum(r[key] for r in records) / len(records)
    return {key: mean(key) for key in ("step_ms", "reduce_ms", "communication_exposed_ms", "communication_hidden_ms", "imbalance", "pairs")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    make_data(WORK, num_playlists=5000)
    report = bench.Report("ranks", "Two ranks against one, and how much of a step waits for gradients")
    for title, (steps, words) in SHAPES.items():
        sides = bench.interleaved(runs, one=lambda w=words, s=steps: train(w, s, 1, 2), two=lambda w=words, s=steps: train(w, s, 2, 1),
                                  zero=lambda w=words, s=steps: train(w, s, 2, 1, ["--zero"]))
        rate = {side: bench.median([r["pairs"] / r["step_ms"] * 1e3 for r in results]) for side, results in sides.items()}
        share = lambda side, key: bench.median([100 * r[key] / r["step_ms"] for r in sides[side]])
        report.row(f"{title}: 2 ranks × 1 thread", rate["two"], rate["one"], "pairs/s", goal=0.9, peer_name="1 rank × 2 threads")
        report.row(f"{title}: the same with --zero", rate["zero"], rate["one"], "pairs/s", peer_name="1 rank × 2 threads")
        for side, name in (("two", ""), ("zero", " with --zero")):
            report.row(f"{title}: communication that a step waits for{name}", share(side, "communication_exposed_ms"), unit="% of a step",
                       goal=10 if side == "two" else None, lower_is_better=True)
        report.note(f"{title}: {TITLES} titles and {sides['one'][0]['pairs']:.0f} pairs a step; medians of {runs} runs of {steps} steps. One "
                    f"rank {bench.median([r['step_ms'] for r in sides['one']]):.0f} ms a step, two "
                    f"{bench.median([r['step_ms'] for r in sides['two']]):.0f} ms, of which communication "
                    f"{bench.median([r['communication_exposed_ms'] for r in sides['two']]):.1f} ms waited for and "
                    f"{bench.median([r['communication_hidden_ms'] for r in sides['two']]):.1f} ms beside the model; the ranks' cost differs by "
                    f"{100 * sides['two'][0]['imbalance']:.1f} %, and the faster one's wait for the slower one counts as exposed.")
    report.write()


if __name__ == "__main__":
    main()
