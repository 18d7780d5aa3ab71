"""run_drills.py --tutti FILE --failing-writes FILE [--fast] [--only NAME] [--chaos SECONDS] [--result]: fault drills against real jobs.
tests/faults/run.sh builds and calls it."""
import argparse
import datetime
import pathlib
import statistics
import sys
import tempfile
import time

import drills
import hosts
from chaos import MEAN_PAUSE_S, chaos
from jobs import ROOT, Failed, Lab

sys.path.insert(0, str(ROOT / "tests/bench"))


def all_drills(lab, fast):
    """{name: (drill, bar)}; those that need hosts only where there are some."""
    some = lambda many, few: few if fast else many
    table = {
        "kill -9 of a rank": (lambda: drills.killed_ranks(lab, some(20, 4)), "ends < 5 s; resumed bit for bit"),
        "frozen rank": (lambda: drills.frozen_ranks(lab, some(6, 2)), f"code 4 within {drills.SILENCE_S:.0f} s + 7, rank named; bit for bit"),
        "cut link": (lambda: drills.cut_links(lab, some(4, 1)), f"all ranks end within {drills.SILENCE_S:.0f} s + 8, rank named; bit for bit"),
        "signals": (lambda: drills.signals(lab, some(6, 2)), "code 5, checkpoint of the last step; bit for bit"),
        "stop anywhere": (lambda: drills.stops_anywhere(lab, some((0, 1), (1,))), "code 5; bit for bit"),
        "world size": (lambda: drills.world_sizes(lab), "same samples, losses within 1e-4"),
        "bad disk": (lambda: drills.bad_disks(lab), "code 7, no crash, old state whole, not tried again; bit for bit"),
        "damaged input": (lambda: drills.damaged_inputs(lab, some(("flipped", "cut"), ("flipped",))), "refused before step 1 or the one before taken, file named"),
        "straggler": (lambda: drills.stragglers(lab, some(2, 1)), "rank and phase named within 50 steps"),
    }
    if lab.hosts is None:
        del table["cut link"]
        del table["bad disk"]
    return table


def spread(values):
    values = [value for value in values if value is not None]
    if not values:
        return ""
    if len(values) == 1:
        return f"{values[0]:.1f}" if isinstance(values[0], float) else str(values[0])
    return f"{statistics.median(values):.1f} ({max(values):.1f})"


def run(lab, args):
    """Gives back [(name, bar, results, problem)]."""
    outcome = []
    for name, (drill, bar) in all_drills(lab, args.fast).items():
        if args.only and args.only not in name:
            continue
        found, problem, begin = [], "", time.monotonic()
        try:
            for result in drill():
                found.append(result)
                print(f"ok: {name}: {result.what}"
                      + "".join(f", {label} {value:.1f} s" for label, value in (("ended", result.detected_s), ("restart", result.restart_s))
                                if value is not None) + (f", {result.note}" if result.note else ""), flush=True)
        except Failed as failure:
            problem = str(failure)
            print(f"FAILED: {name}: {problem}", flush=True)
        lab.end_jobs()
        print(f"{name}: {len(found)} in {time.monotonic() - begin:.0f} s", flush=True)
        outcome.append((name, bar, found, problem))
    return outcome


def heading(title, command):
    from bench_report import _output_of, machine

    return [f"# {title}", "", f"- Command: `{command}`",
            f"- Date: {datetime.date.today()}, commit {_output_of('git', 'describe', '--always', '--dirty')}", f"- Machine: {machine()}"]


