"""Full and read-only disks under the commands that make artefacts. As in drills.py, the drill yields Results."""
import subprocess

from drills import Result
from jobs import expect

COMMANDS = {
    "import csv": ["playlists.csv"],
    "embed cf": ["--dataset", "data", "--dim", "64", "--epochs", "1"],
    "ids build": ["--embeddings", "embeddings", "--dataset", "data", "--levels", "2", "--num-codes", "4"],
}


def bad_places(lab):
    """Code 7, the place named, no crash on the way out, and nothing left of what was begun; `ids build` on two ranks too."""
    place = lab.folder / "small"
    place.mkdir()
    for what, mount in (("disk full", "size=8k"), ("read-only", "ro")):
        subprocess.run(["mount", "-t", "tmpfs", "-o", mount, "none", place], check=True)
        try:
            for name, words in COMMANDS.items():
                for ranks in (1, 2) if name == "ids build" else (1,):
                    launcher = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks > 1 else []
                    done = subprocess.run([*launcher, lab.tutti, *name.split(), *words, "--out", place / "made"], cwd=lab.folder,
                                          env=lab.environment, capture_output=True, text=True, check=False)
                    where = f"{name} on {ranks} rank(s), {what}"
                    expect(done.returncode == 7, f"{where}: code {done.returncode}: {done.stderr}")
                    expect(str(place) in done.stderr, f"{where}: the place is not named: {done.stderr}")
                    for word in ("Segmentation", "signal 11", "terminate called"):
                        expect(word not in done.stderr, f"{where}: {done.stderr}")
                    expect(not list(place.iterdir()), f"{where}: left {list(place.iterdir())}")
                    yield Result(where)
        finally:
            subprocess.run(["umount", "-l", place], check=True)
