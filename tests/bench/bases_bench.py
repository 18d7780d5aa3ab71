"""Bases: what a pretrained language model gives at equal time. Learning curves, hits@10 on held-out playlists with seen and unseen titles and on editorial
prompts, of a generator from scratch, of the same decoder over MiniLM (frozen, fine-tuned, first frozen and then not), and of SmolLM2-135M.

Usage: bases_bench.py [--seconds S] [--seed N] [PART]...   Each run trains for about S seconds of processor time (user and system, one thread), which the load of the
machine hardly changes; reading titles with a frozen encoder counts, evaluating and the writing of checkpoints do not. How many steps that is, a
short run tells first. What a part found is kept in the work folder, so that parts can be measured apart. Without a PART a report of all that is there is
written; `all` measures all and writes it. The playlists are SIMULATED over a real catalogue.
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics

import bench_report as bench
import curve_svg
import h5py
from demo_data import make_data, tutti

WORK = pathlib.Path(os.environ.get("TUTTI_BASES_DIR", bench.ROOT / "build/bases"))
BLOCKS = ("seen titles", "unseen titles", "editorial prompts")
DECODER = ("--d-model", 128, "--d-kv", 32, "--num-heads", 4, "--d-ff", 384, "--num-decoder-layers", 2, "--titles-per-step", 64, "--group-cap", 8,
           "--learning-rate", 2e-3)
MINILM = ("--encoder", "minilm", "--title-states", WORK / "states", *DECODER)
SMOLLM2 = ("--base", "smollm2", "--titles-per-step", 8, "--group-cap", 8)
GOAL = 1.25
TRAIN, TEST = 0, 2  # parts (data/README.md)


class Choice:
    """What is trained. `thaws`: first as the options say, then, from half of the time on, all. `points`: of the curve of the first seed (the others have
    their end alone). `trial`: steps that tell what a step costs."""

    def __init__(self, words, seeds=1, thaws=False, points=4, queries=2000, trial=60):
        self.words, self.seeds, self.thaws, self.points, self.queries, self.trial = words, seeds, thaws, points, queries, trial


CHOICES = {
    "from scratch": Choice(("--num-layers", 2, *DECODER), seeds=3),
    "MiniLM, frozen": Choice((*MINILM, "--train", "decoder"), seeds=3),
    "MiniLM, fine-tuned": Choice(MINILM),
    "MiniLM, frozen, then fine-tuned": Choice((*MINILM, "--train", "decoder"), thaws=True),
    "SmolLM2, full": Choice((*SMOLLM2, "--learning-rate", 2e-4, "--rate", "id-rows=10"), queries=100, trial=8),
    "SmolLM2, LoRA": Choice((*SMOLLM2, "--lora-rank", 16, "--lora-alpha", 32, "--learning-rate", 1e-3, "--rate", "id-rows=2"), queries=100, trial=8),
    "MiniLM, frozen, --start-ids text": Choice((*MINILM, "--train", "decoder", "--start-ids", "text"), points=1),
    "MiniLM, frozen, --start-ids random": Choice((*MINILM, "--train", "decoder", "--start-ids", "random"), points=1),
}


def spent(work):
    """Processor seconds of the programs that work() runs."""
    def total():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime
    before = total()
    work()
    return total() - before


def seconds_a_step(records):
    """Of the records of steps. Beside the dearest twentieth a checkpoint may have been written."""
    costs = sorted(record["cpu_ms"] for record in records)
    return statistics.mean(costs[:max(1, len(costs) * 19 // 20)]) / 1e3


def train(words, out, steps, seed, *more):
    tutti("train", "--dataset", WORK / "data", "--ids", WORK / "ids", "--out", out, "--overwrite", "--steps", steps, "--seed", seed, "--softmax", "trie",
          "--validate-every", 0, "--warmup-steps", max(1, min(100, steps // 10)), "--no-preflight", *words, *more)
    return [record for record in map(json.loads, (out / "log.jsonl").read_text().splitlines()) if record["event"] == "step"]


def calibrate(words, out, steps):
    return seconds_a_step(train(words, out, steps, 0, "--checkpoint-every", 1_000_000)[steps // 4:])


def thawed(words):
    return tuple(word for word in words if word not in ("--train", "decoder"))


def reading_seconds(words, out):
    """What reading all titles takes that a frozen encoder reads once: with them less without."""
    if "decoder" not in words:
        return 0.0
    shutil.rmtree(WORK / "states", ignore_errors=True)
    return max(0.0, spent(lambda: train(words, out, 1, 0)) - spent(lambda: train(words, out, 1, 0)))


def hits(checkpoint, queries):
    scores = WORK / "scores.json"
    tutti("evaluate", "--dataset", WORK / "data", "--ids", WORK / "ids", "--run", checkpoint, "--prompts", "bare", "--beam", 16,
          "--max-queries", queries, "--json", scores)
    blocks = {block["name"]: block for block in json.loads(scores.read_text())["blocks"]}
    return {name: blocks[name]["rows"][-1]["metrics"]["hits@10"] for name in BLOCKS}


def measure(name, seconds, seed, most_points):
    """One run, its curve kept in the work folder."""
    choice, out = CHOICES[name], WORK / "run"
    reading = reading_seconds(choice.words, out)
    first_cost = calibrate(choice.words, out, choice.trial)
    second_cost = calibrate(thawed(choice.words), out, choice.trial) if choice.thaws else first_cost
    points = min(choice.points if seed == 0 else 1, most_points)
    budget = seconds - reading
    if choice.thaws:
        thaw_at = max(1, round((seconds / 2 - reading) / first_cost))
        steps = thaw_at + max(1, round(seconds / 2 / second_cost))
        more = ("--thaw-at", thaw_at)
    else:
        thaw_at = steps = max(points, round(budget / first_cost / points) * points)
        more = ()
    every = -(-steps // points)
    made = train(choice.words, out, steps, seed, "--checkpoint-every", every, "--keep", points + 2, *more)
    parts = (made[:thaw_at], made[thaw_at:])
    costs = [seconds_a_step(part) if part else 0 for part in parts]
    curve = []
    for step in [*range(every, steps, every), steps]:
        checkpoint = next(path for path in (out / "checkpoints").iterdir() if path.name.startswith("step-") and int(path.name[5:]) == step)
        time = reading + min(step, thaw_at) * costs[0] + max(0, step - thaw_at) * costs[1]
        curve.append({"step": step, "seconds": time, "hits": hits(checkpoint, choice.queries)})
        print(name, seed, json.dumps({"seconds": round(time, 1), **{block: round(found["mean"], 3) for block, found in curve[-1]["hits"].items()}}), flush=True)
    pairs = sum(record["pairs"] for record in made)
    row = {"name": name, "seed": seed, "budget": seconds, "reading": reading, "steps": steps, "thaw_at": thaw_at if choice.thaws else None, "pairs": pairs,
           "curve": curve, "queries": choice.queries}
    (WORK / "rows").mkdir(exist_ok=True)
    (WORK / "rows" / f"{name}-{seed}-{seconds:g}.json").write_text(json.dumps(row))
    shutil.rmtree(out)


def shown(words):
    return " ".join("DIR" if isinstance(word, pathlib.Path) else str(word) for word in words)


def end(runs, block):
    """The mean over seeds at the end of the run."""
    return statistics.mean(row["curve"][-1]["hits"][block]["mean"] for row in runs)


def compare(report, rows, seconds):
    """Against the generator from scratch, of the same time."""
    scratch = rows.get("from scratch")
    names = [name for name in rows if name != "from scratch" and "--start-ids" not in name]
    if not scratch or not names:
        return
    best = max(names, key=lambda name: end(rows[name], "unseen titles"))
    for name in names:
        for block in BLOCKS:
            seeds = f"{len(rows[name])} and {len(scratch)} seeds" if len(rows[name]) + len(scratch) > 2 else "one seed"
            report.row(f"hits@10, {block}, {seconds:g} s: {name}", end(rows[name], block), end(scratch, block), peer_name=f"from scratch, {seeds}",
                       goal=GOAL if (name, block) == (best, "unseen titles") else None)


def tables(rows, seconds):
    lines = ["| model | seed | steps | pairs | " + " | ".join(f"{block}, after (s)" for block in BLOCKS) + " |", "| --- " * 7 + "|"]
    ends = ["| model | queries a block, at most | " + " | ".join(BLOCKS) + " |", "| --- " * 5 + "|"]
    for name, runs in rows.items():
        for row in runs:
            steps = f"{row['steps']:,}" + (f", all from {row['thaw_at']:,}" if row["thaw_at"] else "")
            cells = [", ".join(f"{point['hits'][block]['mean']:.3f} ({point['seconds']:.0f})" for point in row["curve"]) for block in BLOCKS]
            lines.append(f"| {name} | {row['seed']} | {steps} | {row['pairs']:,} | {' | '.join(cells)} |")
        last = runs[0]["curve"][-1]["hits"]
        shown_ends = (f"{last[block]['mean']:.3f} [{last[block]['low']:.2f}, {last[block]['high']:.2f}]" for block in BLOCKS)
        ends.append(f"| {name} | {runs[0]['queries']:,} | {' | '.join(shown_ends)} |")
    return (f"**{seconds:g} s.** Mean hits@10 after so many seconds of processor time of one thread; the learning rate is that of a schedule over the whole run.\n\n"
            + "\n".join(lines) + "\n\nAt the end, first seed, with 95 % intervals over queries:\n\n" + "\n".join(ends))


def unseen_titles():
    """How many playlists of the test part have a title that no training playlist has, and the share of them whose words all stand in titles of training playlists."""
    dataset = WORK / "data"
    with h5py.File(dataset / "titles.h5") as file:
        offsets, text, row_of = (file["normalized/offsets"][:], file["normalized/bytes"][:].tobytes(), file["normalized_of"][:])
    words_of = [text[first:last].decode().split() for first, last in zip(offsets, offsets[1:])]
    train, test = set(), []
    for shard in sorted(dataset.glob("playlists-*.h5")):
        with h5py.File(shard) as file:
            parts, rows = file["parts"][:], row_of[file["titles"][:]]
        train.update(rows[parts == TRAIN])
        test.extend(rows[parts == TEST])
    known = {word for row in train for word in words_of[row]}
    unseen = [row for row in test if row not in train]
    return len(unseen), sum(known.issuperset(words_of[row]) for row in unseen) / len(unseen)


def report_on(rows_of):
    report = bench.Report("bases", "Pretrained bases beside a generator from scratch, at equal time", threads=1)
    report.lead("The playlists are SIMULATED over a real catalogue (tutti synth): read the figures as a comparison of models, not as one of listeners.")
    for seconds, rows in rows_of.items():
        compare(report, rows, seconds)
    number, share = unseen_titles()
    report.lead(f"What bounds the ratio on unseen titles: the simulated listeners take their words from the catalogue's tags, so {100 * share:.0f} % of the {number} playlists with unseen titles "
                "are named by new arrangements of words that training titles have. A model from scratch has learned those words; what MiniLM knows beside them helps with the rest, and on editorial prompts.")
    for seconds, rows in rows_of.items():
        report.note(tables(rows, seconds))
        starts = {name.rsplit(" ", 1)[-1]: end(runs, "unseen titles") for name, runs in rows.items() if "--start-ids" in name}
        if starts:
            starts["codebook"] = end(rows["MiniLM, frozen"], "unseen titles")
            report.note("`--start-ids` under a frozen MiniLM, hits@10 on unseen titles: " + ", ".join(f"{name} {found:.3f}" for name, found in sorted(starts.items())) + ".")
    measured = [name for name in CHOICES if any(name in rows for rows in rows_of.values())]
    report.note("Trained by, beside `--softmax trie`:\n\n" + "\n".join(f"- {name}: `{shown(CHOICES[name].words)}`" for name in measured))
    report.note("Rates were not tuned for any of them; SmolLM2's are common ones. An encoder that trains learns at a tenth of the rate (the default). All are searched with 16 beams.")
    path = report.write()
    seconds, rows = max(rows_of.items())
    links = []
    for block in BLOCKS:
        svg = path.with_name(f"{path.stem}-{block.split()[0]}.svg")
        lines = {name: [(point["seconds"], statistics.mean(run["curve"][i]["hits"][block]["mean"] for run in runs if len(run["curve"]) == len(runs[0]["curve"])))
                        for i, point in enumerate(runs[0]["curve"])] for name, runs in rows.items() if "--start-ids" not in name}
        svg.write_text(curve_svg.curves(f"hits@10, {block} (simulated playlists)", "seconds of processor time, one thread", "hits@10", lines))
        links.append(f"![hits@10, {block}]({svg.name})")
    with path.open("a") as file:
        file.write(f"\nThe runs of {seconds:g} s:\n\n" + "\n".join(links) + "\n")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=120, help="of processor time, a run")
    arguments.add_argument("--seed", type=int, help="only this one of a part's seeds")
    arguments.add_argument("--points", type=int, default=4, help="of a curve, at most")
    arguments.add_argument("parts", nargs="*", metavar="PART", help=f"all, or some of: {'; '.join(CHOICES)}")
    args = arguments.parse_args()
    unknown = [part for part in args.parts if part not in (*CHOICES, "all")]
    if unknown:
        arguments.error(f"no part '{unknown[0]}'; parts: {'; '.join(CHOICES)}")
    make_data(WORK, num_playlists=20_000)
    for name, choice in CHOICES.items():
        if name in args.parts or "all" in args.parts:
            for seed in range(choice.seeds) if args.seed is None else [args.seed]:
                measure(name, args.seconds, seed, args.points)
    if args.parts and "all" not in args.parts:
        return
    found = [json.loads(path.read_text()) for path in sorted((WORK / "rows").glob("*.json"))]
    rows_of = {}
    for seconds in sorted({row["budget"] for row in found}):
        of_choice = {name: sorted((row for row in found if (row["name"], row["budget"]) == (name, seconds)), key=lambda row: row["seed"]) for name in CHOICES}
        rows_of[seconds] = {name: runs for name, runs in of_choice.items() if runs}
    report_on(rows_of)


if __name__ == "__main__":
    main()
