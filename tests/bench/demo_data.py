"""The demo's catalogue, playlists and IDs (launch/demo.sh) as input of the training benchmarks."""
import os
import shutil
import subprocess
import sys

import bench_report as bench


def tutti(*words, ranks=1, threads=1):
    """Runs tutti, returns what it prints; ends with its last words when it fails."""
    command = [bench.TUTTI, *map(str, words)]
    if ranks > 1:
        command = bench.mpirun(ranks, command)
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)} ended with {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def make_data(work, num_playlists):
    """Fills the folder `work` with catalog, data, embeddings and ids, unless it has them."""
    if (work / "ids/manifest.json").exists():
        return
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    tutti("import", "tags", bench.ROOT / "data/demo/jamendo-tags.tsv.gz", "--out", work / "catalog")
    tutti("synth", "--catalog", work / "catalog", "--playlists", num_playlists, "--seed", 1, "--threads", 2,
          "--out", work / "data")
    tutti("embed", "cf", "--dataset", work / "data", "--dim", 64, "--out", work / "embeddings", ranks=2)
    tutti("ids", "build", "--dataset", work / "data", "--embeddings", work / "embeddings", "--levels", 2, "--num-codes", 256,
          "--out", work / "ids", ranks=2)
