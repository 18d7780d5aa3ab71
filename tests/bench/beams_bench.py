"""Diverse beams (60 beams, 30 groups, penalty 0.25) over a trie of 200k IDs at Flan-T5-small's shape: tutti beside transformers."""
import argparse
import os
import pathlib
import subprocess
import tempfile

import bench_report as bench

THREADS = 2
PEER = "transformers==4.56.2"  # the last whose generate() has group beams


def peer_folder(work):
    """The peer beside the torch of the conformance tests, in a folder of its own."""
    subprocess.run([bench.TORCH_PYTHON, "-m", "pip", "install", "--quiet", "--no-deps", "--target", work / "peer", PEER], check=True)
    return work / "peer"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tracks", type=int, default=200_000)
    arguments.add_argument("--codes", type=int, default=256)
    arguments.add_argument("--beam", type=int, default=60)
    arguments.add_argument("--groups", type=int, default=30)
    arguments.add_argument("--penalty", type=float, default=0.25)
    arguments.add_argument("--runs", type=int, default=3)
    args = arguments.parse_args()
    report = bench.Report("beams", f"Diverse beams {args.beam}/{args.groups}/{args.penalty}, a trie of {args.tracks:,} IDs", THREADS)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        os.environ["PYTHONPATH"] = str(peer_folder(work))
        table = [str(args.tracks), str(args.codes)]
        ids = work / "ids.txt"
        ids.write_bytes(subprocess.run([bench.BIN / "beams_bench", "ids", *table], stdout=subprocess.PIPE, check=True).stdout)
        search = [str(args.beam), str(args.groups), str(args.penalty), str(THREADS)]
        ours = lambda titles, calls: bench.run_json([bench.BIN / "beams_bench", "search", *table, *search, titles, calls],
                                                    OMP_NUM_THREADS=THREADS)[0]
        peer = lambda titles, calls: bench.run_json(
            [bench.TORCH_PYTHON, bench.ROOT / "tests/bench/beams_peer.py", ids, *search, titles, calls], OMP_NUM_THREADS=THREADS)[0]
        for titles, our_calls, peer_calls, goal in ((1, 40, 10, 6), (32, 4, 1, 10)):
            sides = bench.interleaved(args.runs, ours=lambda: ours(titles, our_calls), peer=lambda: peer(titles, peer_calls))
            ms = lambda side: 1e3 / titles * bench.median([bench.median(run["call_seconds"]) for run in sides[side]])
            report.row(f"a query, {titles} at once", ms("ours"), ms("peer"), "ms", goal=goal, lower_is_better=True,
                       peer_name="generate + prefix callback")
            if titles == 1:
                calls = sorted(s for run in sides["ours"] for s in run["call_seconds"])
                at = lambda q: 1e3 * calls[min(len(calls) - 1, int(q * len(calls)))]
                report.note(f"One query at a time: P50 {at(.5):.1f} ms, P95 {at(.95):.1f}, P99 {at(.99):.1f}. Different tracks among "
                            f"the 10 returned: {100 * min(run['distinct_share'] for run in sides['ours']):.1f} %.")
    report.note("Random weights and titles of 8 tokens (peer) or four words (ours); three codes and a suffix, which the peer is not asked "
                "for. The peer normalises over its whole vocabulary, ours over the level.")
    report.write(peers=[sides["peer"][0]["versions"]])


if __name__ == "__main__":
    main()
