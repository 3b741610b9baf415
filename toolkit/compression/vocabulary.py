"""A vocabulary cut to what the data uses: rows of the embedding table go, the tokenizer stays stock.

A row of the data falls into the same pieces as before. Other texts do, or into smaller ones that the model knows:
every piece of one character (or byte) stays, so that no word becomes unknown that was not.
"""

from __future__ import annotations

import copy
import json
import re
from itertools import pairwise
from typing import Any

import numpy as np

from toolkit.errors import ToolkitError
from toolkit.reading import Encoded

NO_TEXT = re.compile(r"[\[<]unused_?\d+[\]>]|madeupword\d+|<0x[0-9A-F]{2}>")  # pieces that no text falls into by itself
BYTE = re.compile(r"<0x[0-9A-F]{2}>")


def check(tokenizer: Any) -> dict[str, Any]:
    """What tokenizer.json says of a tokenizer that can be cut.

    Raises:
        ToolkitError: it has none, is of a kind that is not known here, or words could become unknown.
    """
    if not tokenizer.is_fast:
        raise ToolkitError(f"{type(tokenizer).__name__} has no tokenizer.json", "leave --vocab out")
    document: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    _completed(document, set())
    return document


def cut(model: Any, tokenizer: Any, rows: Encoded, *, min_count: int, common: int) -> tuple[Any, dict[str, Any]]:
    """Drop what no row uses from the model (in place) and from a copy of its tokenizer.

    Args:
        rows: encoded by the tokenizer: what the model reads of the data.
        min_count: how often they use a piece that is kept for them.
        common: the most common pieces that are kept besides, for texts unseen: those of the lowest ids, which
            vocabularies have in the order of their frequency (WordPiece, BPE) or probability (Unigram).

    Returns:
        (the tokenizer, what was cut).

    Raises:
        ToolkitError: what `check` refuses.
    """
    document = check(tokenizer)
    before, pieces = model.get_input_embeddings().num_embeddings, tokenizer.get_vocab()
    counts = np.bincount(np.concatenate([row["input_ids"] for row in rows]), minlength=before)
    config = {k: v for k, v in model.config.to_dict().items() if k.endswith("_token_id") and isinstance(v, int)}
    named = {*config.values(), *tokenizer.all_special_ids, *(token["id"] for token in document["added_tokens"])}
    by_id = sorted(pieces, key=pieces.__getitem__)
    general = [piece for piece in by_id if not NO_TEXT.fullmatch(piece)][:common]
    wanted = {piece for piece in by_id if pieces[piece] in named or counts[pieces[piece]] >= min_count} | {*general}
    kept = sorted(pieces[piece] for piece in _completed(document, wanted))
    pad = tokenizer.pad_token_id
    if pad < len(kept):  # positions of RoBERTa start behind its number
        kept.remove(pad)
        kept.insert(pad, pad)
    new = {old: i for i, old in enumerate(kept)}
    out = copy.deepcopy(tokenizer)
    out._tokenizer = _tokenizer(document, new)
    _shrink(model, kept)
    for key, old in config.items():
        setattr(model.config, key, new[old])
    return out, {
        "pieces_before": before,
        "pieces": len(kept),
        "pieces_used": int((counts >= min_count).sum()),
        "share_of_readings_dropped": float(1 - counts[kept].sum() / counts.sum()),
    }


def _completed(document: dict[str, Any], wanted: set[str]) -> set[str]:
    """The wanted pieces, and those that the tokenizer's model needs besides; raises what `check` does."""
    kinds, model = {"WordPiece": _word_piece, "BPE": _bpe, "Unigram": _unigram}, document["model"]
    if model["type"] not in kinds:
        raise ToolkitError(f"a tokenizer of type {model['type']} cannot be cut", f"known are {', '.join(kinds)}")
    return wanted | kinds[model["type"]](document, wanted)


