"""ir_measures (over trec_eval) on our TREC files gives our numbers, and we give its numbers on files that others write."""

import json
import pathlib
import random
import tempfile

import peers

peers.require("ir_measures")

import ir_measures
from ir_measures import AP, P, R, RR, Rprec, Success, nDCG

work = tempfile.TemporaryDirectory(prefix="tutti-conformance-")
folder = pathlib.Path(work.name)
CUTOFFS = (1, 5, 10, 20, 100)
NAMES = {AP: "map", Rprec: "r_precision", RR: "mrr@100"}  # no list is longer than 100
for k in CUTOFFS:
    NAMES.update({P @ k: f"precision@{k}", R @ k: f"recall@{k}", Success @ k: f"hit_rate@{k}", nDCG @ k: f"ndcg@{k}"})
# Not from trec_eval: ir_measures cuts these lists itself, where equal scores come in another order.
WITHOUT_TIES = {RR @ k: f"mrr@{k}" for k in CUTOFFS}


def agree(ours, run, names):
    qrels = list(ir_measures.read_trec_qrels(str(folder / "our.qrels")))
    theirs = ir_measures.calc_aggregate(names, qrels, run)
    for measure, name in names.items():
        assert abs(ours[name] - theirs[measure]) < 1e-6, f"{name}: ours {ours[name]}, {measure} {theirs[measure]}"
    assert 0.01 < ours["ndcg@10"] < 0.99


def ir_measures_gives_our_numbers_on_our_files():
    peers.ours("evaluate", folder)
    ours = json.loads((folder / "metrics.json").read_text())
    agree(ours, list(ir_measures.read_trec_run(str(folder / "ours.run"))), NAMES | WITHOUT_TIES)


def we_give_its_numbers_on_a_run_with_equal_scores():
    """Lines in any order, ranks that lie, scores that are equal: trec_eval goes by score, then by docno backwards."""
    rng = random.Random(3)
    lines = [line.split() for line in (folder / "ours.run").read_text().splitlines()]
    for line in lines:
        line[3], line[4] = "1", str(rng.randrange(6) / 4)
    rng.shuffle(lines)
    (folder / "tied.run").write_text("".join(" ".join(line) + "\n" for line in lines))
    ours = json.loads(peers.ours("score-run", folder / "tied.run"))
    agree(ours, list(ir_measures.read_trec_run(str(folder / "tied.run"))), NAMES)


print(f"ir_measures {ir_measures.__version__}")
peers.run_checks(
    ir_measures_gives_our_numbers_on_our_files,
    we_give_its_numbers_on_a_run_with_equal_scores,
)
