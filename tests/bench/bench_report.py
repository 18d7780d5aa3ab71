"""What every benchmark shares: running commands, medians, and the dated Markdown result.

    report = Report("kmeans", "k-means against faiss")
    report.row("assignment", ours=181.2, peer=102.0, unit="GFLOP/s", goal=1.0)   # ratio ours/peer, at least the goal
    report.note("...")
    report.write()
"""
import datetime
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("TUTTI_BENCH_BIN", ROOT / "build/release/tests/bench"))
TUTTI = os.environ.get("TUTTI_BIN", str(ROOT / "build/release/tutti"))
TORCH_PYTHON = os.environ.get("TUTTI_BENCH_TORCH_PYTHON", sys.executable)


def run_json(command, **environment):
    """Runs a command that prints JSON lines on stdout; returns them. Its stderr passes through."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=False,
                          env={**os.environ, **{key: str(value) for key, value in environment.items()}})
    if done.returncode != 0:
        sys.exit(f"error: {shlex.join(str(word) for word in command)} ended with {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def mpirun(num_ranks, command):
    """The words that start a command on ranks of this machine. Sets what Open MPI asks of root."""
    if os.geteuid() == 0:
        os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    return ["mpirun", "-n", str(num_ranks), "--bind-to", "none", "--oversubscribe", *command]


def interleaved(runs, **sides):
    """Calls the functions in turn, `runs` rounds; returns {name: [results]}. Neighbours on the machine then disturb all alike."""
    results = {name: [] for name in sides}
    for _ in range(runs):
        for name, side in sides.items():
            results[name].append(side())
    return results


def median(values):
    return statistics.median(values)


def matmul_peak(threads):
    """The probed matrix product of this machine: {"threads", "fp32_gflops", "bf16_gflops"}."""
    return run_json([BIN / "matmul_bench", threads], OMP_NUM_THREADS=threads)[0]


def _output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def machine():
    lscpu = dict(line.split(":", 1) for line in _output_of("lscpu").splitlines() if ":" in line)
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    isa = "AVX-512" if "avx512f" in lscpu.get("Flags", "") else "AVX2" if "avx2" in lscpu.get("Flags", "") else "no AVX2"
    return (f"{lscpu.get('Model name', 'unknown CPU').strip()} ({isa}), {len(os.sched_getaffinity(0))} cores, "
            f"{memory_gib:.0f} GiB")


def commit():
    """The commit of the tree, -dirty when more than pages differ from it: results of one part are pages to the next."""
    changed = _output_of("git", "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs")
    return (_output_of("git", "describe", "--always") or "unknown") + ("-dirty" if changed else "")


class Report:
    def __init__(self, name, title, threads=2):
        self.name, self.title, self.threads = name, title, threads
        self.rows, self.notes, self.sections, self.leads = [], [], [], []
        self.load = os.getloadavg()[0]
        self.peaks = [matmul_peak(threads)]

    def row(self, work, ours, peer=None, unit="", goal=None, lower_is_better=False, peer_name=""):
        """A line of the table. With a peer the ratio is how many times better ours is, and `goal` its least; without one, `goal` is a
        bound on `ours` itself (a least, or with lower_is_better a most)."""
        if peer is None:
            ratio = None
            met = goal is None or (ours <= goal if lower_is_better else ours >= goal)
        else:
            ratio = peer / ours if lower_is_better else ours / peer
            met = goal is None or ratio >= goal
        self.rows.append(dict(work=work, ours=ours, peer=peer, unit=unit, goal=goal, ratio=ratio, met=met,
                              lower_is_better=lower_is_better, peer_name=peer_name))
        print(self._markdown_row(self.rows[-1]), flush=True)

    def lead(self, text):
        """A line in front of everything: what a reader must not miss."""
        self.leads.append(text)
        print(text, flush=True)

    def note(self, text):
        """A paragraph or list behind the table."""
        self.notes.append(text)
        print(text, flush=True)

    def _markdown_row(self, row):
        number = lambda value: "" if value is None else f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
        if row["goal"] is None:
            goal = verdict = ""
        else:
            goal = (f"{number(row['goal'])} ×" if row["peer"] is not None
                    else f"{'≤' if row['lower_is_better'] else '≥'} {number(row['goal'])}")
            goal = f"≥ {goal}" if row["peer"] is not None else goal
            verdict = "met" if row["met"] else "**MISSED**"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f} ×"
        peer = f"{number(row['peer'])} {row['peer_name'] and '(' + row['peer_name'] + ')'}".strip()
        return f"| {row['work']} | {number(row['ours'])} | {peer} | {row['unit']} | {ratio} | {goal} | {verdict} |"

    def write(self, peers=()):
        """Writes docs/results/DATE-NAME.md; returns its path. `peers`: their names with versions."""
        self.peaks.append(matmul_peak(self.threads))
        peak = lambda key: " and ".join(f"{p[key]:.0f}" for p in self.peaks)
        missed = [row for row in self.rows if not row["met"]]
        command = shlex.join(["tests/bench/run.sh", self.name, *sys.argv[1:]])
        lines = [f"# {self.title}", ""]
        for lead in self.leads:
            lines += [lead, ""]
        if missed:
            lines += [f"MISSED: {'; '.join(row['work'] for row in missed)}.", ""]
        lines += [f"- Command: `{command}`", f"- Date: {datetime.date.today()}, commit {commit()}", f"- Machine: {machine()}",
                  f"- Matrix product probed before and after on {self.threads} threads: {peak('fp32_gflops')} GFLOP/s fp32, "
                  f"{peak('bf16_gflops')} bf16; load at the start {self.load:.1f}"]
        if peers:
            lines.append(f"- Peers: {', '.join(peers)}")
        lines += ["", "| work | tutti | peer | unit | ratio | goal | |", "| --- | --- | --- | --- | --- | --- | --- |"]
        lines += [self._markdown_row(row) for row in self.rows]
        for note in self.notes:
            lines += ["", note]
        path = ROOT / "docs/results" / f"{datetime.date.today()}-{self.name}.md"
        path.write_text("\n".join(lines) + "\n")
        print(f"wrote {path.relative_to(ROOT)}")
        return path
