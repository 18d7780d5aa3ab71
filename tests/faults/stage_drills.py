"""`--stage` over several hosts, each with a disk of its own. As in drills.py, the drill yields Results."""
import shutil
import subprocess

from drills import RUN, Result, damage
from jobs import expect, expect_same_end


def copies(lab, name):
    return [path for path in (lab.hosts.disk_of(name) / "stage").glob("*") if not path.name.startswith(".")]


def expect_same_files(copy, original):
    names = sorted(str(path.relative_to(original)) for path in original.rglob("*") if path.is_file())
    expect(names == sorted(str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()), f"{copy} holds other files")
    for name in names:
        expect((copy / name).read_bytes() == (original / name).read_bytes(), f"{copy / name} is not {original / name}")


def staged(lab):
    """Two ranks on each of two hosts: one copy a host, made and verified once, and made again where it was damaged; a host whose disk is
    full, and a dataset that is damaged, end the job before the first step. The run is that of one without a copy."""
    hosts = ("h0", "h1")
    how = dict(ranks=4, on_hosts=lab.hosts.hostfile_of({name: 2 for name in hosts}))
    options, data = ["--stage", str(lab.hosts.local / "stage")], lab.folder / "data"
    reference = lab.through("through-stage", *RUN, **how)

    job = lab.through("staged", *RUN, *options, **how)
    for name in hosts:
        expect(job.said().count(f" on {name} in ") == 1, f"{name} did not copy once: {job.said()}")
        expect(len(copies(lab, name)) == 1, f"{name} holds {copies(lab, name)}")
        expect_same_files(copies(lab, name)[0], data)
    expect(not (lab.hosts.disk_of("h2") / "stage").exists(), "a host without ranks has a copy")
    expect_same_end(job, reference)
    job.remove()
    yield Result("two hosts, two ranks each", note="one verified copy a host, the same end")

    victim = copies(lab, "h1")[0]
    damage(sorted(victim.glob("playlists-*.h5"))[0], "flipped")
    job = lab.through("staged-again", *RUN, *options, **how)
    expect("made again" in job.said() and "playlists-00000.h5" in job.said(), f"the damage is not named: {job.said()}")
    expect("is on h0 and good" in job.said() and job.said().count(" on h1 in ") == 1, f"not the copy of h1 alone was made: {job.said()}")
    expect_same_files(victim, data)
    expect_same_end(job, reference)
    job.remove()
    yield Result("the copy of one host damaged", note="named, made again on that host alone")

    for name in hosts:
        shutil.rmtree(lab.hosts.disk_of(name) / "stage")
    full = lab.hosts.disk_of("h1") / "stage"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", full], check=True)
    try:
        job = lab.job("staged-full", *RUN, *options, **how).start()
        code = job.wait()
        expect(code == 7 and "h1" in job.said() and job.step() == 0, f"a full disk: code {code}: {job.said()}")
        expect(not copies(lab, "h1"), "a part of a copy is left")
    finally:
        subprocess.run(["umount", "-l", full], check=True)
    yield Result("the disk of one host full", note="code 7, host named, before the first step")

    for name in hosts:
        shutil.rmtree(lab.hosts.disk_of(name) / "stage", ignore_errors=True)
    bad = lab.folder / "bad-data"
    shutil.copytree(data, bad)
    damage(sorted(bad.glob("playlists-*.h5"))[0], "flipped")
    job = lab.job("staged-bad", "--dataset", str(bad), *RUN, *options, **how).start()
    code = job.wait()
    expect(code == 3 and "playlists-00000.h5" in job.said() and job.step() == 0, f"a damaged dataset: code {code}: {job.said()}")
    expect(not any(copies(lab, name) for name in hosts), "a copy of a damaged dataset is left")
    yield Result("the dataset damaged", note="code 3, file named, no copy left")
