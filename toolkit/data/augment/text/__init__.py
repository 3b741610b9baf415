"""Augmentation of texts: the table of its methods, and how one is applied to a row and checked.

A method is `(tokens, rng, **parameters) -> text`, or None where it can do nothing; `tokens` joined are the text. A
parameter without a default is a resource (a table of synonyms, a model) that the command hands in.

A batched method (in `BATCHED`) runs many rows in one forward pass of a model: `(rows, rngs, copies, **parameters) ->
texts`, with `rows` the tokens of each row, `rngs` a generator for each, `copies` the number of each child among its
row's, and in `texts` None where it can do nothing. It runs in the main process; no text depends on another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from toolkit.data.augment.run import Made, Task
from toolkit.data.augment.strategy import Draw, bind, parameters
from toolkit.data.augment.text import chinese, contextual, eda, entities, noise, sentences, structure, translation
from toolkit.data.augment.text.draws import Draws
from toolkit.data.augment.text.similarity import at_least
from toolkit.data.text import chinese_words, fold, is_cjk, tokens

if TYPE_CHECKING:
    import pyarrow as pa

METHODS: dict[str, Callable[..., Any]] = {
    "synonym_replacement": eda.synonym_replacement,
    "random_insertion": eda.random_insertion,
    "random_swap": eda.random_swap,
    "random_deletion": eda.random_deletion,
    "punctuation_insertion": eda.punctuation_insertion,
    "sentence_shuffle": sentences.sentence_shuffle,
    "entity_replacement": entities.entity_replacement,
    "keyboard": noise.keyboard,
    "ocr": noise.ocr,
    "spelling": noise.spelling,
    "char_swap": noise.char_swap,
    "char_delete": noise.char_delete,
    "char_insert": noise.char_insert,
    "homophone": chinese.homophone,
    "look_alike": chinese.look_alike,
    "clause_reordering": structure.clause_reordering,
    "coordination_swap": structure.coordination_swap,
    "contextual_replacement": contextual.contextual_replacement,
    "back_translation": translation.back_translation,
}
BATCHED = {contextual.contextual_replacement, translation.back_translation}
# what does a method's work where the command has this resource
BETTER: dict[str, tuple[str, Callable[..., Any]]] = {
    "synonym_replacement": ("model", contextual.contextual_replacement),
    "clause_reordering": ("parser", structure.parsed_clauses),
    "coordination_swap": ("parser", structure.parsed_coordination),
}
EDA = ("synonym_replacement", "random_insertion", "random_swap", "random_deletion")
SIGNS_ALONE = {"punctuation_insertion"}  # children that differ from their parents by signs, which `fold` leaves out
LOOKED_AT = 1000  # texts, for Chinese
COMPARED = 300  # tokens whose edits the report shows: comparing takes the square of them, and more where they repeat
FIRST = "p"  # what a bare number in a strategy sets
PRESETS: dict[str, dict[str, Any]] = {
    # of one language alone at half the weight: either language finds a method in two draws of three
    "noise": dict.fromkeys(("keyboard", "ocr", "spelling", "char_insert"), 0.5)
    | dict.fromkeys(("char_swap", "char_delete", "homophone", "look_alike"), 1.0),
    "eda": dict.fromkeys(EDA, 1.0),
    "light": dict.fromkeys(EDA, 0.5) | {"synonym_replacement": 1.0},
    "strong": {name: {"p": 1.0, "alpha": 0.2} for name in EDA}
    | {"punctuation_insertion": 1.0, "sentence_shuffle": 0.5},
}


class Texts:
    """See `run.Modality`."""

    chunk, block = 512, 16_384
    mixes = False

    def __init__(self, rows: pa.Table, codes: Any, draws: list[Draw], given: Mapping[str, Any]) -> None:
        import pyarrow as pa

        # as Arrow, since workers copy each page of a list of strings that they read (its counts of references change)
        self.texts = rows.column("text").cast(pa.large_string()).combine_chunks()
        self.names = [draw.name for draw in draws]
        self.weights = [draw.p for draw in draws]
        self.methods = [bound(draw, given) for draw in draws]
        self.batched = frozenset(i for i, method in enumerate(self.methods) if method.func in BATCHED)
        self.least = given["min_similarity"]
        self.draws = Draws(0)
        if any(is_cjk(text or "") for text in self.texts[:LOOKED_AT].to_pylist()):
            chinese_words("中文")  # the dictionary is read once, before the workers are forked

    def assembled(self, parents: pa.Table, values: list[str]) -> pa.Table:
        """The parents with the children's texts in place of their own."""
        import pyarrow as pa

        return parents.set_column(parents.column_names.index("text"), "text", pa.array(values, pa.string()))

    def make(self, tasks: list[Task]) -> list[Made]:
        if not tasks:
            return []
        import pyarrow as pa

        rows = pa.array([task.row for task in tasks], pa.int64())
        texts = [text or "" for text in self.texts.take(rows).to_pylist()]
        batched = self._batches(tasks, texts)
        out = []
        for i, (task, text) in enumerate(zip(tasks, texts, strict=True)):
            made = batched[i] if i in batched else self._alone(task, text)
            out.append(self._checked(self.names[task.choice], text, made))
        changed = [i for i, made in enumerate(out) if made.verdict == "made"]
        if self.least and changed:
            kept = at_least([out[i].value for i in changed], [texts[i] for i in changed], self.least)
            for i in np.array(changed)[~kept]:
                out[i] = Made(out[i].method, None, "too different")
        return out

    def _alone(self, task: Task, text: str) -> str | None:
        self.draws.seed(task.seed)
        made: str | None = self.methods[task.choice](tokens(text), self.draws)
        return made

    def _batches(self, tasks: list[Task], texts: list[str]) -> dict[int, str | None]:
        """What batched methods make, by the task's place."""
        out: dict[int, str | None] = {}
        for choice in self.batched & {task.choice for task in tasks}:
            here = [i for i, task in enumerate(tasks) if task.choice == choice]
            rows = [tokens(texts[i]) for i in here]
            rngs, copies = [Random(tasks[i].seed) for i in here], [tasks[i].copy for i in here]
            out |= zip(here, self.methods[choice](rows, rngs, copies), strict=True)
        return out

    def _checked(self, name: str, text: str, made: str | None) -> Made:
        if made is None:
            return Made(name, None, "impossible")
        made, signs = made.strip(), name in SIGNS_ALONE
        key = made if signs else fold(made)
        if not key or key == (text if signs else fold(text)):
            return Made(name, None, "unchanged")
        return Made(name, made, key=xxhash.xxh3_64_intdigest(key.encode()))


