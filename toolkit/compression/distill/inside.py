"""What a student learns of a teacher's inner states: hidden states, attention relations, embeddings.

Hidden states (and embeddings, which are those below the first layer) are compared by the mean squared error of vectors
brought to mean 0 and variance 1, so that a weight of 1 means the same for any architecture; through a learned linear
map where widths differ (Jiao et al., 2020), which is trained with the student and thrown away. Attention is compared by
the relations of queries, keys and values among themselves, in the last pair of layers (MiniLMv2; Wang et al., 2021):
they need neither equal heads nor equal widths, nor attention maps, which fused kernels never make.

Inner states are too large to be kept for each row: the teacher computes them in each training step.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from toolkit.compression.distill.shared import Translate
from toolkit.errors import ToolkitError
from toolkit.training import stages

PROJECTIONS = "distilling"  # the student's submodule while it learns, so that checkpoints hold it
QKV = (("query", "key", "value"), ("q_lin", "k_lin", "v_lin"), ("q_proj", "k_proj", "v_proj"))
HIDDEN = -1e4  # the score of a token that is none
INSTEAD = "give a weight of 0, or another student"
Pair = tuple[int, int]  # a layer of the student and one of the teacher, from 1; 0: the embeddings


class Weights(NamedTuple):
    """Of each part of the loss."""

    hidden: float
    attention: float
    embedding: float


def layer_map(given: str, student: int, teacher: int) -> list[Pair]:
    """Which layers are compared.

    Args:
        given: even (the student's over the teacher's, first and last on first and last, as `layers:N` picks them),
            last (the last ones alone), or S:T,S:T …
        student: how many layers it has. teacher: likewise.

    Raises:
        ToolkitError: it is none of these, or names a layer that is not there.
    """
    if given == "even":
        return [(i + 1, 1 + round(i * (teacher - 1) / (student - 1))) for i in range(student - 1)] + [
            (student, teacher)
        ]
    if given == "last":
        return [(student, teacher)]
    check_map(given)
    pairs = [(int(s), int(t)) for s, _, t in (part.partition(":") for part in given.split(","))]
    for s, t in pairs:
        if s > student or t > teacher:
            raise ToolkitError(
                f"--layer-map {given}: {s}:{t} is not there", f"the student has {student} layers, the teacher {teacher}"
            )
    return pairs


def check_map(given: str) -> None:
    """The form of a map.

    Raises:
        ToolkitError: it is none.
    """
    if given not in ("even", "last") and not re.fullmatch(r"[1-9]\d*:[1-9]\d*(,[1-9]\d*:[1-9]\d*)*", given):
        hint = "write even, last, or STUDENT:TEACHER,… such as 1:2,2:4, layers counted from 1"
        raise ToolkitError(f"--layer-map {given} is not known", hint)


def qkv(model: Any, layer: int) -> list[nn.Linear]:
    """The maps to queries, keys and values in a layer, counted from 1.

    Raises:
        ToolkitError: none that are known.
    """
    layers = stages.layers(model)
    if len(layers) >= layer:  # ALBERT has one for all
        found = {name.rpartition(".")[2]: module for name, module in layers[layer - 1].named_modules()}
        for names in QKV:
            if found.keys() >= set(names):
                return [found[name] for name in names]
    raise ToolkitError(f"{type(model).__name__} has no queries, keys and values that can be read", INSTEAD)


def check_attention(config: Any, layer: int | None) -> None:
    """What `qkv` finds in a model of a transformers config can be told before there is one.

    Args:
        layer: counted from 1; None: the last one.

    Raises:
        ToolkitError: it has no such maps.
    """
    from transformers import AutoModel

    with torch.device("meta"):
        model = AutoModel.from_config(config)
    qkv(model, layer or max(1, len(stages.layers(model))))


@dataclass
class Inside:
    """The loss of inner states, as `losses.loss` adds it; works inside of `attached`."""

    student: Any
    teacher: Any
    translate: Translate
    pairs: list[Pair]
    weights: Weights
    projected: dict[int, tuple[int, int]]  # the student's layers whose width differs: its own, and the teacher's
    seen: dict[tuple[str, int], Any] = field(default_factory=dict)  # queries, keys, values of the last forward passes

    @contextmanager
    def attached(self, device: str, seed: int) -> Iterator[None]:
        """Inside, the student has the projections among its weights, and both sides show their attention."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            maps = {str(layer): nn.Linear(*widths, bias=False) for layer, widths in self.projected.items()}
        with ExitStack() as undo:
            if maps:
                self.student.add_module(PROJECTIONS, nn.ModuleDict(maps))
                undo.callback(delattr, self.student, PROJECTIONS)
            if self.weights.attention:
                for side, model, layer in zip(("s", "t"), (self.student, self.teacher), self.pairs[-1], strict=True):
                    for number, module in enumerate(qkv(model, layer)):
                        undo.callback(module.register_forward_hook(self._look((side, number))).remove)
            undo.callback(self.seen.clear)
            undo.callback(self.teacher.to, "cpu")
            self.teacher.to(device).eval()
            yield

    def _look(self, key: tuple[str, int]) -> Any:
        def look(module: Any, given: Any, output: Any) -> None:
            self.seen[key] = output

        return look

    def __call__(self, inputs: dict[str, Any], outputs: Any) -> Any:
        """The loss of a batch that the student has just read."""
        with torch.no_grad():
            told = self.teacher(**self.translate(inputs), output_hidden_states=True)
        mask = inputs.get("attention_mask")
        value = torch.zeros((), device=told.logits.device)
        for weight, pairs in ((self.weights.hidden, self.pairs), (self.weights.embedding, [(0, 0)])):
            if weight:
                apart = [self._apart(s, outputs.hidden_states[s], told.hidden_states[t], mask) for s, t in pairs]
                value = value + weight * torch.stack(apart).mean()
        if self.weights.attention:
            heads = math.gcd(self.teacher.config.num_attention_heads, self.seen["s", 0].shape[-1])
            found = [relations_apart(self.seen["s", i], self.seen["t", i], heads, mask) for i in range(3)]
            value = value + self.weights.attention * torch.stack(found).mean()
        self.seen.clear()
        return value

    def _apart(self, layer: int, student: Any, teacher: Any, mask: Any) -> Any:
        student, teacher = tokens(student, mask), tokens(teacher, mask)
        if layer in self.projected:
            student = getattr(self.student, PROJECTIONS)[str(layer)](student)
        return F.mse_loss(levelled(student), levelled(teacher))


