"""Writes tests/ids/goldens/dictionary.json: rows, a dictionary, what scikit-learn's orthogonal matching pursuit makes of them, and how well
dictionaries that MiniBatchDictionaryLearning learns stand for rows.

    python tests/conformance/make_dictionary_goldens.py

Needs scikit-learn (1.8.0 made it), which no other script does.
"""
import json
import pathlib
import warnings

import numpy as np
import sklearn
from sklearn.decomposition import MiniBatchDictionaryLearning, sparse_encode
from sklearn.linear_model import orthogonal_mp

warnings.filterwarnings("ignore", category=sklearn.exceptions.ConvergenceWarning)
random = np.random.default_rng(7)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def as_stored(array):
    return array.astype(np.float32).astype(np.float64)


DIM, ATOMS, TAKEN = 12, 20, 4
atoms, rows = as_stored(unit(random.normal(size=(ATOMS, DIM)))), as_stored(random.normal(size=(25, DIM)))
weights = orthogonal_mp(atoms.T, rows.T, n_nonzero_coefs=TAKEN).T  # [rows, atoms]


def clustered(n, dim, sources, taken):
    """Sums of a few hidden directions with weights of their own, and noise."""
    hidden = unit(random.normal(size=(sources, dim)))
    rows = np.zeros((n, dim))
    for row in rows:
        for source in random.choice(sources, taken, replace=False):
            row += random.choice([-1, 1]) * random.uniform(0.5, 2) * hidden[source]
    return as_stored(rows + 0.1 * random.normal(size=rows.shape))


train = clustered(600, 10, 24, 2)
train = as_stored(train - train.mean(0))
objectives = []
for seed in range(5):
    learner = MiniBatchDictionaryLearning(24, alpha=0.2, max_iter=60, batch_size=64, fit_algorithm="cd", random_state=seed)
    learned = learner.fit(train).components_
    learned = unit(learned + 1e-12)
    codes = sparse_encode(train, learned, algorithm="omp", n_nonzero_coefs=2)
    objectives.append(float(np.square(train - codes @ learned).sum()))

json.dump({
    "made_with": f"scikit-learn {sklearn.__version__}, numpy {np.__version__}",
    "dim": DIM, "taken": TAKEN, "atoms": atoms.ravel().tolist(), "rows": rows.ravel().tolist(),
    "codes": [[[int(k), float(w[k])] for k in np.argsort(-np.abs(w), kind="stable")[:TAKEN]] for w in weights],
    "learning": {"dim": 10, "atoms": 24, "taken": 2, "rows": np.round(train, 7).ravel().tolist(), "energy": float(np.square(train).sum()),
                 "objectives": objectives},
}, open(pathlib.Path(__file__).parent.parent / "ids/goldens/dictionary.json", "w"))
print(objectives, float(np.square(train).sum()))
