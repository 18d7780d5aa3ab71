"""A catalogue that changes: what `ids drift` says, what appending IDs costs, what the tiers of `ids rebuild` move, and how a model that goes on
compares with one that is trained anew. The playlists are simulated.

Usage: catalog_change_bench.py [--change genres|growth] [--steps N] [--ranks N]
  --change genres: whole genres come in, with their listeners; growth: a tenth of the tracks, drawn at random
  --steps N: they train the old model, and a new one; a quarter of them a model that goes on
"""
import argparse
import csv
import json
import random
import shutil
import time

import bench_report as bench
import h5py
import numpy as np
from demo_data import make_data, tutti

WORK = bench.ROOT / "build/catalog_change"  # and the name of the change behind it
SHARE_OF_NEW_GENRES = 0.2  # of all entries, at least
MODEL = ("--d-model", 128, "--d-kv", 32, "--num-heads", 4, "--d-ff", 384, "--num-layers", 2, "--num-decoder-layers", 2)
LEARNING_RATE = 1e-3


def strings(file, name):
    """A table of strings of a dataset's file (data/README.md)."""
    offsets, text = file[name]["offsets"][:], file[name]["bytes"][:].tobytes()
    return [text[first:last].decode() for first, last in zip(offsets, offsets[1:])]


def playlists_of(dataset):
    """Key, title row and tracks of every playlist of a dataset folder."""
    for shard in sorted(dataset.glob("playlists-*.h5")):
        with h5py.File(shard) as file:
            offsets, tracks, title_rows, keys = file["offsets"][:], file["tracks"][:], file["titles"][:], strings(file, "keys")
        for key, title, first, last in zip(keys, title_rows, offsets, offsets[1:]):
            yield key, title, tracks[first:last]


def tracks_of_new_genres(dataset):
    """Tracks of genres drawn at random until they are a share of all entries; the genres."""
    with h5py.File(dataset / "catalog.h5") as file:
        tags, tag_offsets, tag_rows = strings(file, "tag_names"), file["tag_offsets"][:], file["tags"][:]
    counts = np.zeros(len(tag_offsets) - 1, dtype=np.int64)
    for _, _, tracks in playlists_of(dataset):
        counts[tracks] += 1
    track_of = np.repeat(np.arange(len(counts)), np.diff(tag_offsets))
    genres = sorted(row for row, name in enumerate(tags) if name.startswith("genre:"))
    random.Random(1).shuffle(genres)
    chosen = np.zeros(len(counts), dtype=bool)
    for number, genre in enumerate(genres, 1):
        chosen[track_of[tag_rows == genre]] = True
        if counts[chosen].sum() >= SHARE_OF_NEW_GENRES * counts.sum():
            break
    return set(np.flatnonzero(chosen).tolist()), [tags[row].removeprefix("genre:") for row in genres[:number]]


