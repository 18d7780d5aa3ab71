"""The yardstick of the other benchmarks: this machine's matrix products through tutti's gemm, beside faiss's BLAS (numpy's)."""
import time

import numpy

import bench_report as bench


def numpy_gflops(m, k, n, runs=9):
    a, b = numpy.random.rand(m, k).astype("f"), numpy.random.rand(n, k).astype("f")
    a @ b.T
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        a @ b.T
        seconds.append(time.perf_counter() - start)
    return 2 * m * k * n / min(seconds) / 1e9


def main():
    report = bench.Report("matmul", "Matrix products", threads=2)
    sides = bench.interleaved(3, ours=lambda: bench.matmul_peak(2)["fp32_gflops"],
                              numpy=lambda: numpy_gflops(2048, 512, 2048))
    report.row("2048 × 512 × 2048, fp32", bench.median(sides["ours"]), bench.median(sides["numpy"]), "GFLOP/s",
               peer_name="numpy, OpenBLAS")
    report.write(peers=[f"numpy {numpy.__version__}"])


if __name__ == "__main__":
    main()
