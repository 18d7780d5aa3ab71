"""The study's figure on the demo's data: hits@10 against distinct artists over beams, groups and penalties, on VALIDATION playlists.

Takes the runs of systems_bench.py (build/systems) and trains what is missing. `tutti report` draws the figure from the files that
`tutti sweep` leaves in build/systems/sweep-SEED.
"""
import argparse
import json
import shutil
import statistics

import bench_report as bench
import demo_data
import systems_bench

ORDINARY = (10, 20, 60, 120)
GROUPS, PENALTIES = (10, 30), (0.1, 0.25, 0.5, 1)
BLOCKS = ("seen titles", "unseen titles")


def sweep(work, seed, args):
    """{(beam, groups, penalty): document}"""
    run = work / f"run-{args.steps}-{seed}"
    out = work / f"sweep-{seed}"
    shutil.rmtree(out, ignore_errors=True)
    base = ("sweep", "--dataset", work / "data", "--ids", work / "ids", "--run", run, "--out", out)
    many = lambda option, values: [word for value in values for word in (option, value)]
    demo_data.tutti(*base, *many("--beams", ORDINARY), "--groups", 1, ranks=args.ranks)
    demo_data.tutti(*base, "--beams", 60, *many("--groups", GROUPS), *many("--penalties", PENALTIES), ranks=args.ranks)
    found = {}
    for file in out.glob("*.json"):
        document = json.loads(file.read_text(encoding="utf-8"))
        options = document["options"]
        found[options["beam"], options["groups"], options["diversity"]] = document
    return found


def row_of(document, block):
    return next(b for b in document["blocks"] if b["name"] == block)["rows"][-1]["metrics"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=6500)
    arguments.add_argument("--ranks", type=int, default=2)
    args = arguments.parse_args()
    report = bench.Report("sweep", f"Beams, groups and penalties on validation playlists (the demo's data), {args.seeds} seeds")
    work = bench.ROOT / "build/systems"
    demo_data.make_data(work, 20_000)
    seeds = range(1, args.seeds + 1)
    for seed in seeds:
        systems_bench.trained(work, seed, args)
    found = [sweep(work, seed, args) for seed in seeds]
    value = lambda setting, block, metric: [row_of(documents[setting], block)[metric]["mean"] for documents in found]
    plain = (60, 1, 0.0)
    lines = ["| beams | groups | penalty | hits@10 seen | by seed | unseen | by seed | artists@10 seen | unseen |", "| --- " * 9 + "|"]
    for setting in sorted(found[0], key=lambda s: (s[1], s[0], s[2])):
        hits = {block: value(setting, block, "hits@10") for block in BLOCKS}
        artists = {block: value(setting, block, "distinct_artists@10") for block in BLOCKS}
        cells = [setting[0], setting[1], f"{setting[2]:g}" if setting[1] > 1 else ""]
        for block in BLOCKS:
            cells += [f"{statistics.mean(hits[block]):.3f}", ", ".join(f"{h:.3f}" for h in hits[block])]
        cells += [f"{statistics.mean(artists[block]):.2f}" for block in BLOCKS]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    studied = (60, 30, 0.25)
    for block in BLOCKS:
        for metric in ("hits@10", "distinct_artists@10"):
            report.row(f"{metric}, {block}, 60/30/0.25 beside 60 ordinary beams", statistics.mean(value(studied, block, metric)),
                       statistics.mean(value(plain, block, metric)), peer_name="ordinary")
    best = max(found[0], key=lambda s: sum(sum(value(s, block, "hits@10")) for block in BLOCKS))
    words = f"{best[0]} ordinary beams" if best[1] == 1 else f"{best[0]} beams in {best[1]} groups with a penalty of {best[2]:g}"
    report.lead(f"Most hits on validation playlists: {words}.")
    report.note("\n".join(lines))
    report.note("The playlists are SIMULATED. 500 validation playlists a set at most, lists of 10. Distinct artists are of ten.")
    report.note("Signature of the first: `" + found[0][plain]["signature"] + "`")
    report.write()


if __name__ == "__main__":
    main()
