"""k-means over 500k × 128 rows, K = 1024, 10 steps, all rows, from the same start: tutti beside faiss, and two ranks beside two threads."""
import argparse
import pathlib
import tempfile
import time

import faiss
import numpy

import bench_report as bench

THREADS = 2


def clustered(num_rows, dim, num_clusters, seed):
    """Rows around uneven centres, with norms that spread as those of CF vectors do."""
    random = numpy.random.default_rng(seed)
    centers = random.standard_normal((num_clusters, dim), dtype=numpy.float32)
    weights = 1 / numpy.arange(1, num_clusters + 1)
    of = random.choice(num_clusters, num_rows, p=weights / weights.sum())
    rows = centers[of] + 0.8 * random.standard_normal((num_rows, dim), dtype=numpy.float32)
    return (rows * random.lognormal(0, 0.3, (num_rows, 1))).astype("f") / numpy.float32(numpy.sqrt(dim))


def faiss_kmeans(rows, start, steps):
    kmeans = faiss.Kmeans(rows.shape[1], len(start), niter=steps, max_points_per_centroid=len(rows), seed=1)
    began = time.perf_counter()
    kmeans.train(rows, init_centroids=start)
    seconds = time.perf_counter() - began
    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(kmeans.centroids)
    distances, _ = index.search(rows, 1)
    return {"seconds": seconds, "objective": float(distances.astype("d").sum())}


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=500_000)
    arguments.add_argument("--codes", type=int, default=1024)
    arguments.add_argument("--steps", type=int, default=10)
    arguments.add_argument("--runs", type=int, default=3)
    args = arguments.parse_args()
    faiss.omp_set_num_threads(THREADS)
    rows = clustered(args.rows, 128, 4096, 1)
    start = rows[numpy.random.default_rng(2).choice(len(rows), args.codes, replace=False)].copy()
    report = bench.Report("kmeans", f"k-means, {args.rows:,} × 128 rows, {args.codes} codes, {args.steps} steps", THREADS)
    with tempfile.TemporaryDirectory() as folder:
        rows_file, start_file = pathlib.Path(folder, "rows.f32"), pathlib.Path(folder, "start.f32")
        rows.tofile(rows_file)
        start.tofile(start_file)
        command = lambda threads: [bench.BIN / "kmeans_bench", rows_file, start_file, threads, args.steps]
        sides = bench.interleaved(
            args.runs,
            threads=lambda: bench.run_json(command(THREADS))[0],
            faiss=lambda: faiss_kmeans(rows, start, args.steps),
            ranks=lambda: bench.run_json(bench.mpirun(THREADS, command(1)))[0])
    median = lambda side, key: bench.median([run[key] for run in sides[side]])
    report.row("assignment, beside a plain product of 4096 × 128 × 1024", median("threads", "assign_gflops"),
               median("threads", "plain_gemm_gflops"), "GFLOP/s", goal=0.9, peer_name="oneDNN")
    report.row("whole training", median("threads", "seconds"), median("faiss", "seconds"), "s", goal=1, lower_is_better=True,
               peer_name="faiss")
    report.row("objective after it", median("threads", "objective"), median("faiss", "objective"), "sum of squared distances",
               goal=0.99999, lower_is_better=True, peer_name="faiss")
    report.row("two ranks of one thread, beside one rank of two", median("ranks", "seconds"), median("threads", "seconds"), "s",
               goal=0.9, lower_is_better=True, peer_name="one rank")
    first = sides["threads"][0]
    report.note(f"Seconds by phase: assign {first['assign_s']:.2f}, update {first['update_s']:.3f}, reduce {first['reduce_s']:.3f}. "
                "Every row is used at every step; both sides start from the same rows. The codebook of ours is the same bytes for ranks and "
                f"threads; objectives of both: {sides['ranks'][0]['objective']:.9g} and {first['objective']:.9g}.")
    report.write(peers=[f"faiss {faiss.__version__}"])


if __name__ == "__main__":
    main()
