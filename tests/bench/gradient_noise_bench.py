"""How noisy the gradient of a step is by the way pairs are grouped: whole playlists, 8 tracks of each, single tracks. Demo's data, small
model, level softmax, three moments of a run.

Usage: gradient_noise_bench.py [--steps N]

A model is trained by the default recipe, and goes on at a rate too small to move it (1e-30, no clipping), so that the norms in its log are those of
gradients at one point. The mean of |g|^2 over steps is |G|^2 + S / titles, with G the gradient of all data and S the noise of one title
(McCandlish et al. 2018, arXiv 1812.06162, appendix A): two numbers of titles tell both.
"""
import argparse
import json
import math
import os
import pathlib
import shutil

import bench_report as bench
from demo_data import make_data, tutti

WORK = pathlib.Path(os.environ.get("TUTTI_GRADIENT_NOISE_DIR", bench.ROOT / "build/gradient_noise"))
SHAPE = ["--d-model", 128, "--d-kv", 32, "--num-heads", 4, "--d-ff", 384, "--num-layers", 2, "--num-decoder-layers", 2]
MOMENTS = (100, 700, 1400)  # steps of the run that is looked at, of 1,444 in docs/training.md
# Titles a step of the recipes that are compared, tracks of each (0: all), and a larger number of titles.
FORMS = (("8 playlists, all their tracks", 8, 0, 256), ("64 playlists, 8 of each", 64, 8, 1024), ("512 playlists, 1 of each", 512, 1, 4096))


def squared_norms(run, ids, titles, cap, steps, seed):
    """Squared gradient norms, processor milliseconds and pairs of steps that move nothing."""
    out = WORK / "still"
    tutti("train", "--dataset", WORK / "data", "--ids", ids, "--warm-start", run, "--out", out, "--overwrite", "--steps", steps, "--seed", seed,
          "--titles-per-step", titles, "--group-cap", cap, "--micro-batch", 256, "--learning-rate", 1e-30, "--weight-decay", 0, "--warmup-steps", 0,
          "--clip-norm", 0, "--checkpoint-every", 1_000_000)
    records = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    shutil.rmtree(out)
    made = [record for record in records if record["event"] == "step"]
    return [record["grad_norm"] ** 2 for record in made], [record["cpu_ms"] for record in made], [record["pairs"] for record in made]


def mean_of(values):
    """The mean and its standard error."""
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150, help="steps of the smaller number of titles")
    args = parser.parse_args()
    make_data(WORK, num_playlists=20000)
    # The same table again, as the one that a warm start goes on with.
    tutti("ids", "rebuild", "--from", WORK / "ids", "--old-dataset", WORK / "data", "--dataset", WORK / "data", "--embeddings", WORK / "embeddings",
          "--out", WORK / "ids-same", "--overwrite")
    report = bench.Report("gradient_noise", "Noise of a step's gradient", threads=1)
    lines = ["| after steps | a step | pairs a step | squared norm of the whole gradient | noise of a step | noise / gradient | CPU ms a step |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for moment in MOMENTS:
        tutti("train", "--dataset", WORK / "data", "--ids", WORK / "ids", "--out", WORK / "run", "--overwrite", "--steps", moment,
              "--schedule", "constant", "--checkpoint-every", 1_000_000, *SHAPE)
        for name, titles, cap, more in FORMS:
            few_steps = squared_norms(WORK / "run", WORK / "ids-same", titles, cap, args.steps, seed=11)
            many_steps = squared_norms(WORK / "run", WORK / "ids-same", more, cap, max(6, args.steps // 10), seed=12)
            (few, few_error), (many, many_error) = mean_of(few_steps[0]), mean_of(many_steps[0])
            scale = 1 / (1 / titles - 1 / more)
            noise, noise_error = (few - many) * scale / titles, math.hypot(few_error, many_error) * scale / titles
            signal = few - noise
            cpu = sorted(few_steps[1])[len(few_steps[1]) // 2]
            lines.append(f"| {moment} | {name} | {sum(few_steps[2]) / len(few_steps[2]):.0f} | {signal:.2f} ± {math.hypot(many_error, noise_error * titles / more):.2f} | "
                         f"{noise:.2f} ± {noise_error:.2f} | {noise / signal:.1f} | {cpu:.1f} |")
            print(lines[-1], flush=True)
    report.section("Steps that move nothing, at three moments of a run", "\n".join(lines))
    report.write()


if __name__ == "__main__":
    main()
