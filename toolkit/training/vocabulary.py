"""New terms in a model's vocabulary, each starting as the mean of the pieces that it fell into before."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from toolkit import console
from toolkit.data.text import CJK_CHAR
from toolkit.errors import ToolkitError

MOST, LONGEST = 20_000, 64  # terms; characters of one
COLUMNS = ("term", "token", "word", "text", "词", "词语", "术语")  # of a csv file, else its first


def read(path: Path) -> list[str]:
    """The terms of a file: one a line, or a column of a csv or tsv file; blank lines are passed over.

    Raises:
        ToolkitError: it is no UTF-8, or holds no terms, too many, one that is too long or one with white space in it.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as f:
            table = {".csv": ",", ".tsv": "\t"}.get(path.suffix.lower())
            lines = _column(f, table, path) if table else f.read().splitlines()
    except (UnicodeDecodeError, csv.Error) as e:
        raise ToolkitError(f"{path} does not read as text ({e})", "write one term a line, in UTF-8") from e
    terms = [line.strip() for line in lines if line.strip()]
    if not terms or len(terms) > MOST:
        raise ToolkitError(f"{path} holds {len(terms) or 'no'} terms", f"give between 1 and {MOST:,}")
    for term in terms:
        if len(term) > LONGEST or len(term.split()) > 1:
            wrong = f"is longer than {LONGEST} characters" if len(term) > LONGEST else "has white space in it"
            raise ToolkitError(f"{path}: the term '{term[:LONGEST]}' {wrong}", "give single words")
    return terms


def _column(lines: Any, delimiter: str, path: Path) -> list[str]:
    rows = csv.DictReader(lines, delimiter=delimiter)
    names = rows.fieldnames or []
    if not names:
        raise ToolkitError(f"{path} is empty", "give one term a line, or a csv column")
    column = next((name for name in names if name.strip().lower() in COLUMNS), names[0])
    return [row[column] or "" for row in rows]


def add(model: Any, tokenizer: Any, terms: list[str]) -> list[str]:
    """Put the terms into the tokenizer and the model, in place; gives those that are new.

    Each vector is the mean of its old pieces' vectors, in the output layer too. Latin terms stand for whole words
    alone, Chinese ones wherever their characters stand.
    """
    from tokenizers import AddedToken

    new: dict[str, str] = {}
    for term in terms:
        if not _is_piece(tokenizer, term):
            new.setdefault(_as_read(tokenizer, term), term)
    found = {term: tokenizer(term, add_special_tokens=False)["input_ids"] for term in new.values()}
    pieces = {term: ids for term, ids in found.items() if ids}  # a zero-width space, say, is nothing to read
    before = len(tokenizer)
    # A tokenizer that sets signs around Chinese characters (BERT's) would find such a term at a wrong place when it
    # looks at the text as it has rewritten it.
    tokenizer.add_tokens(
        [AddedToken(term, single_word=not cjk, lstrip=not cjk, normalized=not cjk)
         for term in pieces for cjk in [bool(CJK_CHAR.search(term))]]
    )  # fmt: skip
    if pieces:
        _grow(model, before, list(pieces.values()))
    known = len(terms) - len(pieces)
    console.note(
        f"{len(pieces)} terms added to the vocabulary"
        + (f", {known} passed over: given twice, in it already, or nothing to read" if known else "")
    )
    return list(pieces)


def _is_piece(tokenizer: Any, term: str) -> bool:
    """Whether a term is one piece already, at the begin of a text or after a space."""
    found = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (term, f"a {term}")]
    own = [found[0], found[1][1:]]
    return any(len(ids) == 1 and ids[0] != tokenizer.unk_token_id for ids in own)


def _as_read(tokenizer: Any, term: str) -> str:
    """What a term is for the tokenizer, in lower case where that has no capitals."""
    normalizer = tokenizer.is_fast and tokenizer.backend_tokenizer.normalizer
    return str(normalizer.normalize_str(term)) if normalizer else term


def _grow(model: Any, before: int, pieces: list[list[int]]) -> None:
    """Vectors for the ids from `before` on."""
    import torch

    size = before + len(pieces)
    if size > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(size, mean_resizing=False)
    with torch.no_grad():
        for table in tables(model):
            for k, ids in enumerate(pieces):
                table[before + k] = table[torch.tensor(ids)].mean(0)


def tables(model: Any) -> list[Any]:
    """The weights with a row for each piece: the embeddings, and an output layer's where there is one."""
    output = model.get_output_embeddings()
    found = [model.get_input_embeddings().weight]
    found += [part for part in (output.weight, output.bias) if part is not None] if output is not None else []
    return [*{id(table): table for table in found}.values()]  # a tied one once
