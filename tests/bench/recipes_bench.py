"""Recipes: which learning rate, and how many titles of how many tracks a step, serve a softmax and a model size best in equal CPU seconds on
the demo's data; and what grouping does to the learning curve. Writes learning curves: validation hits@10 at quarters of each run.

Usage: recipes_bench.py [--costs] [--seconds S] [--stop-after S] [PART]...   (default: all parts)

Every run is one rank with one thread and as many steps as S CPU seconds make: two short runs tell what a step costs, in user and system
time. A busy machine makes these a quarter dearer: measure the costs first (--costs) while it is quiet; the runs then have a number of steps,
and their curves do not depend on what else the machine does. What is measured is kept in the work folder, so that --stop-after can cut the
runs into sessions; the report is written when all runs of the parts are there.
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import time

import bench_report as bench
from demo_data import make_data, tutti

WORK = pathlib.Path(os.environ.get("TUTTI_RECIPES_DIR", bench.ROOT / "build/recipes"))
POINTS, QUERIES = 4, 300
SHAPES = {
    "small": ["--d-model", 128, "--d-kv", 32, "--num-heads", 4, "--d-ff", 384, "--num-layers", 2, "--num-decoder-layers", 2],
    "medium": ["--d-model", 256, "--d-kv", 32, "--num-heads", 8, "--d-ff", 768, "--num-layers", 4, "--num-decoder-layers", 4],
}
CAP, THREE = "--group-cap", (0, 1, 2)
WHOLE = (CAP, 0)


def cpu_seconds_of(*words):
    """Trains; user and system time of it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    tutti(*words)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def kept(name, measure):
    """The JSON document `name` of the work folder, measured when it is not there."""
    path = WORK / "measured" / f"{name}.json"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(measure()))
    return json.loads(path.read_text())


