"""A simulated dataset of the size of the Million Playlist Dataset: time, memory and its statistics beside the published ones."""
import argparse
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import bench_report as bench


def run(command):
    """Runs a command; (its standard output, seconds)."""
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)} ended with {done.returncode}")
    return done.stdout, seconds


def peak_mib():
    """The most memory that one process run so far has held."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def manifest(dataset):
    return json.loads((dataset / "manifest.json").read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=2_262_292)
    parser.add_argument("--playlists", type=int, default=1_000_000)
    args = parser.parse_args()
    keep = os.environ.get("TUTTI_BENCH_KEEP")  # a folder to leave the dataset in

    report = bench.Report("synth", "A simulated dataset of the Million Playlist Dataset's size", threads=2)
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(keep or pathlib.Path(scratch) / "dataset")
        other = pathlib.Path(scratch) / "other"
        synth = [bench.TUTTI, "synth", "--tracks", str(args.tracks), "--playlists", str(args.playlists), "--overwrite"]

        start_mib = peak_mib()
        text, seconds = run([*synth, "--threads", "2", "--out", str(out)])
        assert peak_mib() > start_mib, "an earlier process held more memory than the one to be measured"
        report.row("synth, one rank with two threads", seconds, unit="s", goal=240, lower_is_better=True)
        report.row("its peak memory", peak_mib(), unit="MiB", goal=2048, lower_is_better=True)
        _, seconds = run(bench.mpirun(2, [*synth, "--threads", "1", "--out", str(other)]))
        report.row("synth, two ranks with one thread each", seconds, unit="s", goal=240, lower_is_better=True)
        if manifest(out)["hash"] != manifest(other)["hash"]:
            sys.exit("error: one rank and two wrote different bytes")
        shutil.rmtree(other)
        report.row("size of the dataset", sum(file["bytes"] for file in manifest(out)["files"].values()) / 1e6, unit="MB")
        inspected, seconds = run([bench.TUTTI, "inspect", str(out), "--top", "5"])
        report.row("inspect: reads all playlists", seconds, unit="s")
        report.note("Both wrote the same bytes. What `tutti synth` prints, every figure of the left column simulated:")
        report.note("```\n" + text.replace(str(out), "OUT").rstrip() + "\n```")
        report.note("From `tutti inspect`:")
        report.note("```\n" + inspected[inspected.index("parts\n"):].rstrip() + "\n```")
    report.write()


if __name__ == "__main__":
    main()
