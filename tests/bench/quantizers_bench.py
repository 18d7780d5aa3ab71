"""Three quantizers for the same vectors and the same number of codes: residual k-means, a dictionary, an RQ-VAE. How well codes stand for the
vectors, how many tracks they tell apart, and what a model that is trained on their IDs finds. The playlists are simulated.

Usage: quantizers_bench.py [--levels N] [--num-codes N] [--steps N]   (steps 0: no models)
"""
import argparse
import json
import re
import resource

import bench_report as bench
from demo_data import make_data, tutti

WORK = bench.ROOT / "build/quantizers"
MODEL = ("--d-model", 128, "--d-kv", 32, "--num-heads", 4, "--d-ff", 384, "--num-layers", 2, "--num-decoder-layers", 2)


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def hits(name, steps):
    run, ids = WORK / f"run-{name}", WORK / f"ids-{name}"
    tutti("train", "--dataset", WORK / "demo/data", "--ids", ids, "--out", run, "--overwrite", "--steps", steps, "--titles-per-step", 8, "--group-cap", 0,
          "--learning-rate", 1e-3, "--validate-every", 0, *MODEL)
    scores = WORK / f"{name}.json"
    tutti("evaluate", "--dataset", WORK / "demo/data", "--ids", ids, "--run", run, "--prompts", "bare", "--json", scores)
    blocks = json.loads(scores.read_text(encoding="utf-8"))["blocks"]
    return {block["name"]: block["rows"][-1]["metrics"]["hits@10"] for block in blocks}


def apart_by_hits(scores):
    """Of each quantizer the sets of queries on which its interval lies off that of rq-kmeans."""
    base = scores["rq-kmeans"]
    return {name: [block for block, found in blocks.items() if found["low"] > base[block]["high"] or found["high"] < base[block]["low"]]
            for name, blocks in scores.items()}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--levels", type=int, default=2)
    arguments.add_argument("--num-codes", type=int, default=256)
    arguments.add_argument("--steps", type=int, default=1500)
    arguments.add_argument("--playlists", type=int, default=20_000)
    args = arguments.parse_args()
    report = bench.Report("quantizers", f"Quantizers with {args.levels} x {args.num_codes} codes for the same vectors")
    make_data(WORK / "demo", args.playlists)
    data, vectors = WORK / "demo/data", WORK / "demo/embeddings"
    shape = ("--levels", args.levels, "--num-codes", args.num_codes)

    seconds, snr, sources = {}, {}, {}
    for name in ("rq-kmeans", "dictionary", "rq-vae"):
        before = cpu_seconds()
        sources[name], norm = vectors, ()
        if name == "rq-vae":
            sources[name], norm = WORK / "latents", ("--norm", "raw")
            said = tutti("embed", "rq-vae", "--embeddings", vectors, "--dataset", data, *shape, "--out", sources[name], "--overwrite")
            snr[name] = float(re.search(r"has an SNR of (-?[\d.]+) dB", said)[1])
        said = tutti("ids", "build", "--quantizer", name, "--embeddings", sources[name], "--dataset", data, *shape, *norm, "--out", WORK / f"ids-{name}",
                     "--overwrite")
        seconds[name] = cpu_seconds() - before
        if name == "dictionary":
            report.note("Dictionary: " + re.search(r"dictionary of .*", said)[0] + ".")
    by_hits = {}
    lines = ["| quantizer | CPU s | SNR dB | distinct codes | largest group | neighbours kept | same artist on one path | hits@10 seen titles | unseen | editorial |",
             "| --- " * 10 + "|"]
    for name, source in sources.items():
        tutti("ids", "report", "--ids", WORK / f"ids-{name}", "--embeddings", source, "--dataset", data, "--out", WORK / f"report-{name}", "--overwrite")
        said = json.loads((WORK / f"report-{name}/report.json").read_text(encoding="utf-8"))
        snr.setdefault(name, said["levels"][-1]["snr_db"])
        scores = by_hits[name] = hits(name, args.steps) if args.steps > 0 else {}
        found = [f"{scores[block]['mean']:.3f} [{scores[block]['low']:.2f}, {scores[block]['high']:.2f}]" if scores else ""
                 for block in ("seen titles", "unseen titles", "editorial prompts")]
        # RQ-VAE's neighbours are those of its latents.
        lines.append(f"| {name} | {seconds[name]:.1f} | {snr[name]:.2f} | {said['groups']['distinct_codes']:,} ({100 * said['groups']['distinct_share']:.1f} %) | "
                     f"{said['groups']['largest']} | {100 * said['neighbours']['recall']:.1f} % | {100 * said['prefixes'][-1]['same_artist']:.1f} % | "
                     f"{' | '.join(found)} |")
        print(lines[-1], flush=True)
    for name in ("dictionary", "rq-vae"):
        report.row(f"SNR of {name}, against rq-kmeans", snr[name], unit="dB")
    report.row("SNR of rq-kmeans", snr["rq-kmeans"], unit="dB")
    winners = [name for name in ("dictionary", "rq-vae") if snr[name] > snr["rq-kmeans"]]
    report.note(("Better than rq-kmeans by SNR: " + ", ".join(winners) if winners else "Neither stands better for the vectors than rq-kmeans")
                + ". The gate: another quantizer is recommended only where it wins; rq-kmeans stays the default.")
    apart = [f"{name} on {block}" for name, blocks in apart_by_hits(by_hits).items() for block in blocks]
    if args.steps > 0:
        report.note("By hits@10 " + ("told from rq-kmeans, interval from interval: " + ", ".join(apart) if apart else
                                     "neither can be told from rq-kmeans: the 95 % intervals overlap everywhere") + ".")
    report.note(f"The playlists are SIMULATED. One seed, one rank; models of {args.steps:,} steps. SNR is that of decoded vectors against x' of docs/ids.md; "
                "the neighbours of rq-vae are those of its latents.\n\n" + "\n".join(lines))
    report.write()


if __name__ == "__main__":
    main()