class Recipe:
    def __init__(self, shape, softmax, rate, titles, *extra, seeds=(0,)):
        self.shape, self.softmax, self.rate, self.titles, self.extra, self.seeds = shape, softmax, rate, titles, extra, seeds
        batch = [str(titles), *(str(word).strip("-") for word in extra)]
        self.name = "_".join([shape, softmax, f"{rate:g}", *batch])
        self.cost_name = "_".join(["step", shape, softmax, *batch])

    def words(self, out, steps, validate_every, seed):
        return ["train", "--dataset", WORK / "data", "--ids", WORK / "ids", "--out", out, "--overwrite", "--steps", steps, "--seed", seed,
                "--softmax", self.softmax, "--learning-rate", self.rate, "--titles-per-step", self.titles,
                "--checkpoint-every", 1_000_000, "--validate-every", validate_every, "--validation-queries", QUERIES,
                *SHAPES[self.shape], *self.extra]

    def step_seconds(self):
        out, few, more = WORK / "short", 20, 60
        costs = [cpu_seconds_of(*self.words(out, steps, 0, 0)) for steps in (few, more)]
        return (costs[1] - costs[0]) / (more - few)

    def train(self, steps, seed):
        out = WORK / f"run-{os.getpid()}"
        cpu_seconds = cpu_seconds_of(*self.words(out, steps, steps // POINTS, seed))
        records = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        shutil.rmtree(out)
        made = [record for record in records if record["event"] == "step"]
        last = made[-max(1, steps // 10):]
        return {"curve": [record["hits_at_10"] for record in records if record["event"] == "validation"],
                "pairs": sum(record["pairs"] for record in made), "cpu_seconds": cpu_seconds,
                "loss": statistics.mean(record["loss"] for record in last),
                "grad_norm": statistics.median(record["grad_norm"] for record in last)}

    def cost(self):
        return kept(self.cost_name, self.step_seconds)

    def run(self, seconds, until):
        """Trains what is not there yet, up to the time `until`; whether all is there."""
        self.steps = max(POINTS, round(seconds / self.cost() / POINTS) * POINTS)
        self.runs = []
        for seed in self.seeds:
            if time.monotonic() > until:
                return False
            self.runs.append(kept(f"{self.name}_seed_{seed}_steps_{self.steps}", lambda seed=seed: self.train(self.steps, seed)))
            print(f"{self.name}, seed {seed}: {self.steps} steps, {self.runs[-1]}", flush=True)
        return True

    def mean(self, key):
        return statistics.mean(run[key] for run in self.runs)

    def last(self):
        return statistics.mean(run["curve"][-1] for run in self.runs)

    def row(self, seconds):
        curve = " | ".join(f"{statistics.mean(points):.3f}" for points in zip(*(run["curve"] for run in self.runs)))
        seeds = ", ".join(f"{run['curve'][-1]:.3f}" for run in self.runs) if len(self.runs) > 1 else ""
        return (f"| {self.shape} | {self.softmax} | {self.rate:g} | {self.titles} {' '.join(map(str, self.extra))} | {self.steps} | "
                f"{self.mean('pairs') / self.steps:.0f} | {self.mean('pairs') / seconds:,.0f} | {curve} | {seeds} | "
                f"{self.mean('loss'):.3f} | {self.mean('grad_norm'):.2f} |")


PARTS = {
    "grouping": ("Whole playlists, parts of more playlists, single tracks: small model, level softmax", [
        Recipe("small", "level", 1e-3, 8, *WHOLE, seeds=THREE), Recipe("small", "level", 2e-3, 64, CAP, 8, seeds=THREE),
        Recipe("small", "level", 2e-3, 512, CAP, 1, seeds=THREE)]),
    "medium": ("A larger model", [
        Recipe("medium", softmax, rate, *batch, seeds=THREE) for softmax in ("level", "trie") for rate, *batch in ((5e-4, 8, *WHOLE), (1e-3, 64, CAP, 8))]),
    "trie": ("Trie softmax, small model", [
        Recipe("small", "trie", 1e-3, 8, *WHOLE, seeds=THREE), Recipe("small", "trie", 2e-3, 64, CAP, 8, seeds=THREE)]),
    "open": ("Softmaxes over all ID rows and over text too, small model", [
        recipe for softmax in ("ids", "full")
        for recipe in (Recipe("small", softmax, 1e-3, 8, *WHOLE), Recipe("small", softmax, 2e-3, 64, CAP, 8, seeds=THREE))]),
}

HEAD = ("| model | softmax | rate | titles a step | steps | pairs a step | pairs/CPU s | "
        + " | ".join(f"{100 * (i + 1) // POINTS} %" for i in range(POINTS)) + " | its seeds | last loss | gradient norm |\n"
        + "|" + " --- |" * (10 + POINTS))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--num-seeds", type=int, default=len(THREE), help="most seeds of a recipe")
    parser.add_argument("--costs", action="store_true", help="only measure what a step costs, for all recipes of the parts")
    parser.add_argument("--seconds", type=float, default=35, help="CPU seconds of training a run")
    parser.add_argument("--stop-after", type=float, default=float("inf"), help="begin no run after so many seconds")
    args = parser.parse_args()
    until = time.monotonic() + args.stop_after
    make_data(WORK, num_playlists=20000)
    if args.costs:
        raise SystemExit("\n".join(sorted({f"{recipe.cost_name}: {1e3 * recipe.cost():.2f} ms" for part in args.parts for recipe in PARTS[part][1]})))
    recipes = [recipe for part in args.parts for recipe in PARTS[part][1]]
    for recipe in recipes:
        recipe.seeds = recipe.seeds[:args.num_seeds]
    if not all(recipe.run(args.seconds, until) for recipe in recipes):
        raise SystemExit("not done: call again to go on")
    report = bench.Report("recipes", "Training recipes and their learning curves", threads=1)
    report.note(f"Every run trains for {args.seconds:g} CPU seconds (of one rank with one thread, at what a step costs on a quiet machine; validation not counted), cosine "
                "schedule to its own end, on the demo's data (SIMULATED playlists over a real catalogue). The columns 25 % to 100 % are mean hits@10 "
                f"at these shares of the run, the mean over the seeds where there are several, on the same validation playlists ({QUERIES} with seen and "
                f"{QUERIES} with unseen titles: standard error about 0.03 for one run); the last loss and the gradient norm are mean and median of the last "
                "tenth. A run repeats bit by bit.")
    for part in args.parts:
        title, recipes = PARTS[part]
        best = max(recipes, key=lambda recipe: (len(recipe.seeds), recipe.last()))
        report.row(f"best over three seeds of '{title}': {best.name.replace('_', ' ')}", best.last(), unit="hits@10")
        report.note(f"## {title}\n\n{HEAD}\n" + "\n".join(recipe.row(args.seconds) for recipe in recipes))
    report.write()


if __name__ == "__main__":
    main()
