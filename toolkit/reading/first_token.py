"""The last layer of an encoder whose classifier reads its first token: for that token alone, with the same answers.

Keys and values are of all tokens; the query, what follows attention and the feed-forward part are of one. So one layer
costs about a sixth, which counts the more the fewer the layers. Training, the Predictor and converters use it alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

# Layers of one build, whose classifiers read nothing of the last one but the first token.
LAYERS = ("BertLayer", "RobertaLayer", "XLMRobertaLayer", "CamembertLayer", "ElectraLayer")


@contextmanager
def alone(model: Any) -> Iterator[None]:
    """Inside, a classifier of these layers computes its last one so; others, and decoders, are as they were."""
    last = getattr(getattr(model.base_model, "encoder", None), "layer", [None])[-1]
    classifies = type(model).__name__.endswith("ForSequenceClassification")
    masks_added = getattr(model.config, "_attn_implementation", None) in ("sdpa", "toolkit-processor")
    plain = type(last).__name__ in LAYERS and not last.is_decoder and "forward" not in vars(last)
    if not (classifies and masks_added and plain):
        yield
        return
    last.forward = partial(of_layer, last)
    try:
        yield
    finally:
        del last.forward


def of_layer(layer: Any, hidden: Any, mask: Any = None, *given: Any, **named: Any) -> Any:
    """A layer's result for the first token, (batch, 1, width), from the hidden states of all."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    own, first = layer.attention.self, hidden[:, :1]
    query, key, value = (
        part(read).view(*read.shape[:-1], -1, own.attention_head_size).transpose(1, 2)
        for part, read in ((own.query, first), (own.key, hidden), (own.value, hidden))
    )
    p = own.dropout.p if layer.training else 0.0
    mask = mask if mask is None else mask[:, :, :1]
    attend = ALL_ATTENTION_FUNCTIONS[own.config._attn_implementation]
    out, _ = attend(own, query, key, value, mask, dropout=p, scaling=own.scaling)
    hidden = layer.attention.output(out.flatten(2), first)
    return layer.output(layer.intermediate(hidden), hidden)
