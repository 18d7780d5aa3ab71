"""Implicit ALS against implicit's conjugate gradients: same matrix, same start, same objective, equal iterations.

implicit's objective: sum_S c (1 - x.y)^2 + sum_not_S (x.y)^2 + reg (|X|^2 + |Y|^2). Divided by c - 1 and with x, y scaled by
sqrt(c / (c - 1)) it is ours with alpha0 = 1 / (c - 1), lambda = reg / c, nu = 0 and a constant more: both sides minimise the same.
"""
import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as implicit asks for: it threads over rows itself

import argparse
import pathlib
import tempfile
import time

import implicit
import numpy as np
import scipy.sparse as sp
from implicit.cpu import _als
from implicit.cpu.als import AlternatingLeastSquares

from bench_report import BIN, Report, interleaved, median, mpirun, run_json

CONFIDENCE = 101.0  # of an entry; 1 elsewhere
REGULARIZATION = 10.0
START = 0.03  # length of the random start vectors; not embed cf's default: the objective after few iterations differs by 1 % between starts


def power_law_matrix(num_playlists, num_tracks, num_entries, seed=1):
    """Lengths log-normal (MPD: mean 66, median 49), tracks by a power law, most in one or two playlists; a track once a playlist."""
    rng = np.random.default_rng(seed)
    lengths = np.exp(rng.normal(0, 0.8, num_playlists))
    lengths = np.maximum(5, lengths * num_entries / lengths.sum()).astype(np.int64)
    rows = np.repeat(np.arange(num_playlists, dtype=np.int32), lengths)
    # Half of the entries from a head of tracks, half spread over all: every track is in some playlist.
    weights = 1 / (np.arange(num_tracks) + 20.0)
    cumulative = np.cumsum(weights) / weights.sum()
    columns = np.searchsorted(cumulative, rng.random(len(rows))).astype(np.int32)
    spread = rng.random(len(rows)) < 0.35
    columns[spread] = rng.integers(0, num_tracks, spread.sum())
    matrix = sp.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, np.minimum(columns, num_tracks - 1))),
                           shape=(num_playlists, num_tracks))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    matrix.sort_indices()
    return matrix


def write_matrix(matrix, path):
    with open(path, "wb") as out:
        np.array([*matrix.shape, matrix.nnz], dtype=np.int64).tofile(out)
        matrix.indptr.astype(np.int64).tofile(out)
        matrix.indices.astype(np.int32).tofile(out)


def run_implicit(matrix, dim, iterations, threads, start=None):
    """Seconds an iteration (median) and the objective afterwards."""
    model = AlternatingLeastSquares(factors=dim, regularization=REGULARIZATION, alpha=CONFIDENCE, iterations=iterations, use_cg=True,
                                    num_threads=threads, random_state=7)
    if start:  # as ours: tracks N(0, start / sqrt(dim)), playlists zero; else implicit's own
        rng = np.random.default_rng(7)
        model.user_factors = np.zeros((matrix.shape[0], dim), np.float32)
        model.item_factors = rng.normal(0, start / np.sqrt(dim), (matrix.shape[1], dim)).astype(np.float32)
    times = []
    model.fit(matrix, show_progress=False, callback=lambda i, seconds, loss: times.append(seconds))
    return dict(seconds=median(times), objective=loss_of(matrix, model.user_factors, model.item_factors))


def loss_of(matrix, playlists, tracks):
    confidence = matrix * np.float32(CONFIDENCE)
    return _als.calculate_loss(confidence, playlists, tracks, REGULARIZATION, num_threads=2)


