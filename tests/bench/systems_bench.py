"""All systems on the demo's data, the model from several seeds: tutti evaluate, and the ratio of the model to the best baseline.

The tables are quality; the one race is the time of a whole evaluation, with a rank a core. The playlists are simulated. Data, encoders
and runs that are there are not made again: remove build/systems to begin anew. Only the last part asks for a quiet machine:
--keep-scores takes the evaluations that an earlier call left.
"""
import argparse
import json
import statistics
import time

import bench_report as bench
import demo_data

MODEL = ("--d-model", 128, "--d-kv", 32, "--num-heads", 4, "--d-ff", 384, "--num-layers", 2, "--num-decoder-layers", 2)
REQUESTS = ("--request-share", 0.25)
PROMPTS = 334  # a set; three sets: a thousand prompts


def bi_encoders(work, args):
    """Zero-shot and fine-tuned, with the vectors of all tracks."""
    folders = [work / "bi-zero", work / "bi-tuned"]
    for folder, options in zip(folders, (("--steps", 0), ("--steps", args.bi_steps, "--learning-rate", 1e-4, *REQUESTS))):
        if not folder.exists():
            demo_data.tutti("train-biencoder", "--dataset", work / "data", *options, "--out", folder)
    return [word for folder in folders for word in ("--bi-encoder", folder)]


def evaluate(work, seed, args, encoders, *more):
    demo_data.tutti("evaluate", "--dataset", work / "data", "--ids", work / "ids", "--run", work / f"run-{args.steps}-{seed}",
                    "--embeddings", work / "embeddings", *encoders, *more, ranks=args.ranks)


def trained(work, seed, args):
    run = work / f"run-{args.steps}-{seed}"
    if not (run / "exit.json").exists():
        demo_data.tutti("train", "--dataset", work / "data", "--ids", work / "ids", "--steps", args.steps, "--titles-per-step", 8, "--group-cap", 0,
                        "--learning-rate", 1e-3, "--seed", seed, *MODEL, *REQUESTS, "--validate-every", max(1, args.steps // 5),
                        "--validation-queries", 250, "--out", run, "--overwrite")


def headline(row, name="hits@10"):
    return row["metrics"][name]["mean"]


def baselines(block):
    return [row for row in block["rows"][:-1] if not row.get("oracle", False)]


def interval(row):
    hits = row["metrics"]["hits@10"]
    return f"[{hits['low']:.3f}, {hits['high']:.3f}]"


def ratio_words(block):
    to = block["to_baseline"]
    return f"{to['ratio']:.2f} [{to['low']:.2f}, {to['high']:.2f}]"


def section(blocks):
    """A block's rows: baselines from the first seed (they do not depend on it), the model of every seed, and the mean."""
    block = blocks[0]
    lines = [f"### {block['name']}", "", f"{block['meaning']}; {block['queries']} queries", "",
             "| system | hits@10 | 95 % interval | to the best baseline | hit_rate@10 | nDCG@10 | MRR@10 | artists@10 | popularity@10 | tail share | distance | "
             "coverage | Gini |", "| --- " * 13 + "|"]

    def line(name, rows, interval_words, ratio=""):
        mean = lambda metric: statistics.mean(headline(row, metric) for row in rows)
        use = lambda key: statistics.mean(row["lists"][key] for row in rows)
        lines.append(f"| {name} | {mean('hits@10'):.3f} | {interval_words} | {ratio} | {mean('hit_rate@10'):.3f} | {mean('ndcg@10'):.3f} | "
                     f"{mean('mrr@10'):.3f} | {mean('distinct_artists@10'):.2f} | {mean('popularity@10'):.0f} | {mean('tail_share@10'):.3f} | "
                     f"{mean('list_distance@10'):.3f} | {use('coverage'):.4f} | {use('gini'):.3f} |")

    for row in block["rows"][:-1]:
        line(("ORACLE: " if row.get("oracle", False) else "") + row["ranker"], [row], interval(row))
    rows = [b["rows"][-1] for b in blocks]
    for seed, row in enumerate(rows, 1):
        line(f"generative (CF), seed {seed}", [row], interval(row), ratio_words(blocks[seed - 1]))
    mean_ratio = statistics.mean(b["to_baseline"]["ratio"] for b in blocks)
    line(f"**generative (CF), mean of {len(rows)} seeds**", rows, "", f"**{mean_ratio:.2f}**")
    return "\n".join(lines)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=6500)
    arguments.add_argument("--bi-steps", type=int, default=240)
    arguments.add_argument("--ranks", type=int, default=2, help="of evaluation; training is on one")
    arguments.add_argument("--keep-scores", action="store_true", help="do not evaluate what an earlier call of this program evaluated")
    arguments.add_argument("--no-timing", action="store_true", help="leave out the part that asks for a quiet machine")
    args = arguments.parse_args()
    report = bench.Report("systems", f"All systems on simulated playlists (the demo's data), {args.seeds} seeds of the model")
    work = bench.ROOT / "build/systems"
    demo_data.make_data(work, 20_000)
    encoders = bi_encoders(work, args)
    scores = []
    for seed in range(1, args.seeds + 1):
        trained(work, seed, args)
        file = work / f"scores-{args.steps}-{seed}.json"
        if not (args.keep_scores and file.exists()):
            evaluate(work, seed, args, encoders, "--json", file)
        scores.append(json.loads(file.read_text(encoding="utf-8")))
    if not args.no_timing:
        began = time.perf_counter()
        evaluate(work, 1, args, encoders, "--max-queries", PROMPTS, "--prompts", "bare")
        seconds = time.perf_counter() - began

    for i, block in enumerate(scores[0]["blocks"]):
        best = max(baselines(block), key=headline)
        model = statistics.mean(headline(s["blocks"][i]["rows"][-1]) for s in scores)
        report.row(f"hits@10, {block['name']}", model, headline(best), "", peer_name=f"best baseline: {best['ranker']}")
    losing = [f"{row['work'].removeprefix('hits@10, ')} ({row['peer_name'].removeprefix('best baseline: ')}, ratio {row['ratio']:.2f}, "
              f"by seed {', '.join(ratio_words(s['blocks'][i]) for s in scores)})"
              for i, row in enumerate(report.rows) if row["ratio"] < 1]
    if not args.no_timing:
        report.row(f"full evaluation of {3 * PROMPTS:,} prompts, all systems, {args.ranks} ranks", seconds, unit="s", goal=60,
                   lower_is_better=True)
    if losing:
        report.lead(f"A baseline finds more than the model on: {'; '.join(losing)}.")
    report.note("The playlists are SIMULATED over a real catalogue; editorial prompts are words of tags that its tracks carry, and documents "
                "made of these tags are an oracle there. On the simulated playlists they are BM25 over metadata: the catalogue has no names, but "
                "the simulator drew tracks by these tags, and so they know more than metadata would elsewhere. Baselines are tuned on validation "
                "playlists. Intervals: 95 %, 1,000 bootstrap resamples of titles, of a ratio from the same resamples of both. A quarter of the training titles is put into requests; prompts \"as requests\" use templates that training did not.")
    for i in range(len(scores[0]["blocks"])):
        report.note(section([s["blocks"][i] for s in scores]))
    report.note("Signatures:\n\n" + "\n".join(f"- `{s['signature']}`" for s in scores))
    report.write()


if __name__ == "__main__":
    main()
