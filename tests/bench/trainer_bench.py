"""Training steps beside transformers on the same pairs: Flan-T5-small and -base shapes, fp32 and bf16; steps a second and what is no
matrix product at a few titles a step; two ranks beside one rank with two threads.

Data: the demo's catalogue with simulated playlists, two code levels of 1024 and a suffix, which gives about as many nodes a pair as real
playlists do. Both sides train the same playlists.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

import bench_report as bench

WORK = pathlib.Path(os.environ.get("TUTTI_TRAINER_BENCH_DIR", bench.ROOT / "build/trainer_bench"))
THREADS = 2
PLAYLISTS = 512
SMALL = ["--d-model", 512, "--d-kv", 64, "--num-heads", 6, "--d-ff", 1024, "--num-layers", 8, "--num-decoder-layers", 8]


def tutti(*words, ranks=1, threads=1):
    command = [bench.TUTTI, *map(str, words)]
    if ranks > 1:
        command = bench.mpirun(ranks, command)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)} ended with {done.returncode}\n{done.stderr[-2000:]}")


def make_data():
    """Dataset, IDs and a vocabulary (of a run of one step)."""
    if not (WORK / "run/manifest.json").exists() and not list((WORK / "run/checkpoints").glob("*")):
        tutti("import", "tags", bench.ROOT / "data/demo/jamendo-tags.tsv.gz", "--out", WORK / "catalog", "--overwrite")
        tutti("synth", "--catalog", WORK / "catalog", "--playlists", 20000, "--seed", 1, "--threads", 2, "--out", WORK / "data",
              "--overwrite")
        tutti("embed", "cf", "--dataset", WORK / "data", "--dim", 64, "--threads", 2, "--out", WORK / "embeddings", "--overwrite")
        tutti("ids", "build", "--dataset", WORK / "data", "--embeddings", WORK / "embeddings", "--levels", 2, "--num-codes", 1024,
              "--threads", 2, "--out", WORK / "ids", "--overwrite")
        tutti("train", "--dataset", WORK / "data", "--ids", WORK / "ids", "--steps", 1, "--out", WORK / "run", "--overwrite")
    return next((WORK / "run").rglob("spiece.model"))


def ours(vocabulary, shape, precision, titles, steps, checkpoint_activations=False):
    return bench.run_json([bench.BIN / "trainer_bench", "step", WORK / "data", WORK / "ids", vocabulary, shape, precision, THREADS,
                           int(checkpoint_activations), titles, steps], OMP_NUM_THREADS=THREADS)[0]


def peer(pairs, shape, precision, steps, batches):
    """The best batch size: (pairs a second, its name)."""
    *lines, versions = bench.run_json([bench.TORCH_PYTHON, pathlib.Path(__file__).with_name("trainer_peer.py"), pairs, shape,
                                       precision, THREADS, steps, *batches], OMP_NUM_THREADS=THREADS)
    best = max(lines, key=lambda line: line["pairs_per_s"])
    return best["pairs_per_s"], f"transformers, {precision}, batch {best['batch']}", versions["versions"]


def rank_speed(ranks, threads, *extra):
    """Pairs a second of `tutti train` at 64 titles a step, from its log behind the first steps."""
    run = WORK / f"run-{ranks}x{threads}"
    tutti("train", "--dataset", WORK / "data", "--ids", WORK / "ids", "--out", run, "--overwrite", "--steps", 10, "--titles-per-step", 64,
          "--report-every", 1, "--threads", threads, *SMALL, *extra, ranks=ranks, threads=threads)
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    steps = [record for record in records if "step_ms" in record][4:]
    return {"pairs_per_s": sum(r["pairs_per_s"] * r["step_ms"] for r in steps) / sum(r["step_ms"] for r in steps),
            "exposed": sum(r["communication_exposed_ms"] for r in steps) / sum(r["step_ms"] for r in steps)}


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=3, help="runs of ours beside each peer; the median counts")
    arguments.add_argument("--parts", nargs="*", default=["small", "base", "base-bf16", "steps", "memory", "ranks"])
    args = arguments.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    vocabulary = make_data()
    pairs = WORK / "pairs.jsonl"
    with open(pairs, "w", encoding="utf-8") as file:
        subprocess.run([bench.BIN / "trainer_bench", "pairs", WORK / "data", WORK / "ids", vocabulary, str(PLAYLISTS)], stdout=file, check=True)
    report = bench.Report("trainer", "Training steps beside transformers", THREADS)
    peak = {key: report.peaks[0][f"{key}_gflops"] for key in ("fp32", "bf16")}
    versions = ""

    def compare(shape, precision, titles, steps, goal, peer_precisions, peer_steps, batches):
        nonlocal versions
        runs = [ours(vocabulary, shape, precision, titles, steps) for _ in range(args.runs)]
        middle = sorted(runs, key=lambda run: run["pairs_per_s"])[len(runs) // 2]
        best = max((peer(pairs, shape, p, peer_steps, batches) for p in peer_precisions), key=lambda found: found[0])
        versions = best[2]
        report.row(f"{shape}, {precision}, {titles} titles a step", middle["pairs_per_s"], best[0], "pairs/s", goal=goal,
                   peer_name=best[1])
        report.row(f"{shape}, {precision}: products, share of the probed peak", middle["product_gflops"] / peak[precision],
                   goal=0.6)
        report.note(f"{shape}, {precision}: {middle['tracks_per_title']:.1f} tracks a title, {middle['nodes_per_pair']:.2f} nodes a pair, "
                    f"{100 * middle['product_share']:.0f} % of a step in products at {middle['product_gflops']:.0f} GFLOP/s, "
                    f"{middle['step_gflops']:.0f} GFLOP/s over the whole step, {100 * middle['update_share']:.1f} % in norm and AdamW.")
        return middle, best[0]

    if "small" in args.parts:
        compare("flan-t5-small", "fp32", 64, 4, 20, ["fp32"], 2, [32, 64, 128, 256])
        compare("flan-t5-small", "bf16", 64, 6, 20, ["autocast", "bf16"], 2, [32, 64, 128, 256])
    if "base" in args.parts:
        compare("flan-t5-base", "fp32", 64, 2, 12, ["fp32"], 1, [32, 64])
    if "base-bf16" in args.parts:
        compare("flan-t5-base", "bf16", 64, 3, 12, ["autocast", "bf16"], 1, [32, 64, 128])
    if "steps" in args.parts:
        lines = ["| shape | precision | titles a step | steps/s | pairs/s | products | norm and AdamW | packing | all else |",
                 "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
        for shape in ("flan-t5-small", "demo"):
            for precision in ("fp32", "bf16"):
                for titles in (4, 16, 64):
                    steps = {"demo": 2000, "flan-t5-small": 80}[shape] // titles
                    found = ours(vocabulary, shape, precision, titles, max(steps, 4))
                    rest = 1 - found["product_share"] - found["update_share"] - found["pack_share"]
                    lines.append(f"| {shape} | {precision} | {titles} | {found['steps_per_s']:.2f} | {found['pairs_per_s']:.0f} | "
                                 f"{100 * found['product_share']:.0f} % | {100 * found['update_share']:.0f} % | "
                                 f"{100 * found['pack_share']:.1f} % | {100 * rest:.0f} % |")
        report.note("Steps a second and where the time of a step goes. `demo`: d_model 128, 4 heads of 32, d_ff 384, 2 + 2 layers.\n\n"
                    + "\n".join(lines))
    if "memory" in args.parts:
        kept, again = (ours(vocabulary, "flan-t5-base", "fp32", 32, 2, flag) for flag in (False, True))
        report.note(f"`--checkpoint-activations`, flan-t5-base, fp32, 32 titles a step: peak memory {kept['peak_memory_mib']} MiB and "
                    f"{again['peak_memory_mib']} MiB with it, {kept['pairs_per_s']:.0f} and {again['pairs_per_s']:.0f} pairs/s.")
    if "ranks" in args.parts:
        sides = bench.interleaved(args.runs, two=lambda: rank_speed(2, 1), one=lambda: rank_speed(1, 2),
                                  zero=lambda: rank_speed(2, 1, "--zero"))
        speed = {name: bench.median([run["pairs_per_s"] for run in runs]) for name, runs in sides.items()}
        report.row("flan-t5-small, fp32, 64 titles a step: two ranks with one thread", speed["two"], speed["one"], "pairs/s", goal=0.9,
                   peer_name="one rank with two threads")
        report.row("the same with --zero", speed["zero"], speed["one"], "pairs/s", peer_name="one rank with two threads")
        report.row("two ranks: exposed communication, share of a step", bench.median([run["exposed"] for run in sides["two"]]), goal=0.1,
                   lower_is_better=True)
    report.write([versions] if versions else [])


if __name__ == "__main__":
    main()