def run_ours(path, shape, dim, epochs, threads, ranks=1, exact=0, factors="-", stddev=START):
    # ours = implicit's / sqrt(c / (c - 1))
    command = [BIN / "ials_bench", path, dim, epochs, exact, threads, 1 / (CONFIDENCE - 1), REGULARIZATION / CONFIDENCE, 0, stddev, factors]
    command = [str(word) for word in command]
    lines = run_json(mpirun(ranks, command) if ranks > 1 else command, OMP_NUM_THREADS=1)
    steps = [line for line in lines if "objective" in line]
    result = dict(seconds=median([s["playlists_s"] + s["tracks_s"] for s in steps]),
                  basis=median([s["basis_s"] for s in steps]), exchange=median([s["exchange_s"] for s in steps]),
                  peak=lines[-1]["peak_memory_gib"], steps=steps)
    if factors != "-":
        values = np.fromfile(factors, dtype=np.float32).reshape(-1, dim) * np.float32(np.sqrt(CONFIDENCE / (CONFIDENCE - 1)))
        result["factors"] = values[: shape[0]], values[shape[0]:]
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--skip-mpd", action="store_true", help="leave out the matrix of the Million Playlist Dataset's size")
    args = parser.parse_args()
    dim, threads = args.dim, 2
    report = Report("ials", "Implicit ALS against implicit")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        small(args, dim, threads, report, folder)
        if not args.skip_mpd:
            large(args, dim, threads, report, folder)
    report.write(peers=[f"implicit {implicit.__version__} (CG, 3 steps, OPENBLAS_NUM_THREADS=1, {threads} threads)"])


def small(args, dim, threads, report, folder):
    matrix = power_law_matrix(7_000, 202_000, 700_000)
    path, shape = folder / "small.bin", matrix.shape
    write_matrix(matrix, path)
    name = f"{shape[0]:,} × {shape[1]:,}, {matrix.nnz:,} entries, D = {dim}"
    results = interleaved(args.runs,
                          ours=lambda: run_ours(path, shape, dim, args.iterations, threads),
                          peer=lambda: run_implicit(matrix, dim, args.iterations, threads),
                          two_ranks=lambda: run_ours(path, shape, dim, args.iterations, 1, ranks=2))
    seconds = lambda side: median([r["seconds"] for r in results[side]])
    report.row(f"CG iteration, {name}", ours=seconds("ours"), peer=seconds("peer"), unit="s", goal=3, lower_is_better=True)
    trained = run_ours(path, shape, dim, args.iterations, threads, factors=folder / "factors.bin")
    ours = loss_of(matrix, *trained["factors"])
    alike = run_implicit(matrix, dim, args.iterations, threads, start=START)["objective"]
    own = results["peer"][0]["objective"]
    after = f"implicit's objective after {args.iterations} iterations"
    report.row(f"{after}, start of the same distribution", ours=ours, peer=alike, goal=1, lower_is_better=True)
    report.row(f"{after}, its own start", ours=ours, peer=own, goal=1, lower_is_better=True)
    report.row("two ranks × one thread, speed against one × two", ours=seconds("ours") / seconds("two_ranks"), goal=0.9)
    exact = run_ours(path, shape, dim, args.iterations, threads, exact=args.iterations)
    report.row("exact (Cholesky) iteration", ours=exact["seconds"], unit="s")


def large(args, dim, threads, report, folder):
    start = time.time()
    matrix = power_law_matrix(1_000_000, 2_262_000, 72_000_000)
    path, shape = folder / "large.bin", matrix.shape
    write_matrix(matrix, path)
    name = f"{shape[0]:,} × {shape[1]:,}, {matrix.nnz:,} entries, D = {dim}"
    print(f"made {name} in {time.time() - start:.0f} s", flush=True)
    del matrix
    ours = run_ours(path, shape, dim, 3, threads, exact=1)
    two = run_ours(path, shape, dim, 3, 1, ranks=2, exact=1)
    for step, kind in ((0, "first CG"), (1, "second CG"), (2, "exact")):
        took = lambda run: run["steps"][step]["playlists_s"] + run["steps"][step]["tracks_s"]
        report.row(f"{kind} iteration, {name}", ours=took(ours), unit="s")
        report.row(f"{kind}, two ranks × one thread, speed against one × two", ours=took(ours) / took(two), goal=0.9)
    report.row("peak memory, one rank × two threads, matrix file (mapped) included", ours=ours["peak"], unit="GiB", goal=8,
               lower_is_better=True)
    report.row("peak memory, two ranks × one thread, sum", ours=two["peak"], unit="GiB", goal=8, lower_is_better=True)


if __name__ == "__main__":
    main()
