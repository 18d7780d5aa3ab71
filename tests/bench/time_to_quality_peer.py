"""The peer of time_to_quality_bench.py: transformers' T5 with fused AdamW learns (title, ID) pairs for a while.

Usage: time_to_quality_peer.py PAIRS START SHAPE THREADS BATCH RATE SECONDS POINTS FOLDER

Leaves the weights in FOLDER at so many POINTS of the way and prints a JSON line for each. Seconds are those of steps, collating included, writing weights not. The rate rises for the first 2 % and falls with half a cosine to 5 %
at the end: of time, since time is what it is given. START: safetensors; SHAPE: JSON of the fields of T5Config.
"""
import json
import math
import pathlib
import sys
import time

import numpy
import safetensors.torch
import torch
import transformers

torch.manual_seed(1)


def read_pairs(path, text_rows):
    """Titles and labels padded once for all: the peer's collating is an index."""
    titles, title_of, labels = [], [], []
    with open(path, encoding="utf-8") as file:
        for record in map(json.loads, file):
            if "title" in record:
                title_of += [len(titles)] * len(record["ids"])
                titles.append(record["title"])
                labels += [[text_rows + token for token in tokens] for tokens in record["ids"]]
    return padded(titles, 0), torch.tensor([len(title) for title in titles]), torch.tensor(title_of), padded(labels, -100)


def padded(rows, fill):
    lengths = numpy.array([len(row) for row in rows])
    out = numpy.full((len(rows), lengths.max()), fill, dtype=numpy.int64)
    out[numpy.arange(out.shape[1]) < lengths[:, None]] = numpy.concatenate(rows)
    return torch.from_numpy(out)


class Learner:
    def __init__(self, pairs, start, shape, batch):
        self.titles, self.title_lengths, self.title_of, self.labels = pairs
        self.batch, self.order, self.begin = batch, torch.randperm(len(self.labels)), 0
        config = transformers.T5Config(vocab_size=shape["text_rows"] + shape["id_tokens"], feed_forward_proj="gated-gelu",
                                       tie_word_embeddings=False, dropout_rate=0.0, decoder_start_token_id=0, use_cache=False,
                                       **{key: shape[key] for key in ("d_model", "d_kv", "num_heads", "d_ff", "num_layers",
                                                                      "num_decoder_layers")})
        self.model = transformers.T5ForConditionalGeneration(config).train()
        weights = safetensors.torch.load_file(start)
        # Views of shared.weight, which load with it.
        aliases = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}
        missing, unexpected = self.model.load_state_dict(weights, strict=False)
        assert set(missing) <= aliases and not unexpected, (missing, unexpected)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)

    def step(self, rate):
        if self.begin + self.batch > len(self.order):
            self.order, self.begin = torch.randperm(len(self.labels)), 0
        rows = self.order[self.begin:self.begin + self.batch]
        self.begin += self.batch
        titles = self.title_of[rows]
        lengths = self.title_lengths[titles]
        inputs, labels = self.titles[titles][:, :lengths.max()], self.labels[rows]
        labels = labels[:, :int((labels >= 0).sum(1).max())]
        mask = (torch.arange(inputs.shape[1]) < lengths[:, None]).long()
        loss = self.model(input_ids=inputs, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def save(self, path):
        aliases = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
        safetensors.torch.save_file({name: value.contiguous() for name, value in self.model.state_dict().items() if name not in aliases},
                                    path)


def train(learner, peak, budget, points, folder):
    spent, step, point, losses = 0.0, 0, 1, []
    while point <= points:
        share = min(1.0, spent / budget)
        rate = peak * min(1.0, share / 0.02 + 1e-3) * (0.05 + 0.95 * (1 + math.cos(math.pi * share)) / 2)
        start = time.perf_counter()
        losses.append(learner.step(rate))
        spent += time.perf_counter() - start
        step += 1
        if spent >= budget * point / points:
            path = pathlib.Path(folder) / f"point-{point}.safetensors"
            learner.save(path)
            print(json.dumps({"file": str(path), "seconds": spent, "steps": step, "pairs": step * learner.batch,
                              "loss": sum(losses) / len(losses)}), flush=True)
            point, losses = point + 1, []


def main():
    pairs_path, start, shape, threads, batch, rate, budget, points, folder = sys.argv[1:]
    torch.set_num_threads(int(threads))
    shape = json.loads(shape)
    learner = Learner(read_pairs(pairs_path, shape["text_rows"]), start, shape, int(batch))
    train(learner, float(rate), float(budget), int(points), folder)
    print(json.dumps({"versions": f"transformers {transformers.__version__}, torch {torch.__version__}"}))


if __name__ == "__main__":
    main()