def write_playlists(dataset, path, left_out, num_playlists, drop_emptied):
    """The first playlists of a dataset folder as a table for `import csv`, without some rows of its catalogue, and without the playlists that
    lose half of their tracks by that, if `drop_emptied`."""
    with h5py.File(dataset / "catalog.h5") as file:
        keys, artists, albums, tags = (strings(file, name) for name in ("track_keys", "artist_keys", "album_keys", "tag_names"))
        artist_of, album_of = file["track_artist"][:], file["track_album"][:]
        tag_offsets, tag_rows = file["tag_offsets"][:], file["tags"][:]
    with h5py.File(dataset / "titles.h5") as file:
        titles = strings(file, "raw")
    described = [[keys[t], artists[artist_of[t]] if artist_of[t] >= 0 else "", albums[album_of[t]] if album_of[t] >= 0 else "",
                  "|".join(tags[row] for row in tag_rows[tag_offsets[t]:tag_offsets[t + 1]])] for t in range(len(keys))]
    with open(path, "w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["playlist_id", "title", "track_id", "artist", "album", "tags"])
        for number, (key, title, tracks) in enumerate(playlists_of(dataset)):
            if number == num_playlists:
                break
            kept = [t for t in tracks if t not in left_out]
            if drop_emptied and 2 * len(kept) <= len(tracks):
                continue
            for t in kept:
                writer.writerow([key, titles[title], *described[t]])


def make_change(change, num_playlists):
    """Two datasets: `new`, and `old` without the new tracks and the last fifth of the playlists. What came, in words."""
    facts = WORK / "change.txt"
    if facts.exists():
        return facts.read_text(encoding="utf-8")
    make_data(WORK / "whole", num_playlists)
    whole = WORK / "whole/data"
    with h5py.File(whole / "catalog.h5") as file:
        num_tracks = file["track_artist"].shape[0]
    if change == "genres":
        left_out, genres = tracks_of_new_genres(whole)
        came = (f"all {len(left_out):,} tracks of {len(genres)} genres ({', '.join(genres)}), the playlists of which they are at least half")
    else:
        left_out = set(random.Random(1).sample(range(num_tracks), num_tracks // 10))
        came = f"{len(left_out):,} tracks, a tenth, drawn at random"
    for name, without, playlists in (("old", left_out, num_playlists * 4 // 5), ("new", set(), num_playlists)):
        write_playlists(whole, WORK / f"{name}.csv", without, playlists, drop_emptied=change == "genres")
        tutti("import", "csv", WORK / f"{name}.csv", "--out", WORK / name, "--min-tracks", 1, "--seed", 1, "--overwrite")
    facts.write_text(came, encoding="utf-8")
    return came


def train(run, dataset, ids, steps, ranks, *extra, learning_rate=LEARNING_RATE):
    tutti("train", "--dataset", WORK / dataset, "--ids", WORK / ids, "--out", WORK / run, "--overwrite", "--steps", steps, "--titles-per-step", 8, "--group-cap", 0,
          "--learning-rate", learning_rate, "--validate-every", 0, *extra, ranks=ranks)


def hits(run, ids, ranks):
    scores = WORK / f"{run}.json"
    tutti("evaluate", "--dataset", WORK / "new", "--ids", WORK / ids, "--run", WORK / run, "--prompts", "bare", "--json", scores, ranks=ranks)
    blocks = json.loads(scores.read_text(encoding="utf-8"))["blocks"]
    return {block["name"]: block["rows"][-1]["metrics"]["hits@10"] for block in blocks}


def drift(vectors):
    return tutti("ids", "drift", "--from", WORK / "ids-old", "--old-dataset", WORK / "old", "--dataset", WORK / "new", "--embeddings", WORK / vectors).strip()


def rebuild(tier, vectors):
    """Seconds and the report's "change"; on one rank and on two the same bytes."""
    hashes, seconds = [], []
    for number in (1, 2):
        started = time.monotonic()
        tutti("ids", "rebuild", "--from", WORK / "ids-old", "--old-dataset", WORK / "old", "--dataset", WORK / "new", "--embeddings", WORK / vectors,
              "--tier", tier, "--out", WORK / f"ids-{tier}", "--overwrite", ranks=number)
        seconds.append(time.monotonic() - started)
        hashes.append(json.loads((WORK / f"ids-{tier}/manifest.json").read_text())["hash"])
    assert len(set(hashes)) == 1, f"{tier}: other bytes on other ranks: {hashes}"
    return min(seconds), json.loads((WORK / f"ids-{tier}/report.json").read_text())["change"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--change", choices=("genres", "growth"), default="genres")
    arguments.add_argument("--steps", type=int, default=3000)
    arguments.add_argument("--ranks", type=int, default=2)
    arguments.add_argument("--playlists", type=int, default=20_000)
    args = arguments.parse_args()
    global WORK
    WORK = WORK.parent / f"{WORK.name}_{args.change}"
    name, title = {"genres": ("catalog_change", "Whole genres come into a catalogue"),
                   "growth": ("catalog_growth", "A catalogue grows by a tenth")}[args.change]
    report = bench.Report(name, f"{title}: IDs that follow, and models that go on")
    came = make_change(args.change, args.playlists)
    few = args.steps // 4

    tutti("embed", "cf", "--dataset", WORK / "old", "--dim", 64, "--out", WORK / "vectors-old", "--overwrite", ranks=args.ranks)
    tutti("ids", "build", "--dataset", WORK / "old", "--embeddings", WORK / "vectors-old", "--levels", 2, "--num-codes", 256, "--out", WORK / "ids-old",
          "--overwrite", ranks=args.ranks)
    train("run-old", "old", "ids-old", args.steps, args.ranks, *MODEL)
    started = time.monotonic()
    tutti("embed", "fold-in", "--embeddings", WORK / "vectors-old", "--old-dataset", WORK / "old", "--dataset", WORK / "new", "--out", WORK / "folded",
          "--overwrite", ranks=args.ranks)
    fold_seconds = time.monotonic() - started
    tutti("embed", "cf", "--dataset", WORK / "new", "--dim", 64, "--out", WORK / "vectors-new", "--overwrite", ranks=args.ranks)
    tutti("ids", "build", "--dataset", WORK / "new", "--embeddings", WORK / "vectors-new", "--levels", 2, "--num-codes", 256, "--out", WORK / "ids-anew",
          "--overwrite", ranks=args.ranks)
    changes = {tier: rebuild(tier, vectors)
               for tier, vectors in (("append", "folded"), ("refresh", "vectors-new"), ("rebuild", "vectors-new"))}

    append_seconds, append = changes["append"]
    report.row("vectors for the new tracks (`embed fold-in`) and their IDs (append)", fold_seconds + append_seconds, unit="s", goal=10, lower_is_better=True)
    report.row("tracks that append moved", append["churn"]["full"], goal=0, lower_is_better=True)

    lines = ["| model | IDs | steps on the new dataset | tracks with another ID | another first token | seen titles | unseen | editorial |",
             "| --- " * 8 + "|"]

    def line(name, run, ids, steps, change=None):
        scores = hits(run, ids, args.ranks)
        shown = ["" if change is None else f"{100 * change['churn'][key] / change['survivors']:.1f} %" for key in ("full", "prefix_1")]
        cells = [f"{scores[block]['mean']:.3f} [{scores[block]['low']:.2f}, {scores[block]['high']:.2f}]"
                 for block in ("seen titles", "unseen titles", "editorial prompts")]
        lines.append(f"| {name} | {ids} | {steps:,} | {' | '.join(shown)} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
        return scores

    # As good as no step: the rate is that of nothing.
    train("run-as-it-was", "new", "ids-append", 1, args.ranks, "--warm-start", WORK / "run-old", learning_rate=1e-12)
    line("the old one as it was", "run-as-it-was", "ids-append", 0, append)
    warm = {}
    for tier, (_, change) in changes.items():
        train(f"run-{tier}", "new", f"ids-{tier}", few, args.ranks, "--warm-start", WORK / "run-old")
        warm[tier] = line("goes on", f"run-{tier}", f"ids-{tier}", few, change)
    train("run-few", "new", "ids-anew", few, args.ranks, *MODEL)
    same_budget = line("anew, the same budget", "run-few", "ids-anew", few)
    train("run-anew", "new", "ids-anew", args.steps, args.ranks, *MODEL)
    anew = line("anew", "run-anew", "ids-anew", args.steps)

    for block in ("seen titles", "unseen titles"):
        for tier in changes:
            report.row(f"hits@10, {block}, goes on ({tier}), {few:,} steps", warm[tier][block]["mean"], same_budget[block]["mean"],
                       peer_name=f"anew, {few:,} steps; {anew[block]['mean']:.3f} after {args.steps:,}")
    report.note(f"The playlists are SIMULATED. The old dataset lacks {came}, and the last fifth of the playlists; the same "
                "playlists are held out of both. All models are asked for the new dataset's test playlists. The tables of all tiers are the same bytes on "
                "1 and 2 ranks.")
    report.note("Mean hits@10 and its 95 % interval:\n\n" + "\n".join(lines))
    for vectors, words in (("folded", "folded in"), ("vectors-new", "trained again")):
        report.note(f"`ids drift`, vectors {words}:\n\n```\n{drift(vectors)}\n```")
    for tier, (seconds, change) in changes.items():
        curve = ", ".join(f"τ {'∞' if o['tolerance'] is None else format(o['tolerance'], 'g')}: {o['moved']:,} moved, {o['snr_db']:.2f} dB"
                          for o in change["by_tolerance"])
        report.note(f"{tier}: {seconds:.1f} s; SNR of the known codes {change['snr_db']['known_codes']:.2f} dB, with codebooks turned "
                    f"{change['snr_db']['known_codes_turned']:.2f} dB. {curve}")
    report.write(peers=[f"h5py {h5py.__version__}, numpy {np.__version__} (to make the data)"])
    shutil.rmtree(WORK / "run-as-it-was", ignore_errors=True)


if __name__ == "__main__":
    main()
