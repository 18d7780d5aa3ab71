"""What grouping does to the noise of a gradient: steps of whole playlists, of parts of more playlists, of single tracks, on one model.

A model is trained by the default recipe. From its checkpoints training goes on at a rate that moves nothing, so that every step is a
sample of the gradient g at the same weights. With N titles a step E|g|^2 = |G|^2 + S/N: two N give S, the variance of one title's gradient
(its trace), and |G|^2, which must come out alike however the pairs are grouped (McCandlish et al. 2018, appendix A.1).
"""
import json
import os
import pathlib
import shutil
import statistics

import bench_report as bench
from demo_data import make_data, tutti

WORK = pathlib.Path(os.environ.get("TUTTI_GRADIENT_NOISE_DIR", bench.ROOT / "build/gradient_noise"))
STATES = (100, 700, 1400)
# Tracks of a playlist in a step (0: all), titles in a step of the recipe, most titles of a sample, what a reader calls it. A step divides by its
# own number of pairs: with few whole playlists, long and short, it is no plain mean of theirs, so the samples are larger than the recipe's step.
GROUPINGS = ((0, 8, 64, "8 playlists, all their tracks"), (8, 64, 256, "64 playlists, 8 tracks of each"), (1, 512, 512, "512 playlists, 1 track of each"))
FEWER = 4  # by how much the smaller sample is smaller
NUM_MANY, NUM_FEW, NUM_TIMED = 250, 1000, 60


def train(out, *words):
    tutti("train", "--dataset", WORK / "data", "--out", out, "--overwrite", "--no-preflight", *words)
    return [record for record in map(json.loads, (out / "log.jsonl").read_text().splitlines()) if record["event"] == "step"]


def sample(state, cap, titles, steps):
    """Steps on the frozen weights of a checkpoint: squared norms of the gradient, pairs and CPU seconds a step."""
    records = train(WORK / "frozen", "--ids", WORK / "ids-same", "--warm-start", WORK / "run/checkpoints" / f"step-{state:09d}",
                    "--learning-rate", 1e-30, "--weight-decay", 0, "--warmup-steps", 0, "--schedule", "constant", "--clip-norm", 0,
                    "--steps", steps, "--titles-per-step", titles, "--group-cap", cap, "--checkpoint-every", 1_000_000, "--seed", 7)
    shutil.rmtree(WORK / "frozen")
    return ([record["grad_norm"] ** 2 for record in records], statistics.mean(record["pairs"] for record in records),
            statistics.median(record["cpu_ms"] for record in records[10:]) / 1e3)


def mean_and_variance(values):
    return statistics.mean(values), statistics.variance(values) / len(values)


def noise(state, cap, titles, most):
    many, pairs, _ = sample(state, cap, most, NUM_MANY)
    few, _, _ = sample(state, cap, most // FEWER, NUM_FEW)
    _, _, cpu_seconds = sample(state, cap, titles, NUM_TIMED)
    (m_many, v_many), (m_few, v_few) = mean_and_variance(many), mean_and_variance(few)
    width = (FEWER - 1) / most
    variance = (m_few - m_many) / width
    return {"variance": variance, "variance_error": (v_few + v_many) ** 0.5 / width, "signal": m_many - variance / most,
            "signal_error": (FEWER ** 2 * v_many + v_few) ** 0.5 / (FEWER - 1), "of_step": variance / titles, "pairs": pairs * titles / most,
            "cpu_seconds": cpu_seconds}


def main():
    make_data(WORK, num_playlists=20000)
    if not (WORK / "ids-same/manifest.json").exists():
        # A trained model may be given other groups behind a change of the catalogue. This one moves nobody: other vectors, the same tracks.
        tutti("embed", "cf", "--dataset", WORK / "data", "--dim", 64, "--epochs", 1, "--out", WORK / "embeddings-1")
        tutti("ids", "rebuild", "--from", WORK / "ids", "--old-dataset", WORK / "data", "--dataset", WORK / "data", "--embeddings",
              WORK / "embeddings-1", "--out", WORK / "ids-same")
    train(WORK / "run", "--ids", WORK / "ids", "--steps", max(STATES), "--checkpoint-every", 100, "--keep", max(STATES) // 100)
    report = bench.Report("gradient_noise", "The noise of a gradient by grouping", threads=1)
    for state in STATES:
        found = [(titles, name, noise(state, cap, titles, most)) for cap, titles, most, name in GROUPINGS]
        alone = found[-1][2]
        lines = ["| a step | pairs | \\|G\\|² | variance of a title's gradient | independent pairs that a title is worth | noise of the step, its variance "
                 "| CPU ms | variance x CPU s |", "| --- " * 8 + "|"]
        for titles, name, n in found:
            lines.append(f"| {name} | {n['pairs']:.0f} | {n['signal']:.3f} ± {n['signal_error']:.3f} | {n['variance']:.3g} ± {n['variance_error']:.2g} | "
                         f"{alone['variance'] / n['variance']:.2f} | {n['of_step']:.3g} | {1e3 * n['cpu_seconds']:.1f} | "
                         f"{n['of_step'] * n['cpu_seconds']:.3g} |")
        report.note(f"## After {state} steps of the default recipe\n\n" + "\n".join(lines))
        report.row(f"after {state} steps: independent pairs that a whole playlist of {found[0][2]['pairs'] / found[0][0]:.0f} is worth",
                   alone["variance"] / found[0][2]["variance"])
        report.row(f"after {state} steps: independent pairs that 8 tracks of a playlist are worth", alone["variance"] / found[1][2]["variance"])
    report.note("The weights do not move: the rate is 1e-30. |G|², the squared norm of the expected gradient, is one number in truth for all "
                "rows of a table; the variance is the trace of the covariance of one title's gradient, ± its standard error. A track drawn "
                "alone counts for all of its playlist, so the last row is the noise of single tracks drawn playlist by playlist.")
    report.write()


if __name__ == "__main__":
    main()
