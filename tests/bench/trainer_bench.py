"""Training steps beside transformers on the same pairs: Flan-T5-small and -base shapes, fp32 and bf16; steps a second and what is no
matrix product at a few titles a step; two ranks beside one rank with two threads.

Data: the demo's catalogue with simulated playlists, two code levels of 1024 and a suffix, which gives about as many nodes a pair as real
playlists do. Both sides train the same playlists. Each part is kept in the work folder: parts can be measured apart, and the report holds
all that there are.
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
# The gradients' ways between ranks: all of them by all-reduce; rows of the title vocabulary by all-gather; slices.
WAYS = {"dense text rows": ("--text-rows", "dense"), "--text-rows sparse": ("--text-rows", "sparse"), "--zero": ("--zero",)}
# glibc gives no memory back between steps, as our program has it: the peer is up to a third faster so, and less noisy.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": 10 ** 10, "MALLOC_MMAP_THRESHOLD_": 10 ** 10, "MALLOC_TOP_PAD_": 2 ** 28}
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
    """A line a batch size, then the versions."""
    *lines, versions = bench.run_json([bench.TORCH_PYTHON, pathlib.Path(__file__).with_name("trainer_peer.py"), pairs, shape,
                                       precision, THREADS, steps, *batches], OMP_NUM_THREADS=THREADS, **KEEP_MEMORY)
    return [{**line, "precision": precision} for line in lines], versions["versions"]


def rank_speed(ranks, threads, *extra):
    """Pairs a second of `tutti train` at 64 titles a step, from its log behind the first steps, in which memory still grows."""
    run = WORK / f"run-{ranks}x{threads}"
    tutti("train", "--dataset", WORK / "data", "--ids", WORK / "ids", "--out", run, "--overwrite", "--steps", 14, "--titles-per-step", 64, "--group-cap", 0,
          "--report-every", 1, "--threads", threads, *SMALL, *extra, ranks=ranks, threads=threads)
    records = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    steps = [record for record in records if "step_ms" in record][6:]
    return {"pairs_per_s": sum(r["pairs_per_s"] * r["step_ms"] for r in steps) / sum(r["step_ms"] for r in steps),
            "exposed": sum(r["communication_exposed_ms"] for r in steps) / sum(r["step_ms"] for r in steps)}


def compare(report, runs, shape, precision, steps, goal, peer_precisions, peer_steps, batches):
    """Ours beside the peer at 64 titles a step, in turn; medians. The peer's precision and batch are the best of a trial of each. Returns
    the peer's versions."""
    vocabulary, pairs, peak = make_data(), WORK / "pairs.jsonl", report.peaks[0][f"{precision}_gflops"]
    tried = [line for p in peer_precisions for line in peer(pairs, shape, p, peer_steps, batches)[0]]
    best = max(tried, key=lambda line: line["pairs_per_s"])
    sides = bench.interleaved(runs, ours=lambda: ours(vocabulary, shape, precision, 64, steps),
                              peer=lambda: peer(pairs, shape, best["precision"], peer_steps, [best["batch"]]))
    made = sorted(sides["ours"], key=lambda run: run["pairs_per_s"])
    middle = made[len(made) // 2]
    report.row(f"{shape}, {precision}, 64 titles a step", middle["pairs_per_s"], bench.median([lines[0]["pairs_per_s"] for lines, _ in sides["peer"]]),
               "pairs/s", goal=goal, peer_name=f"transformers, {best['precision']}, batch {best['batch']}")
    report.row(f"{shape}, {precision}: products, share of the probed peak", middle["product_gflops"] / peak, goal=0.6)
    report.note(f"{shape}, {precision}: {middle['tracks_per_title']:.1f} tracks a title, {middle['nodes_per_pair']:.2f} nodes a pair, "
                f"{100 * middle['product_share']:.0f} % of a step in products at {middle['product_gflops']:.0f} GFLOP/s, "
                f"{middle['step_gflops']:.0f} GFLOP/s over the whole step, {100 * middle['update_share']:.1f} % in norm and AdamW. transformers, pairs/s "
                "when all were tried: " + ", ".join(f"{line['precision']} {line['batch']}: {line['pairs_per_s']:.1f}" for line in tried) + ".")
    return sides["peer"][0][1]


def small(report, runs):
    return compare(report, runs, "flan-t5-small", "fp32", 6, 20, ["fp32"], 2, [32, 64, 128, 256])


def small_bf16(report, runs):
    return compare(report, runs, "flan-t5-small", "bf16", 10, 20, ["autocast", "bf16"], 4, [32, 64, 128, 256])


def base(report, runs):
    return compare(report, runs, "flan-t5-base", "fp32", 2, 12, ["fp32"], 1, [32, 64])


def base_bf16(report, runs):
    return compare(report, runs, "flan-t5-base", "bf16", 3, 12, ["autocast", "bf16"], 1, [32, 64, 128])


def few_titles(report, _runs):
    lines = ["| shape | precision | titles a step | steps/s | pairs/s | products | norm and AdamW | packing | all else |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for shape in ("flan-t5-small", "demo"):
        for precision in ("fp32", "bf16"):
            for titles in (4, 16, 64):
                steps = {"demo": 2000, "flan-t5-small": 80}[shape] // titles
                found = ours(make_data(), shape, precision, titles, max(steps, 4))
                rest = 1 - found["product_share"] - found["update_share"] - found["pack_share"]
                lines.append(f"| {shape} | {precision} | {titles} | {found['steps_per_s']:.2f} | {found['pairs_per_s']:.0f} | "
                             f"{100 * found['product_share']:.0f} % | {100 * found['update_share']:.0f} % | "
                             f"{100 * found['pack_share']:.1f} % | {100 * rest:.0f} % |")
    report.note("Steps a second and where the time of a step goes. `demo`: d_model 128, 4 heads of 32, d_ff 384, 2 + 2 layers.\n\n"
                + "\n".join(lines))


def memory(report, _runs):
    kept, again = (ours(make_data(), "flan-t5-base", "fp32", 32, 2, flag) for flag in (False, True))
    report.note(f"`--checkpoint-activations`, flan-t5-base, fp32, 32 titles a step: peak memory {kept['peak_memory_mib']} MiB and "
                f"{again['peak_memory_mib']} MiB with it, {kept['pairs_per_s']:.0f} and {again['pairs_per_s']:.0f} pairs/s.")


def ranks(report, runs):
    """Two ranks beside one rank with two threads, with the same options: the gradients' ways between ranks."""
    sides = bench.interleaved(runs, **{name: lambda options=options: (rank_speed(2, 1, *options), rank_speed(1, 2, *options))
                                       for name, options in WAYS.items()})
    for name, pairs in sides.items():
        speed = [bench.median([run[side]["pairs_per_s"] for run in pairs]) for side in (0, 1)]
        report.row(f"flan-t5-small, fp32, 64 titles a step, {name}: two ranks with one thread", speed[0], speed[1], "pairs/s", goal=0.9,
                   peer_name="one rank with two threads")
        report.row(f"two ranks, {name}: exposed communication, share of a step", bench.median([run[0]["exposed"] for run in pairs]),
                   goal=0.1, lower_is_better=True)


PARTS = {"small": small, "small-bf16": small_bf16, "base": base, "base-bf16": base_bf16, "steps": few_titles, "memory": memory,
         "ranks": ranks}


def measure(part, runs):
    report = bench.Report("trainer", "Training steps beside transformers", THREADS)
    versions = PARTS[part](report, runs)
    report.peaks.append(bench.matmul_peak(THREADS))
    peaks = ", ".join(" and ".join(f"{peak[key]:.0f}" for peak in report.peaks) + " GFLOP/s " + key[:4] for key in ("fp32_gflops", "bf16_gflops"))
    origin = f"{part}: commit {bench.commit()}; matrix product probed before and after: {peaks}; load at the start {report.load:.1f}"
    (WORK / f"measured-{part}.json").write_text(json.dumps(dict(rows=report.rows, notes=report.notes, versions=versions, origin=origin)))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=3, help="runs of ours beside each peer; the median counts")
    arguments.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    args = arguments.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    with open(WORK / "pairs.jsonl", "w", encoding="utf-8") as file:
        subprocess.run([bench.BIN / "trainer_bench", "pairs", WORK / "data", WORK / "ids", make_data(), str(PLAYLISTS)], stdout=file,
                       check=True)
    for part in args.parts:
        measure(part, args.runs)
    report = bench.Report("trainer", "Training steps beside transformers", THREADS)
    found = [json.loads(path.read_text()) for path in (WORK / f"measured-{part}.json" for part in PARTS) if path.exists()]
    report.rows = [row for part in found for row in part["rows"]]
    report.notes = [note for part in found for note in part["notes"]]
    report.note("The parts were measured apart:\n\n" + "\n".join(f"- {part['origin']}" for part in found))
    report.write(sorted({part["versions"] for part in found if part["versions"]}))


if __name__ == "__main__":
    main()