def drills_page(outcome, why_no_hosts):
    lines = heading("Fault drills", "tests/faults/run.sh")
    lines.append("- Runs of 300 steps of some milliseconds, a checkpoint every 40; 2 ranks, 3 in freezes and cuts (hosts are network namespaces, "
                 f"a rank each); the watchdog's `--silence-limit` is {drills.SILENCE_S:.0f} s. Seconds are median (largest).")
    if why_no_hosts:
        lines.append(f"- Left out: cut links and bad disks ({why_no_hosts}).")
    lines += ["", "| drill | bar | passed | fault to the job's end, s | restart to a new step, s | steps done again |",
              "| --- | --- | --- | --- | --- | --- |"]
    for name, bar, found, problem in outcome:
        passed = f"{len(found)} of {len(found)}" if not problem else f"**{len(found)}, then FAILED**: {problem.splitlines()[0]}"
        lines.append(f"| {name} | {bar} | {passed} | {spread([r.detected_s for r in found])} | {spread([r.restart_s for r in found])} | "
                     f"{spread([r.lost_steps for r in found])} |")
    lines += ["", "What each was:", ""]
    for name, _, found, _ in outcome:
        if len(found) < 8 or any(result.note for result in found):
            lines += [f"- {name}: " + "; ".join(r.what + (f" ({r.note})" if r.note else "") for r in found) + "."]
    return lines


def chaos_page(faults, summary):
    lines = heading("Random faults", f"tests/faults/run.sh --only chaos --chaos {summary['asked_s']:.0f}")
    lines += ["", f"{summary['seconds'] / 60:.0f} minutes under `launch/mpirun.sh`, 3 ranks{' on 3 hosts (network namespaces)' if summary['on_hosts'] else ''}, "
              f"a fault every {MEAN_PAUSE_S:.0f} s on average (seed 1), a checkpoint every 100 steps: {len(faults)} faults. The run made {summary['steps']:,} "
              "steps, none missing or double, every loss that of a run that nothing happened to. Useful share of the time: "
              f"{100 * summary['useful_share']:.1f} % (undisturbed: {summary['steps_per_s']:.0f} steps/s).", "",
              "Seconds are median (largest). Detection: from the fault until the script starts the run again; restart: until its first step beyond "
              "the checkpoint.", "",
              "| fault | times | detection, s | restart, s | steps done again | these steps, s |", "| --- | --- | --- | --- | --- | --- |"]
    for kind in ("kill", "freeze", "cut"):
        some = [fault for fault in faults if fault.what.startswith(kind)]
        if some:
            lines.append(f"| {kind} | {len(some)} | {spread([f.detected_s for f in some])} | {spread([f.restart_s for f in some])} | "
                         f"{spread([f.lost_steps for f in some])} | {spread([f.lost_s for f in some])} |")
    return lines


def write_page(name, lines):
    path = ROOT / "docs/results" / f"{datetime.date.today()}-{name}.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {path.relative_to(ROOT)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tutti", required=True)
    parser.add_argument("--failing-writes", required=True)
    parser.add_argument("--fast", action="store_true", help="few of each, for tests/run.sh")
    parser.add_argument("--only", default="", help="drills whose name has this")
    parser.add_argument("--chaos", type=float, default=0, help="seconds of the chaos loop")
    parser.add_argument("--result", action="store_true", help="write docs/results/DATE-faults.md and DATE-chaos.md")
    args = parser.parse_args()

    why_no_hosts = hosts.why_not()
    if why_no_hosts:
        print(f"skipped: cut links and bad disks: {why_no_hosts}", flush=True)
    else:
        hosts.inside_namespaces()
    with tempfile.TemporaryDirectory(prefix="tutti-drills-") as folder:
        lab = Lab(args.tutti, args.failing_writes, folder, None if why_no_hosts else hosts.Hosts(folder, 3))
        outcome = run(lab, args) if args.only != "chaos" else []
        if args.result and outcome:
            write_page("faults", drills_page(outcome, why_no_hosts))
        if args.chaos > 0:
            try:
                faults, summary = chaos(lab, args.chaos)
            finally:
                lab.end_jobs()
            print(f"chaos: {len(faults)} faults, {summary}", flush=True)
            if args.result:
                write_page("chaos", chaos_page(faults, summary))
    if any(problem for *_, problem in outcome):
        sys.exit(1)


if __name__ == "__main__":
    main()
