"""The study's table of ID strategies on simulated playlists: tutti compare-ids on a study file, as it comes out.

Not a race: no order is asked of a simulation. What is finished is kept in build/compare_ids: remove it to begin anew.

Usage: compare_ids_bench.py [--study FILE] [--ranks N]
"""
import argparse
import csv
import json

import bench_report as bench
import demo_data


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--study", default=str(bench.ROOT / "launch/studies/demo.ini"))
    arguments.add_argument("--ranks", type=int, default=1)
    args = arguments.parse_args()
    work = bench.ROOT / "build/compare_ids"
    demo_data.tutti("compare-ids", "--config", args.study, "--out", work, ranks=args.ranks)

    report = bench.Report("compare_ids", "Strategies of IDs side by side, on simulated playlists", threads=1)
    document = json.loads((work / "comparison.json").read_text(encoding="utf-8"))
    assert document["simulated"]
    report.lead("The playlists, the catalogue and its names are SIMULATED (`tutti synth`): the table says that the strategies work and how they "
                "compare on one input. It is no estimate of what they would reach with real listeners, and no order was asked for.")
    hits = next(key for key in document["rows"][0] if key.startswith("hits@"))
    for row in document["rows"]:
        report.row(f"{hits}, {row['strategy']}", row[hits], unit=f"[{row['low']:.3f}, {row['high']:.3f}]")
    report.note((work / "comparison.md").read_text(encoding="utf-8").strip())
    seconds = sum(float(row["train_seconds"]) for row in csv.DictReader(open(work / "comparison.csv", encoding="utf-8")))
    report.note(f"{args.ranks} rank(s) of one thread each; training took {seconds:.0f} s in all, of wall time.")
    study = "\n".join(line for line in open(args.study, encoding="utf-8").read().splitlines() if not line.startswith("#"))
    report.note(f"The study file:\n\n```ini\n{study.strip()}\n```")
    report.write()


if __name__ == "__main__":
    main()
