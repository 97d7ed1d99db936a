"""Low-rank additions to the attention of an encoder (LoRA, arXiv 2106.09685), by peft."""

import warnings

from transformers import PreTrainedModel

_PROJECTIONS = {  # of attention, by architecture
    "bert": ["query", "key", "value"],
    "esm": ["query", "key", "value"],
    "modernbert": ["Wqkv"],
    "alibi_bert": ["Wqkv"],
}


def add_lora(encoder: PreTrainedModel, rank: int) -> None:
    """Freeze an encoder and add trained matrices of this rank beside the projections of its attention, in place.

    They start at 0, so that the encoder still gives what it gave. Their scale is 2, as alpha is twice the rank.
    """
    from peft import LoraConfig, inject_adapter_in_model  # loads slowly, and few need it

    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=_PROJECTIONS[encoder.config.model_type])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names of layers it does not know
        inject_adapter_in_model(config, encoder)
    for name, parameter in encoder.named_parameters():
        parameter.requires_grad_("lora_" in name)
