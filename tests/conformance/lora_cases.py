"""Low-rank adapters of peft around a model of transformers, under our names."""

import peft


def adapted(model, *, rank, alpha, targets):
    """The model with random adapters (peft draws B too); its embeddings and head train, as our ID rows do."""
    model = peft.get_peft_model(model, peft.LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=targets, lora_dropout=0.0, bias="none", init_lora_weights=False))
    for name, weight in model.named_parameters():
        if "embed_tokens" in name or "lm_head" in name or name.endswith("shared.weight"):
            weight.requires_grad_(True)
    return model


def plain_name(name):
    """"base_model.model.….q_proj.lora_A.default.weight" as "….q_proj.lora_A.weight"."""
    return name.removeprefix("base_model.model.").replace(".base_layer", "").replace(".default", "")


def our_config(*, rank, alpha, targets):
    return {"rank": rank, "alpha": alpha, "targets": targets}