def _word_piece(document: dict[str, Any], wanted: set[str]) -> set[str]:
    """Of every character its two pieces, at the start of a word and in it: the greedy search then never fails."""
    prefix, vocabulary = document["model"]["continuing_subword_prefix"], document["model"]["vocab"]
    needed, added = set(), {token["content"] for token in document["added_tokens"]}
    for piece in vocabulary:
        if piece not in added and not NO_TEXT.fullmatch(piece):
            start = "" if piece.startswith(prefix) else piece[0]
            needed |= {prefix + c for c in piece.removeprefix(start or prefix)} | {start} - {""}
    lacking = sorted(needed - vocabulary.keys())
    if lacking:
        raise ToolkitError(
            f"the vocabulary has no piece {', '.join(lacking[:5])}: without longer ones words would be unknown",
            "leave --vocab out",
        )
    return needed


def _bpe(document: dict[str, Any], wanted: set[str]) -> set[str]:
    """The alphabet, and what is merged on the way to a wanted piece.

    Inside of a piece merges take place as if it stood alone: one across its border would have kept it from being.
    """
    model = document["model"]
    if model["continuing_subword_prefix"] or model["end_of_word_suffix"]:
        raise ToolkitError("a BPE tokenizer that marks starts or ends of words cannot be cut", "leave --vocab out")
    ranks = {(first, second): rank for rank, (first, second) in enumerate(model["merges"])}
    needed = {piece for piece in model["vocab"] if len(piece) == 1 or BYTE.fullmatch(piece)}
    for piece in wanted:
        parts = [*piece]
        while len(parts) > 1:
            rank, at = min((ranks.get(pair, len(ranks)), i) for i, pair in enumerate(pairwise(parts)))
            if rank == len(ranks):
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
            needed.add(parts[at])
    return needed


def _unigram(document: dict[str, Any], wanted: set[str]) -> set[str]:
    """Pieces of one character, those with a character that has none of its own, and the least likely piece: from its
    score follows that of what is unknown."""
    vocabulary = document["model"]["vocab"]
    pieces = [piece for piece, _ in vocabulary]
    singles = {piece for piece in pieces if len(piece) == 1}
    odd = {piece for piece in pieces if BYTE.fullmatch(piece) or not singles.issuperset(piece)}
    return singles | odd | {min(vocabulary, key=lambda entry: entry[1])[0]}


def _tokenizer(document: dict[str, Any], new: dict[int, int]) -> Any:
    """A tokenizer of `tokenizers` from an old one's document and the new number of each id that stays."""
    from tokenizers import Tokenizer

    model = document["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [model["vocab"][old] for old in new if old < len(model["vocab"])]
        if model["unk_id"] is not None:
            model["unk_id"] = new[model["unk_id"]]
        ids = {piece: i for i, (piece, _) in enumerate(model["vocab"])}
    else:
        ids = model["vocab"] = {piece: new[old] for piece, old in model["vocab"].items() if old in new}
    if model["type"] == "BPE":
        model["merges"] = [pair for pair in model["merges"] if {*pair, "".join(pair)} <= ids.keys()]
    for token in document["added_tokens"]:
        token["id"] = new[token["id"]]
    document["added_tokens"].sort(key=lambda token: token["id"])
    ids = ids | {token["content"]: token["id"] for token in document["added_tokens"]}
    if document["padding"]:
        document["padding"]["pad_id"] = ids[document["padding"]["pad_token"]]
    processor = document["post_processor"] or {}
    for part in processor.get("processors", [processor]):
        for key in {"cls", "sep"} & part.keys():
            part[key][1] = ids[part[key][0]]
        for token in part.get("special_tokens", {}).values():
            token["ids"] = [ids[name] for name in token["tokens"]]
    return Tokenizer.from_str(json.dumps(document))


def _shrink(model: Any, kept: list[int]) -> None:
    """Leave the rows of these ids, in their order, in the embeddings and in an output layer over the vocabulary."""
    import torch

    from toolkit.training.vocabulary import tables

    table = model.get_input_embeddings()
    pad = None if table.padding_idx is None else kept.index(table.padding_idx)
    with torch.no_grad():
        for weights in tables(model):
            weights[: len(kept)] = weights[kept]
    model.resize_token_embeddings(len(kept), mean_resizing=False)
    model.get_input_embeddings().padding_idx = pad
