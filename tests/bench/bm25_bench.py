"""BM25 (Lucene's formula) over 500k documents, one thread: tutti beside bm25s (with numba, its fastest back end) and rank-bm25."""
import argparse
import pathlib
import tempfile
import time

import bm25s
import numpy
import rank_bm25

import bench_report as bench

K1, B, K = 1.2, 0.75, 10


def texts(count, low, high, vocabulary, seed):
    """Lists of words drawn by Zipf's law, `low` to `high` of them."""
    random = numpy.random.default_rng(seed)
    weights = 1 / numpy.arange(1, vocabulary + 1)
    lengths = random.integers(low, high + 1, count)
    words = random.choice(vocabulary, lengths.sum(), p=weights / weights.sum())
    return [[f"w{word}" for word in part] for part in numpy.split(words, numpy.cumsum(lengths)[:-1])]


def ask_bm25s(documents, queries):
    began = time.perf_counter()
    index = bm25s.BM25(method="lucene", k1=K1, b=B, backend="numba")
    index.index(documents, show_progress=False)
    index_s = time.perf_counter() - began
    index.retrieve(queries[:10], k=K, n_threads=1, show_progress=False)  # compiles
    began = time.perf_counter()
    found, scores = index.retrieve(queries, k=K, n_threads=1, show_progress=False)
    return {"index_s": index_s, "queries_per_s": len(queries) / (time.perf_counter() - began), "found": found, "scores": scores}


def ask_rank_bm25(documents, queries):
    index = rank_bm25.BM25Okapi(documents, k1=K1, b=B)
    began = time.perf_counter()
    for query in queries:
        scores = index.get_scores(query)
        numpy.argpartition(scores, -K)[-K:]
    return {"queries_per_s": len(queries) / (time.perf_counter() - began)}


def largest_difference(ours, theirs):
    """Of the scores at each place: documents of equal score may come in another order."""
    return max(abs(mine[1] - float(score)) for mine_list, scores in zip(ours["results"], theirs["scores"])
               for mine, score in zip(mine_list, scores))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--documents", type=int, default=500_000)
    arguments.add_argument("--queries", type=int, default=2000)
    arguments.add_argument("--runs", type=int, default=3)
    args = arguments.parse_args()
    documents, queries = texts(args.documents, 5, 60, 50_000, 1), texts(args.queries, 1, 4, 50_000, 2)
    report = bench.Report("bm25", f"BM25 over {args.documents:,} documents of 5 to 60 words, queries of 1 to 4 words, one thread", 1)
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder, name) for name in ("documents", "queries")]
        for path, lines in zip(files, (documents, queries)):
            path.write_text("\n".join(" ".join(line) for line in lines) + "\n")
        sides = bench.interleaved(args.runs, ours=lambda: bench.run_json([bench.BIN / "bm25_bench", *files, K1, B, K], OMP_NUM_THREADS=1)[0],
                                  bm25s=lambda: ask_bm25s(documents, queries))
        slow = ask_rank_bm25(documents, queries[:10])
    median = lambda side, key: bench.median([run[key] for run in sides[side]])
    difference = largest_difference(sides["ours"][0], sides["bm25s"][0])
    assert difference < 1e-3, f"not the same scores: {difference}"
    report.row("queries a second", median("ours", "queries_per_s"), median("bm25s", "queries_per_s"), "1/s", goal=2, peer_name="bm25s")
    report.row("queries a second", median("ours", "queries_per_s"), slow["queries_per_s"], "1/s", goal=100, peer_name="rank-bm25")
    report.row("indexing", median("ours", "index_s"), median("bm25s", "index_s"), "s", lower_is_better=True, peer_name="bm25s, from words")
    report.note(f"The scores of the {K} best are bm25s's: largest difference {difference:.1e} over {args.queries:,} queries. Words are drawn by "
                f"Zipf's law from 50,000; rank-bm25 is asked {10} queries.")
    report.write(peers=[f"bm25s {bm25s.__version__} (numba)", "rank-bm25 0.2.2"])


if __name__ == "__main__":
    main()
