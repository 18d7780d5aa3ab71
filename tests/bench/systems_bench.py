"""All systems on the demo's data, the model from several seeds: tutti evaluate, and the ratio of the model to the best baseline.

Not a race: the table is quality. The playlists are simulated.
"""
import argparse
import json
import pathlib
import statistics

import bench_report as bench
import demo_data

MODEL = ("--d-model", 128, "--d-kv", 32, "--num-heads", 4, "--d-ff", 384, "--num-layers", 2, "--num-decoder-layers", 2)


def evaluated(work, seed, args):
    """The scores of the model of one seed; trains it unless it is there."""
    run, scores = work / f"run-{args.steps}-{seed}", work / f"scores-{args.steps}-{seed}.json"
    if not scores.exists():
        common = ("--dataset", work / "data", "--ids", work / "ids", "--threads", 1)
        demo_data.tutti("train", *common, "--steps", args.steps, "--titles-per-step", 8, "--learning-rate", 1e-3, "--seed", seed, *MODEL,
                        "--out", run, "--overwrite", ranks=args.ranks)
        demo_data.tutti("evaluate", *common, "--run", run, "--embeddings", work / "embeddings", "--json", scores, ranks=args.ranks)
    return json.loads(scores.read_text(encoding="utf-8"))


def headline(row, name="hits@10"):
    return row["metrics"][name]["mean"]


def section(blocks, seeds):
    """A block's rows: baselines from the first seed (they do not depend on it), the model as mean and range over seeds."""
    block = blocks[0]
    lines = [f"### {block['name']}", "", f"{block['meaning']}; {block['queries']} queries", "",
             "| system | hits@10 | 95 % interval | hit_rate@10 | nDCG@10 | artists@10 | tail share | coverage |", "| --- " * 8 + "|"]
    for row in block["rows"][:-1]:
        hits = row["metrics"]["hits@10"]
        lines.append(f"| {row['ranker']} | {hits['mean']:.3f} | [{hits['low']:.3f}, {hits['high']:.3f}] | {headline(row, 'hit_rate@10'):.3f} | "
                     f"{headline(row, 'ndcg@10'):.3f} | {headline(row, 'distinct_artists@10'):.2f} | {headline(row, 'tail_share@10'):.3f} | "
                     f"{row['lists']['coverage']:.4f} |")
    rows = [b["rows"][-1] for b in blocks]
    mean = lambda name: statistics.mean(headline(row, name) for row in rows)
    each = ", ".join(f"{headline(row):.3f}" for row in rows)
    low, high = min(row["metrics"]["hits@10"]["low"] for row in rows), max(row["metrics"]["hits@10"]["high"] for row in rows)
    lines.append(f"| generative, mean of {seeds} seeds ({each}) | {mean('hits@10'):.3f} | [{low:.3f}, {high:.3f}] widest | {mean('hit_rate@10'):.3f} | "
                 f"{mean('ndcg@10'):.3f} | {mean('distinct_artists@10'):.2f} | {mean('tail_share@10'):.3f} | "
                 f"{statistics.mean(row['lists']['coverage'] for row in rows):.4f} |")
    return "\n".join(lines)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=6500)
    arguments.add_argument("--ranks", type=int, default=2)
    args = arguments.parse_args()
    report = bench.Report("systems", f"All systems on the demo's data, {args.seeds} seeds of the model")
    work = bench.ROOT / "build/systems"
    demo_data.make_data(work, 20_000)
    scores = [evaluated(work, seed, args) for seed in range(1, args.seeds + 1)]
    report.note("The playlists are SIMULATED over a real catalogue; editorial prompts are words of tags that its tracks carry. Baselines are tuned on "
                "validation playlists. Intervals: 1,000 bootstrap resamples of titles.")
    for i, block in enumerate(scores[0]["blocks"]):
        best = max(block["rows"][:-1], key=headline)
        model = statistics.mean(headline(s["blocks"][i]["rows"][-1]) for s in scores)
        report.row(f"hits@10, {block['name']}", model, headline(best), "", peer_name=best["ranker"])
    losing = [row["work"] for row in report.rows if row["ratio"] < 1]
    if losing:
        report.notes.insert(0, f"A baseline finds more than the model: {'; '.join(losing)}.")
    for i in range(len(scores[0]["blocks"])):
        report.note(section([s["blocks"][i] for s in scores], args.seeds))
    report.note("Signatures:\n\n" + "\n".join(f"- `{s['signature']}`" for s in scores))
    report.write()


if __name__ == "__main__":
    main()
