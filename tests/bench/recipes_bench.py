"""Recipes: which learning rate and how many titles a step serve a softmax and a model size best, at an equal number of pairs of the
demo's data; and what grouping does to the learning curve. Writes learning curves: validation hits@10 at quarters of the run.

Usage: recipes_bench.py [--pairs N] [--seconds S] [PART]...   (default: all parts). Runs of the parts time-...
train for about S seconds, on one rank with one thread: give each a core of its own. Those of all other parts see about N pairs each, so
that their curves do not depend on what else the machine does. A part's rows are kept in the work folder, so that parts can be measured apart: the
report holds all that there are.
"""
import argparse
import json
import os
import pathlib
import shutil

import bench_report as bench
from demo_data import make_data, tutti

WORK = pathlib.Path(os.environ.get("TUTTI_RECIPES_DIR", bench.ROOT / "build/recipes"))
POINTS = 4
SHAPES = {
    "small": ["--d-model", 128, "--d-kv", 32, "--num-heads", 4, "--d-ff", 384, "--num-layers", 2, "--num-decoder-layers", 2],
    "medium": ["--d-model", 256, "--d-kv", 32, "--num-heads", 8, "--d-ff", 768, "--num-layers", 4, "--num-decoder-layers", 4],
}


def records(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


class Recipe:
    def __init__(self, shape, softmax, rate, titles, *extra):
        self.shape, self.softmax, self.rate, self.titles, self.extra = shape, softmax, rate, titles, extra

    def words(self, out, steps, validate_every):
        return ["train", "--dataset", WORK / "data", "--ids", WORK / "ids", "--out", out, "--overwrite", "--steps", steps,
                "--softmax", self.softmax, "--learning-rate", self.rate, "--titles-per-step", self.titles,
                "--checkpoint-every", 1_000_000, "--validate-every", validate_every, "--validation-queries", 300,
                *SHAPES[self.shape], *self.extra]

    def run(self, pairs=None, seconds=None, ranks=2):
        """A run of about so many pairs or seconds: how many steps that is, a short one tells first."""
        out = WORK / f"run-{os.getpid()}"
        shutil.rmtree(out, ignore_errors=True)
        tutti(*self.words(out, 40, 0), ranks=ranks)
        first = records(out)[20:]
        per_step = sum(record["pairs"] if seconds is None else record["step_ms"] / 1e3 for record in first) / len(first)
        steps = max(POINTS, round((pairs or seconds) / per_step / POINTS) * POINTS)
        shutil.rmtree(out)
        tutti(*self.words(out, steps, steps // POINTS), ranks=ranks)
        all_records = records(out)
        steps_made = [record for record in all_records if record["event"] == "step"]
        self.curve = [record["hits_at_10"] for record in all_records if record["event"] == "validation"]
        self.steps, self.seconds = steps, sum(record["step_ms"] for record in steps_made) / 1e3
        self.pairs_per_step = sum(record["pairs"] for record in steps_made) / steps
        self.pairs_per_s = sum(record["pairs"] for record in steps_made) / self.seconds
        last = steps_made[-max(1, steps // 10):]
        self.loss = sum(record["loss"] for record in last) / len(last)
        self.grad_norm = bench.median([record["grad_norm"] for record in last])
        data_ms = bench.median([record["data_ms"] for record in steps_made])
        imbalance = sum(record["imbalance"] for record in steps_made) / steps
        self.health = f"{data_ms:.2f} | {100 * imbalance:.1f} %"
        print(self.row(), flush=True)
        shutil.rmtree(out)
        return self

    def row(self):
        curve = " | ".join(f"{hits:.3f}" for hits in self.curve)
        words = " ".join(map(str, self.extra))
        return (f"| {self.shape} | {self.softmax} | {self.rate:g} | {self.titles} | {words} | {self.steps} | {self.pairs_per_step:.0f} "
                f"| {self.seconds:.0f} | {self.pairs_per_s:,.0f} | {curve} | {self.loss:.3f} | {self.grad_norm:.2f} | {self.health} |")


def level(pairs):
    return [Recipe("small", "level", rate, titles).run(pairs) for rate in (1e-3, 3e-3) for titles in (4, 8, 16)]


def medium(pairs):
    return [Recipe("medium", "level", rate, 8).run(pairs) for rate in (5e-4, 1e-3, 2e-3)]


def trie(pairs):
    grid = ((1e-3, 8), (3e-3, 8), (1e-3, 4), (1e-3, 16))
    return [Recipe("small", "trie", rate, titles).run(pairs) for rate, titles in grid]


def grouping(pairs):
    whole = Recipe("small", "level", 1e-3, 8, "--weight", "playlist").run(pairs)
    as_many = round(whole.pairs_per_step)
    others = [
        # One track drawn from each of as many playlists as there were pairs: the usual batch of independent pairs.
        (1e-3, as_many, "--group-cap", 1), (3e-3, as_many, "--group-cap", 1),
        (1e-3, 8, "--group-cap", 16), (1e-3, 64), (1e-3, 64, "--group", "title")]
    return [whole] + [Recipe("small", "level", rate, titles, "--weight", "playlist", *extra).run(pairs)
                      for rate, titles, *extra in others]


CAP = "--group-cap"


def time_level(seconds):
    """Whole playlists against parts of more playlists against single tracks, in equal time."""
    rows = [(1e-3, 8), (2e-3, 8), (1e-3, 4), (1e-3, 32, CAP, 16), (1e-3, 64, CAP, 8), (2e-3, 64, CAP, 8), (2e-3, 128, CAP, 4),
            (2e-3, 512, CAP, 1), (4e-3, 512, CAP, 1),
            (5e-4, 8), (1e-3, 512, CAP, 1), (5e-4, 512, CAP, 1)]  # the rates below, where lower was better
    return [Recipe("small", "level", rate, titles, *extra).run(seconds=seconds, ranks=1) for rate, titles, *extra in rows]


def time_trie(seconds):
    rows = [(1e-3, 8), (1e-3, 64, CAP, 8), (2e-3, 64, CAP, 8), (2e-3, 128, CAP, 4)]
    return [Recipe("small", "trie", rate, titles, *extra).run(seconds=seconds, ranks=1) for rate, titles, *extra in rows]


def time_medium(seconds):
    rows = [(5e-4, 8), (5e-4, 64, CAP, 8), (1e-3, 64, CAP, 8), (1e-3, 32, CAP, 16), (1e-3, 8)]
    return [Recipe("medium", "level", rate, titles, *extra).run(seconds=seconds, ranks=1) for rate, titles, *extra in rows]


def choices(pairs):
    """What ID rows start from, and whether the rows of the title vocabulary are sparse."""
    sparse = ("--text-rows", "sparse")
    rows = [sparse, (*sparse, "--start-ids", "random"), ("--text-rows", "dense")]
    return [Recipe("small", "level", 2e-3, 64, CAP, 8, *extra, "--seed", seed).run(pairs, ranks=1)
            for seed in (0, 1, 2) for extra in rows]


PARTS = {
    "level": ("Learning rate and titles a step, small model, level softmax", level),
    "medium": ("A larger model", medium),
    "trie": ("Trie softmax", trie),
    "grouping": ("Groups against independent pairs", grouping),
    "time-level": ("In equal time: whole playlists, parts of more playlists, single tracks", time_level),
    "time-trie": ("In equal time, trie softmax", time_trie),
    "time-medium": ("In equal time, a larger model", time_medium),
    "choices": ("What ID rows start from, and sparse or dense rows of the title vocabulary", choices),
}

HEAD = ("| model | softmax | rate | titles a step | else | steps | pairs a step | seconds | pairs/s | "
        + " | ".join(f"{100 * (i + 1) // POINTS} %" for i in range(POINTS))
        + " | last loss | gradient norm | data wait, ms | imbalance |\n" + "|" + " --- |" * (13 + POINTS))


def measure(part, budget, words_of_budget):
    recipes = PARTS[part][1](budget)
    best = max(recipes, key=lambda recipe: recipe.curve[-1])
    words = f"{best.shape}, {best.softmax}, rate {best.rate:g}, {best.titles} titles {' '.join(map(str, best.extra))}".strip()
    (WORK / f"{part}.json").write_text(json.dumps(dict(
        rows=[recipe.row() for recipe in recipes], best=words, hits=best.curve[-1], budget=words_of_budget)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--pairs", type=int, default=250_000)
    parser.add_argument("--seconds", type=int, default=60)
    args = parser.parse_args()
    make_data(WORK, num_playlists=20000)
    report = bench.Report("recipes", "Training recipes and their learning curves")
    for part in args.parts:
        if part.startswith("time-"):
            measure(part, args.seconds, f"About {args.seconds} seconds of training a run, one rank with one thread")
        else:
            measure(part, args.pairs, f"About {args.pairs:,} pairs a run")
    report.note("Every row is one run, cosine schedule to its own end, on the demo's data "
                "(SIMULATED playlists over a real catalogue). The columns 25 % to 100 % are mean hits@10 at these shares of the run, on the "
                "same validation playlists (up to 300 with seen and 300 with unseen titles); the last loss and the gradient norm are mean "
                "and median of the last tenth of the run. Runs of one row repeat bit by bit, but for the speed; one seed: small differences are noise.")
    for part, (title, _) in PARTS.items():
        if not (WORK / f"{part}.json").exists():
            continue
        measured = json.loads((WORK / f"{part}.json").read_text())
        report.row(f"best of '{title}': {measured['best']}", measured["hits"], unit="hits@10")
        report.note(f"## {title}\n\n{measured['budget']}.\n\n{HEAD}\n" + "\n".join(measured["rows"]))
    report.write()


if __name__ == "__main__":
    main()
