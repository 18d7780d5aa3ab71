"""Residual quantizer, 100k × 128 rows, 3 × 1024 codes: encoding with a beam of 8 and training, beside faiss at equal bits."""
import argparse
import pathlib
import tempfile
import time

import faiss
import numpy

import bench_report as bench
from kmeans_bench import THREADS, clustered

LEVELS, BITS = 3, 10


def snr_db(rows, decoded):
    return 10 * numpy.log10((rows.astype("d") ** 2).sum() / ((rows.astype("d") - decoded) ** 2).sum())


def faiss_train(rows, beam):
    quantizer = faiss.ResidualQuantizer(rows.shape[1], LEVELS, BITS)
    quantizer.max_beam_size = beam
    began = time.perf_counter()
    quantizer.train(rows)
    return quantizer, time.perf_counter() - began


def faiss_encode(quantizer, rows, use_tables):
    quantizer.use_beam_LUT = use_tables
    began = time.perf_counter()
    codes = quantizer.compute_codes(rows)
    return {"seconds": time.perf_counter() - began, "snr_db": snr_db(rows, quantizer.decode(codes))}


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=100_000)
    arguments.add_argument("--beam", type=int, default=8)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--stream-rows", type=int, default=10_000_000, help="rows of the streamed file, 5 GB; 0: leave it out")
    args = arguments.parse_args()
    faiss.omp_set_num_threads(THREADS)
    rows = clustered(args.rows, 128, 4096, 3)
    rows -= rows.mean(axis=0)
    codes = 2 ** BITS
    report = bench.Report("residual", f"Residual quantizer, {args.rows:,} × 128 rows, {LEVELS} × {codes} codes, beam {args.beam}", THREADS)
    with tempfile.TemporaryDirectory() as folder:
        rows_file, codebooks_file = pathlib.Path(folder, "rows.f32"), pathlib.Path(folder, "codebooks.f32")
        rows.tofile(rows_file)
        # faiss trains with a beam of 5 unless told otherwise; that is its faster and its usual setting.
        quantizer, faiss_train_s = faiss_train(rows, 5)
        trained = bench.run_json([bench.BIN / "residual_bench", "train", rows_file, LEVELS, codes, THREADS, args.beam])[0]
        quantizer.max_beam_size = args.beam
        faiss.vector_to_array(quantizer.codebooks).tofile(codebooks_file)
        command = [bench.BIN / "residual_bench", "encode", rows_file, codebooks_file, codes, THREADS, args.beam]
        streamed = None
        if args.stream_rows:
            embeddings = pathlib.Path(folder, "embeddings")
            bench.run_json([bench.BIN / "residual_bench", "write", rows_file, embeddings, args.stream_rows, "-", "-"])
            streamed = bench.run_json([bench.BIN / "residual_bench", "stream", embeddings, codebooks_file, codes, THREADS, args.beam])[0]
        sides = bench.interleaved(args.runs, ours=lambda: bench.run_json(command)[0],
                                  plain=lambda: faiss_encode(quantizer, rows, 0), tables=lambda: faiss_encode(quantizer, rows, 1))
    seconds = {name: bench.median([run["seconds"] for run in sides[name]]) for name in ("plain", "tables")}
    encode_s = bench.median([run["encode_s"] for run in sides["ours"]])
    report.row("encode, same codebooks", encode_s, seconds["plain"], "s", goal=10, lower_is_better=True, peer_name="faiss")
    report.row("encode, same codebooks, faiss with tables", encode_s, seconds["tables"], "s", lower_is_better=True,
               peer_name="faiss, use_beam_LUT=1")
    report.row("SNR of these codes", sides["ours"][0]["snr_db"], sides["plain"][0]["snr_db"], "dB", goal=0.9999, peer_name="faiss")
    report.row("train", trained["train_s"], faiss_train_s, "s", goal=1.3, lower_is_better=True, peer_name="faiss, beam 5")
    report.row("SNR, each side's own codebooks", trained["snr_db"], sides["plain"][0]["snr_db"], "dB", goal=0.9999, peer_name="faiss")
    if streamed:
        report.row(f"peak memory, encode of {streamed['rows']:,} rows streamed from HDF5", streamed["peak_gib"], unit="GiB", goal=4,
                   lower_is_better=True)
        report.note(f"The streamed encode took {streamed['encode_s']:.0f} s.")
    report.note("faiss's setting use_beam_LUT, off unless asked for, computes code products from a table as tutti does; the goal is against its "
                "usual path. Both sides encode with the codebooks that faiss trained; each side's own are compared in the last line. "
                "Both train on all rows.")
    report.write(peers=[f"faiss {faiss.__version__}"])


if __name__ == "__main__":
    main()
