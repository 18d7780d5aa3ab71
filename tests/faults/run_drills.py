"""run_drills.py --tutti FILE --failing-writes FILE [--fast] [--only NAME] [--chaos SECONDS] [--result]: fault drills against real jobs.
tests/faults/run.sh builds and calls it."""
import argparse
import datetime
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import artefact_drills
import drills
import hosts
import slurm
import slurm_drills
import stage_drills
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
        "bad disk, artefacts": (lambda: artefact_drills.bad_places(lab), "code 7, no crash, place named, nothing left"),
        "staging": (lambda: stage_drills.staged(lab), "one verified copy a host; bit for bit; refused before step 1, host or file named"),
        "straggler": (lambda: drills.stragglers(lab, some(2, 1)), "rank and phase named within 50 steps"),
    }
    if lab.hosts is None:
        for name in ("cut link", "bad disk", "bad disk, artefacts", "staging"):
            del table[name]
    return table


def slurm_table(lab, fast):
    """The drills under Slurm, in the form of all_drills(), with the cluster that they share."""
    cluster = slurm.Cluster(lab)
    reference = lab.through("through-slurm", *slurm_drills.RUN)
    some = lambda many, few: few if fast else many
    ways = [(name, target) for target in ("srun", "the batch shell", "the ranks") for name in ("USR1", "USR2", "TERM")]
    table = {
        "Slurm: signals": (lambda: slurm_drills.signals(cluster, reference, some(ways, [ways[5]])), "checkpoint of the last step, queued again; bit for bit"),
        "Slurm: lost rank": (lambda: slurm_drills.lost_ranks(cluster, reference, some(["srun", "mpirun"], ["mpirun"])), "queued again; bit for bit"),
        "Slurm: train of jobs": (lambda: slurm_drills.arrays(cluster, reference), "each task goes on; bit for bit; cancelled when that would not help"),
        "Slurm: given up": (lambda: slurm_drills.given_up(cluster), "at the cap, and after three starts without progress"),
        "Slurm: refused": (lambda: slurm_drills.refused(cluster), "ends at once with the cure, not queued again"),
        "Slurm: requeue": (lambda: slurm_drills.requeued(cluster, reference), "goes on; bit for bit"),
        "Slurm: time limit": (lambda: slurm_drills.out_of_time(cluster, reference), "checkpoint, queued again; the same steps"),
        "Slurm: lost node": (lambda: slurm_drills.lost_nodes(cluster, reference), "queued again; bit for bit"),
    }
    if fast:
        for name in ("train of jobs", "given up", "refused", "requeue", "time limit", "lost node"):
            del table[f"Slurm: {name}"]
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
    table = {} if args.only.startswith("Slurm") else all_drills(lab, args.fast)
    if lab.has_slurm and (args.only.startswith("Slurm") or not (args.only or args.fast)):
        table.update(slurm_table(lab, args.fast))
    for name, (drill, bar) in table.items():
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


def table_of(outcome):
    lines = ["", "| drill | bar | passed | fault to the job's end, s | restart to a new step, s | steps done again |",
             "| --- | --- | --- | --- | --- | --- |"]
    for name, bar, found, problem in outcome:
        passed = f"{len(found)} of {len(found)}" if not problem else f"**{len(found)}, then FAILED**: {problem.splitlines()[0]}"
        lines.append(f"| {name} | {bar} | {passed} | {spread([r.detected_s for r in found])} | {spread([r.restart_s for r in found])} | "
                     f"{spread([r.lost_steps for r in found])} |")
    lines += ["", "What each was:", ""]
    for name, _, found, _ in outcome:
        if len(found) < 10 or any(result.note for result in found):
            lines += [f"- {name}: " + "; ".join(r.what + (f" ({r.note})" if r.note else "") for r in found) + "."]
    return lines


def drills_page(outcome, why_no_hosts):
    lines = heading("Fault drills", "tests/faults/run.sh")
    lines.append("- Runs of 300 steps of some milliseconds, a checkpoint every 40; 2 ranks, 3 in freezes and cuts (hosts are network namespaces, "
                 f"a rank each), 4 on 2 hosts in staging; the watchdog's `--silence-limit` is {drills.SILENCE_S:.0f} s. Seconds are median (largest).")
    if why_no_hosts:
        lines.append(f"- Left out: cut links, bad disks and staging ({why_no_hosts}).")
    return lines + table_of(outcome)


def slurm_page(outcome):
    version = subprocess.run(["slurmctld", "-V"], capture_output=True, text=True, check=True).stdout.strip()
    lines = heading("Fault drills under Slurm", "tests/faults/run.sh --only Slurm")
    steps, every = slurm_drills.RUN[1], slurm_drills.RUN[3]
    lines.append(f"- A real {version}: slurmctld, munge and three slurmd, each on a host of its own (network namespaces), `cred_expire` 5 s, "
                 "`SlurmdTimeout` 15 s. The scripts of `launch/slurm/` as they are, but for the run's folder and length: "
                 f"{steps} steps, a checkpoint every {every}, 2 ranks. Bit for bit: the last checkpoint and every loss are those of a run under "
                 "mpirun that nothing happened to. A restart waits for Slurm, about 6 s here, 2 minutes by its defaults. Seconds are median (largest).")
    return lines + table_of(outcome)


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
        print(f"skipped: cut links, bad disks and staging: {why_no_hosts}", flush=True)
    else:
        hosts.inside_namespaces()
    why_no_slurm = why_no_hosts or slurm.why_not()
    if why_no_slurm:
        print(f"skipped: Slurm: {why_no_slurm}", flush=True)
        if args.only.startswith("Slurm"):
            sys.exit(77)
    with tempfile.TemporaryDirectory(prefix="tutti-drills-") as folder:
        lab = Lab(args.tutti, args.failing_writes, folder, None if why_no_hosts else hosts.Hosts(folder, 3))
        lab.has_slurm = not why_no_slurm
        outcome = run(lab, args) if args.only != "chaos" else []
        under_slurm = [entry for entry in outcome if entry[0].startswith("Slurm")]
        others = [entry for entry in outcome if not entry[0].startswith("Slurm")]
        if args.result and others:
            write_page("faults", drills_page(others, why_no_hosts))
        if args.result and under_slurm:
            write_page("slurm", slurm_page(under_slurm))
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
