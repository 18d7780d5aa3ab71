"""Diverse beam search by transformers.

Up to 4.56 generate() does it. 4.57 moved the loop to a repository of its own but keeps what the loop calls, so there the
loop is below and the scorer, the diversity penalty, the mask and the renormalisation are transformers' own. Both give the
same (checked with 4.56.2: set PYTHONPATH to it)."""

import warnings

import torch
import transformers
from transformers.generation import utils
from transformers.generation.beam_search import BeamSearchScorer
from transformers.generation.logits_process import (HammingDiversityLogitsProcessor, LogitNormalization, LogitsProcessorList,
                                                    PrefixConstrainedLogitsProcessor)

IN_GENERATE = hasattr(utils.GenerationMixin, "_group_beam_search")


def source():
    return f"transformers {transformers.__version__}, " + ("generate()" if IN_GENERATE else "its scorer and processors")


@torch.no_grad()
def search(model, inputs, allowed, num_beams, num_beam_groups, diversity_penalty, renormalize_logits, id_length):
    """[(ids, score)] of all beams of all groups for one title."""
    if IN_GENERATE:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            done = model.generate(**inputs, prefix_allowed_tokens_fn=allowed, num_beams=num_beams, do_sample=False,
                                  num_beam_groups=num_beam_groups, diversity_penalty=diversity_penalty,
                                  renormalize_logits=renormalize_logits, num_return_sequences=num_beams, length_penalty=0.0,
                                  max_new_tokens=id_length, min_new_tokens=None, eos_token_id=None, early_stopping=False,
                                  return_dict_in_generate=True, output_scores=True)
        return list(zip(done.sequences[:, 1:].tolist(), done.sequences_scores.tolist()))

    size, vocabulary = num_beams // num_beam_groups, model.config.vocab_size
    processors = LogitsProcessorList([HammingDiversityLogitsProcessor(diversity_penalty, num_beams, num_beam_groups),
                                      PrefixConstrainedLogitsProcessor(allowed, size)])
    if renormalize_logits:
        processors.append(LogitNormalization())
    scorer = BeamSearchScorer(1, num_beams, torch.device("cpu"), length_penalty=0.0, num_beam_hyps_to_keep=num_beams,
                              num_beam_groups=num_beam_groups, max_length=id_length + 1)
    encoded = model.get_encoder()(**inputs).last_hidden_state.expand(num_beams, -1, -1)
    mask = inputs["attention_mask"].expand(num_beams, -1)
    ids = torch.full((num_beams, 1), model.config.decoder_start_token_id)
    scores = torch.full((num_beams,), -1e9)
    scores[::size] = 0
    for _ in range(id_length):
        logits = model(encoder_outputs=(encoded,), attention_mask=mask, decoder_input_ids=ids, use_cache=False).logits[:, -1]
        tokens, parents = torch.zeros(num_beams, dtype=torch.long), torch.zeros(num_beams, dtype=torch.long)
        for group in range(num_beam_groups):
            rows = slice(group * size, (group + 1) * size)
            gains = processors(ids[rows], logits[rows].log_softmax(-1), current_tokens=tokens, beam_group_idx=group)
            best, at = (gains + scores[rows, None]).reshape(1, -1).topk(2 * size)
            chosen = scorer.process(ids[rows], best, at % vocabulary, at // vocabulary, group_index=group, decoder_prompt_len=1)
            scores[rows], tokens[rows] = chosen["next_beam_scores"], chosen["next_beam_tokens"]
            parents[rows] = group * size + chosen["next_beam_indices"]
        ids = torch.cat([ids[parents], tokens[:, None]], 1)
    done = scorer.finalize(ids, scores, tokens, parents, max_length=id_length + 1, pad_token_id=0, decoder_prompt_len=1)
    return list(zip(done["sequences"][:, 1:].tolist(), done["sequence_scores"].tolist()))