def levelled(vectors: Any) -> Any:
    """Vectors (n, width) brought to mean 0 and variance 1 each."""
    return F.layer_norm(vectors.float(), vectors.shape[-1:])


def tokens(states: Any, mask: Any) -> Any:
    """Hidden states as vectors (n, width): of tokens that are there, of patches, or of the places of a feature map."""
    states = states.flatten(2).transpose(1, 2) if states.ndim == 4 else states
    return states.flatten(0, 1) if mask is None else states[mask.bool()]


def relations_apart(student: Any, teacher: Any, heads: int, mask: Any) -> Any:
    """The divergence between the relations of the student's vectors (batch, length, width) and of the teacher's.

    Vectors are cut into `heads` parts; the softmax of their products with one another is a token's relation to others.
    """
    told = []
    for vectors in (student, teacher):
        parts = vectors.unflatten(-1, (heads, -1)).transpose(1, 2)
        scores = (parts @ parts.mT).float() * parts.shape[-1] ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask.bool()[:, None, None], HIDDEN)
        told.append(scores.log_softmax(-1))
    apart = (told[1].exp() * (told[1] - told[0])).sum(-1).mean(1)
    return apart.mean() if mask is None else apart[mask.bool()].mean()


def matched(student: Any, teacher: Any, translate: Translate, given: str, weights: Weights, sample: Any) -> Inside:
    """What is compared of the two, tried on a batch of the student's inputs.

    Raises:
        ToolkitError: their inner states cannot be compared.
    """
    with torch.inference_mode():
        own, told = (
            model.eval()(**inputs, output_hidden_states=True).hidden_states
            for model, inputs in ((student, sample), (teacher, translate(sample)))
        )
    pairs = layer_map(given, len(own) - 1, len(told) - 1)
    if weights.attention:
        for model, layer in zip((student, teacher), pairs[-1], strict=True):
            qkv(model, layer)
        if not isinstance(teacher.config.num_attention_heads, int):  # Swin has a number for each stage
            raise ToolkitError(f"{type(teacher).__name__} has no one number of attention heads", INSTEAD)
    compared = pairs * bool(weights.hidden) + [(0, 0)] * bool(weights.embedding)
    projected = {}
    for s, t in compared + pairs[-1:] * bool(weights.attention):
        (places, width), (other_places, other_width) = (tuple(tokens(h[:1], None).shape) for h in (own[s], told[t]))
        if places != other_places:
            what = f"layer {s} of the student has {places} places an image, layer {t} of the teacher {other_places}"
            raise ToolkitError(what, INSTEAD)
        if width != other_width and (s, t) in compared:
            projected[s] = (width, other_width)
    return Inside(student, teacher, translate, pairs, weights, projected)