def bound(draw: Draw, given: Mapping[str, Any]) -> Any:
    """The method as `bind` gives it; with the resource at hand, the better one of the same name."""
    resource, better = BETTER.get(draw.name, ("", None))
    if better is None or given.get(resource) is None:
        return bind(draw, METHODS, given)
    params = {name: value for name, value in draw.params.items() if name in parameters(better)}
    return bind(draw._replace(params=params), {draw.name: better}, given)


def keys(rows: pa.Table) -> set[int]:
    """The keys of texts that are there already: as they are compared, and (for `SIGNS_ALONE`) as they stand."""
    blocks = (block.column("text").to_pylist() for block in rows.select(["text"]).to_batches(max_chunksize=65_536))
    texts = (text for block in blocks for text in block if text)
    return {xxhash.xxh3_64_intdigest(key.encode()) for text in texts for key in (fold(text), text.strip())}


def examples(train: pa.Table, children: pa.Table, count: int) -> dict[str, Any]:
    """A few children of each method, the edits marked."""
    import pyarrow.compute as pc

    shown = []
    for name in pc.unique(children.column("method")).to_pylist():
        of_method = children.filter(pc.equal(children.column("method"), name))
        for i in range(0, len(of_method), max(1, len(of_method) // count))[:count]:
            parent = of_method.column("parent_id")[i]
            before = train.column("text")[pc.index(train.column("id"), parent).as_py()].as_py()
            shown.append([name, {"edits": edits(before, of_method.column("text")[i].as_py())}])
    return {"table": {"columns": ["method", "edits"], "rows": shown}}


def edits(before: str, after: str) -> list[tuple[str, str]]:
    """What a text became, piece by piece: ("same" | "gone" | "new", text); of a long one where it changes first."""
    from difflib import SequenceMatcher

    old, new = tokens(before), tokens(after)
    whole = max(len(old), len(new))
    first = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    start = max(0, first - COMPARED // 10) if whole > COMPARED else 0
    old, new = old[start : start + COMPARED], new[start : start + COMPARED]
    out = [("same", "…")] * (start > 0)
    for what, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what == "equal":
            out.append(("same", "".join(old[i:j])))
        else:
            out += [("gone", "".join(old[i:j]))] * (i < j) + [("new", "".join(new[k:m]))] * (k < m)
    return out + [("same", "…")] * (whole > start + COMPARED)


MODALITY = Texts
