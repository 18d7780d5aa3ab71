"""From playlists to IDs at the size of the Million Playlist Dataset: `embed cf` and `ids build` on two ranks, time and memory in all."""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import bench_report as bench


def proportional_bytes(root):
    """Memory of a process and all its descendants; what they share is counted once (PSS)."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue  # ended meanwhile
    total, family = 0, [root]
    for process in family:
        family += [child for child, parent in parents.items() if parent == process]
        try:
            for line in pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += 1024 * int(line.split()[1])
        except OSError:
            continue
    return total


def run(command):
    """Runs a command; (seconds, the most memory that it and its children held together, sampled every half second)."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=sys.stderr)
    peak = [0]
    done = threading.Event()

    def sample():
        while not done.wait(0.5):
            peak[0] = max(peak[0], proportional_bytes(process.pid))

    sampler = threading.Thread(target=sample)
    sampler.start()
    code = process.wait()
    done.set()
    sampler.join()
    if code != 0:
        sys.exit(f"error: {' '.join(command)} ended with {code}")
    return time.perf_counter() - start, peak[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=2_262_292)
    parser.add_argument("--playlists", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--num-codes", default="1024")
    args = parser.parse_args()
    dataset = os.environ.get("TUTTI_BENCH_DATASET")  # one that `tutti synth` made before

    report = bench.Report("catalog", "From playlists to IDs at the size of the Million Playlist Dataset", threads=2)
    with tempfile.TemporaryDirectory() as scratch:
        if not dataset:
            dataset = f"{scratch}/dataset"
            subprocess.run([bench.TUTTI, "synth", "--tracks", str(args.tracks), "--playlists", str(args.playlists),
                            "--threads", "2", "--out", dataset], check=True, stdout=sys.stderr)
        counts = json.loads(pathlib.Path(dataset, "manifest.json").read_text())
        embed = [bench.TUTTI, "embed", "cf", "--dataset", dataset, "--out", f"{scratch}/embeddings", "--dim", str(args.dim)]
        build = [bench.TUTTI, "ids", "build", "--dataset", dataset, "--embeddings", f"{scratch}/embeddings",
                 "--out", f"{scratch}/ids", "--num-codes", args.num_codes]
        embed_s, embed_peak = run(bench.mpirun(2, embed))
        build_s, build_peak = run(bench.mpirun(2, build))
        report.row("embed cf + ids build", (embed_s + build_s) / 60, unit="minutes", goal=25, lower_is_better=True)
        report.row("embed cf", embed_s, unit="s")
        report.row("ids build", build_s, unit="s")
        report.row("peak memory, both ranks together", max(embed_peak, build_peak) / 2**30, unit="GiB", goal=8,
                   lower_is_better=True)
        report.row("peak memory of embed cf", embed_peak / 2**30, unit="GiB")
        report.row("peak memory of ids build", build_peak / 2**30, unit="GiB")
        built = json.loads(pathlib.Path(scratch, "ids", "report.json").read_text())
        groups = built["groups"]
        report.row("distinct codes, share of the tracks", 100 * groups["distinct_codes"] / built["tracks"], unit="%")
        report.row("tracks alone on their code", 100 * groups["tracks_alone"] / built["tracks"], unit="%")
        report.row("largest group of tracks on one code", groups["largest"], unit="tracks")
        report.row("a track's group: median, and 99 %", groups["p50"], unit=f"tracks (99 %: {groups['p99']:,})")
        report.row("SNR of the codes", built["levels"][-1]["snr_db"], unit="dB")
        report.note(f"SIMULATED dataset (`tutti synth`, hash {counts['hash'][:12]}); two ranks of one thread; D = {args.dim}, "
                    f"3 × {args.num_codes} codes, all other options at their defaults. Memory is the sum of proportional set sizes, "
                    "sampled every half second, mpirun included.")
    report.write()


if __name__ == "__main__":
    main()
