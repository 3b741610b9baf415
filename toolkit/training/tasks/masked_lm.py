"""Hidden words, found again from what stands around them (Devlin et al., 2019): adapts an encoder to the texts' domain.

Words are hidden whole, all their pieces at once; Chinese ones as jieba cuts them (Cui et al., 2021), since tokenizers
give a character a piece. What is hidden is drawn anew in each epoch, from the seed, the epoch and the row alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from toolkit import console
from toolkit.data import text as texts_of
from toolkit.errors import ToolkitError
from toolkit.reading import Encoded, Reader

MASKED, SWAPPED = 0.8, 0.1  # of the hidden pieces: shares that become the mask, another piece; the others stay
FOLLOWS, STRANGER, ALONE = 0, 1, -100  # what a second sentence is, as transformers numbers it; ALONE: there is none
AT_ONCE = 1000  # texts tokenised together
Pair = tuple[str, str | None, int]  # a sentence, a second one, what that is


class Task:
    """Masked language modelling, and whether the second of two sentences follows the first.

    A row is a text (each of a pair by itself) or, where it is longer than the model reads, a part of it: no token is
    lost. With `next_sentence` it is two sentences of a text, or of two texts, half and half, cut to what the model
    reads; a text of one sentence stays alone.
    """

    figures_of: tuple[str, ...] = ("loss", "perplexity", "accuracy")

    def __init__(self, reader: Reader, *, seed: int = 0, masking: float = 0.15, next_sentence: bool = False) -> None:
        self.reader, self.seed, self.masking, self.next_sentence = reader, seed, masking, next_sentence
        self.tokenizer: Any = reader.processor
        if not self.tokenizer.is_fast or self.tokenizer.mask_token_id is None:
            lacks = "mask token" if self.tokenizer.is_fast else "offsets (it is a slow one)"
            raise ToolkitError(f"the tokenizer has no {lacks}", "give a masked language model such as BERT")
        if next_sentence:
            self.figures_of = (*self.figures_of, "next_sentence")
        self.gathers: bool | None = None  # whether the head takes the hidden positions alone; not tried yet

    def encode(self, rows: Any) -> Encoded:
        """`input_ids`, the word of each (-1: none that may be hidden), the row's number; what two sentences are.

        Raises:
            ToolkitError: there is nothing to hide.
        """
        contents = self.reader.contents(rows)
        texts = [text for content in contents for text in (content if isinstance(content, tuple) else [content])]
        alone, two = self._pairs(texts) if self.next_sentence else ([(text, None, ALONE) for text in texts], [])
        parts = [pairs[i : i + AT_ONCE] for pairs in (alone, two) for i in range(0, len(pairs), AT_ONCE)]
        out = [row for part in console.track(parts, "thousands of texts tokenised") for row in self._encoded(part)]
        filled = [row for row in out if row["words"].max(initial=-1) >= 0]
        if not filled:
            raise ToolkitError("no text has a token that could be hidden", "give texts that the tokenizer knows")
        if len(filled) < len(out):
            console.note(f"{len(out) - len(filled)} texts have no token to learn from and are left out")
        return [row | {"row": number} for number, row in enumerate(filled)]

    def _encoded(self, pairs: Sequence[Pair]) -> Iterator[dict[str, Any]]:
        two = pairs[0][1] is not None
        told = self.tokenizer(
            [first for first, _, _ in pairs],
            [second for _, second, _ in pairs] if two else None,
            truncation=True,
            max_length=self.reader.max_length,  # type: ignore[attr-defined]
            return_overflowing_tokens=not two,
            return_offsets_mapping=True,
        )
        special = np.array(self.tokenizer.all_special_ids)
        words = [[word_numbers(text) for text in pair[:2] if text is not None] for pair in pairs]
        owner = range(len(pairs)) if two else told["overflow_to_sample_mapping"]
        for number, whose in enumerate(owner):
            ids = np.array(told["input_ids"][number], np.int32)
            starts = np.array(told["offset_mapping"][number], np.int64).reshape(-1, 2)[:, 0]
            side = np.array([-1 if s is None else s for s in told.sequence_ids(number)], np.int64)
            found, before = np.full(len(ids), -1), 0
            for which, of_text in enumerate(words[whose]):
                here = (side == which) & ~np.isin(ids, special)
                found[here] = before + of_text[np.minimum(starts[here], len(of_text) - 1)]
                before += int(of_text.max(initial=0)) + 1
            row = {"input_ids": ids, "words": _dense(found)}
            if self.next_sentence:
                second = side == 1
                second |= np.roll(second, 1)  # and the sign of its end
                row |= {"second": second.astype(np.int64), "next": pairs[whose][2]}
            yield row

    def _pairs(self, texts: Sequence[str]) -> tuple[list[Pair], list[Pair]]:
        """Texts of one sentence; and each two in a row of the others, the second of every other pair a strange one."""
        from toolkit.data.augment.text import sentences

        split = [[s.strip() for s, _ in sentences.split(text) if s.strip()] for text in texts]
        split = [found for found in split if found]
        places = [(i, k) for i, found in enumerate(split) for k in range(len(found) - 1)]
        if not places or len(split) < 2:
            raise ToolkitError("no text has two sentences", "leave --next-sentence out")
        rng = np.random.default_rng((self.seed, len(places)))
        two: list[Pair] = []
        for (i, k), kind in zip(places, rng.permutation(np.arange(len(places)) % 2).tolist(), strict=True):
            other = split[(i + int(rng.integers(1, len(split)))) % len(split)]
            stranger = other[int(rng.integers(len(other)))]
            two.append((split[i][k], split[i][k + 1] if kind == FOLLOWS else stranger, kind))
        return [(found[0], None, ALONE) for found in split if len(found) == 1], two

    def collate(self, rows: Encoded, epoch: int | None = None) -> dict[str, Any]:
        """Inputs with words hidden, int64 (rows, length); where they are hidden, flat, and what stood there.

        Args:
            epoch: of training, each of which hides others; validation (None) hides the same every time.
        """
        import torch

        drawn = [self._hidden(row, 0 if epoch is None else epoch + 1) for row in rows]
        arrays = self.reader.batch([{"input_ids": ids} for ids, _ in drawn])
        length = arrays["input_ids"].shape[1]
        arrays["positions"] = np.concatenate([i * length + at for i, (_, at) in enumerate(drawn)])
        arrays["labels"] = np.concatenate([row["input_ids"][at] for row, (_, at) in zip(rows, drawn, strict=True)])
        if self.next_sentence:
            seconds = [np.pad(row["second"], (0, length - len(row["second"]))) for row in rows]
            arrays |= {"token_type_ids": np.stack(seconds), "next": np.array([row["next"] for row in rows])}
        return {key: torch.from_numpy(value.astype(np.int64)) for key, value in arrays.items()}

    def piece(self, batch: dict[str, Any], start: int, stop: int) -> dict[str, Any]:
        """Some rows of a batch, with what is hidden in them."""
        length = batch["input_ids"].shape[1]
        own = (batch["positions"] >= start * length) & (batch["positions"] < stop * length)
        flat = {"positions": batch["positions"][own] - start * length, "labels": batch["labels"][own]}
        return {key: value[start:stop] for key, value in batch.items()} | flat

    def _hidden(self, row: dict[str, Any], draw: int) -> tuple[Any, Any]:
        """(the ids with words hidden, the places of these): `masking` of the words, one at the least."""
        rng = np.random.default_rng((self.seed, draw, row["row"]))
        ids, words = row["input_ids"].copy(), row["words"]
        count = int(words.max()) + 1
        wanted = max(1, int(self.masking * count + rng.random()))  # rounded at random: the share holds on average
        hidden = rng.permutation(count)[:wanted]
        at = np.flatnonzero(np.isin(words, hidden))
        how = rng.random(len(at))
        swapped = (how >= MASKED) & (how < MASKED + SWAPPED)
        ids[at[how < MASKED]] = self.tokenizer.mask_token_id
        ids[at[swapped]] = rng.choice(self._ordinary, int(swapped.sum()))
        return ids, at

    @cached_property
    def _ordinary(self) -> Any:
        """The ids that are no special ones'; asked for when the vocabulary is whole."""
        return np.setdiff1d(np.arange(len(self.tokenizer)), self.tokenizer.all_special_ids)

    def loss(self, model: Any, batch: dict[str, Any], smoothing: float = 0.0) -> tuple[Any, Any]:
        """Cross-entropy of the hidden pieces, and of what the second sentences are."""
        from torch.nn.functional import cross_entropy

        logits, outputs = self._told(model, batch)
        loss = cross_entropy(logits.float(), batch["labels"], label_smoothing=smoothing)
        if self.next_sentence:
            follows = outputs.seq_relationship_logits.float()
            total = cross_entropy(follows, batch["next"], ignore_index=ALONE, reduction="sum")
            loss = loss + total / (batch["next"] != ALONE).sum().clamp(min=1)
        return loss, outputs

    def answers(self, model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        """Sums of each row: (losses, hits) of its hidden pieces and of its second sentence; and their numbers."""
        import torch
        from torch.nn.functional import cross_entropy

        logits, outputs = self._told(model, batch)
        rows, length = batch["input_ids"].shape
        losses = cross_entropy(logits.float(), batch["labels"], reduction="none")
        each = torch.stack([losses, (logits.argmax(-1) == batch["labels"]).float(), torch.ones_like(losses)], 1)
        sums = torch.zeros(rows, 3, device=each.device).index_add_(0, batch["positions"] // length, each)
        if self.next_sentence:
            follows = outputs.seq_relationship_logits.float()
            lost = cross_entropy(follows, batch["next"], ignore_index=ALONE, reduction="none")
            right, there = follows.argmax(-1) == batch["next"], batch["next"] != ALONE
            sums = torch.cat([sums, torch.stack([lost, right.float(), there.float()], 1)], 1)
        return sums.view(rows, -1, 3)[..., :2], sums.view(rows, -1, 3)[..., 2]

    def figures(self, answers: Any, labels: Any) -> dict[str, float]:
        """The mean loss and its exponential, the share of hidden pieces that are found, and of sentences told."""
        means = answers.astype(np.float64).sum(0) / np.maximum(labels.sum(0), 1)[:, None]
        out = {"loss": means[:, 0].sum(), "perplexity": np.exp(means[0, 0]), "accuracy": means[0, 1]}
        return {
            name: float(v) for name, v in (out | ({"next_sentence": means[1, 1]} if len(means) > 1 else {})).items()
        }

    def _told(self, model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        """(logits of the hidden pieces, (pieces, vocabulary); the model's outputs)."""
        inputs = {key: value for key, value in batch.items() if key not in ("positions", "labels", "next")}
        if self.gathers is None:
            self.gathers = _takes_any_positions(getattr(model, "module", model), inputs)
        if self.gathers:
            with _gathered(getattr(model, "module", model), batch["positions"]):
                outputs = model(**inputs)
            return vocabulary(outputs)[0], outputs
        outputs = model(**inputs)
        return vocabulary(outputs).flatten(0, 1)[batch["positions"]], outputs


def word_numbers(text: str) -> Any:
    """(characters,) the number of the word or sign that each belongs to; white space belongs to the next."""
    tokens = texts_of.tokens(text)
    words = np.array([not token.isspace() for token in tokens], np.int64)
    return np.repeat(np.cumsum(words) - words, [len(token) for token in tokens])


def _dense(found: Any) -> Any:
    """Numbers of 0 and more as 0, 1, 2 … in their order; -1 stays."""
    own, out = found >= 0, np.full(len(found), -1, np.int32)
    out[own] = np.unique(found[own], return_inverse=True)[1]
    return out


def vocabulary(outputs: Any) -> Any:
    """The logits over the vocabulary among a model's outputs."""
    return outputs.prediction_logits if "prediction_logits" in outputs else outputs.logits


@contextmanager
def _gathered(model: Any, positions: Any) -> Iterator[None]:
    """The head gets the hidden states (1, positions, width) alone.

    The product with the vocabulary, a good part of a small encoder's work, is then done for one token in seven.
    """

    def gather(module: Any, inputs: Any, outputs: Any) -> Any:
        outputs.last_hidden_state = outputs.last_hidden_state.flatten(0, 1)[positions][None]
        return outputs

    handle = model.base_model.register_forward_hook(gather)
    try:
        yield
    finally:
        handle.remove()


def _takes_any_positions(model: Any, inputs: dict[str, Any]) -> bool:
    """Whether the model says the same of some positions when its head is given these alone: tried on two rows."""
    import torch

    few = {key: value[:2] for key, value in inputs.items()}
    rows, length = few["input_ids"].shape
    positions, training = torch.arange(0, rows * length, 3, device=few["input_ids"].device), model.training
    model.eval()
    try:
        with torch.no_grad(), torch.autocast(few["input_ids"].device.type, enabled=False):
            whole = vocabulary(model(**few)).flatten(0, 1)[positions]
            with _gathered(model, positions):
                alone = vocabulary(model(**few))[0]
        return alone.shape == whole.shape and torch.allclose(alone, whole, rtol=1e-3, atol=1e-3)
    except (RuntimeError, ValueError, IndexError, AttributeError):
        return False
    finally:
        model.train(training)
