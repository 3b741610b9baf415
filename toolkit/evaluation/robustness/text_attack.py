"""An attack on texts that asks the model for its probabilities alone: words are changed, those that matter most first.

As TextFooler (Jin et al., 2020): a word's importance is what the true class loses without it; then, word by word, the
change that costs the true class most is kept, until another class wins or the words that may be changed are used up.
Many rows are attacked at a time, a word of each, so that the model is asked in large batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from toolkit import console
from toolkit.data.augment.text.eda import agree, places
from toolkit.data.augment.text.similarity import chrf
from toolkit.data.text import tokens
from toolkit.evaluation.robustness.words import Propose

MOST_WORDS = 100  # of a text that are tried
AT_ONCE = 32  # rows whose words are put in order between two signs of progress
Wanted = tuple[int, str]  # the number of a row, and what stands in the place of its text
Answer = tuple[float, int]  # the probability of the row's true class, and the class that is predicted
Ask = Callable[[list[Wanted]], list[Answer]]


@dataclass
class Attacked:
    """What became of a row. predicted: what the model says of `text` in the end; queries: texts it was asked for."""

    before: str
    text: str
    label: int
    predicted: int
    changed: float = 0.0  # share of the words
    similarity: float = 1.0  # chrF of the text with what it was
    queries: int = 0

    @property
    def fooled(self) -> bool:
        return self.predicted != self.label


@dataclass
class _Row:
    """A row that is being attacked. left: the words (numbers of tokens) to try, the most important one last."""

    number: int
    tokens: list[str]
    out: Attacked
    may: int
    words: int
    score: float = 1.0
    changed: int = 0
    left: list[int] = field(default_factory=list)
    asked: dict[str, Answer] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        return bool(self.left) and not self.out.fooled and self.changed < self.may


def attack(
    texts: Sequence[str],
    labels: Sequence[int],
    ask: Ask,
    propose: Propose,
    *,
    max_changed: float,
    min_similarity: float,
    label: str = "",
) -> list[Attacked]:
    """Attack each text, which the model gets right.

    Args:
        max_changed: share of a text's words, rounded down, but one at least.
        min_similarity: chrF (Popović, 2015) of an attacked text with what it was: how many of their character 1- to
            6-grams both have.
    """
    rows = []
    for number, (text, true) in enumerate(zip(texts, labels, strict=True)):
        cut = tokens(text)
        words = len(places(cut))
        out = Attacked(text, text, true, true)
        rows.append(_Row(number, cut, out, max(1, int(max_changed * words + 1e-9)), words))
    with console.progress(label or "attacking", 2 * len(rows)) as advance:  # each is put in order, and is done
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            _order(some, ask, propose)
            advance(len(some))
        active = [row for row in rows if row.open]
        advance(len(rows) - len(active))
        while active:
            _step([(row, row.left.pop()) for row in active], ask, propose, min_similarity)
            still = [row for row in active if row.open]
            advance(len(active) - len(still))
            active = still
    for row in rows:
        row.out.changed, row.out.queries = row.changed / max(row.words, 1), len(row.asked)
    return [row.out for row in rows]


def _order(rows: list[_Row], ask: Ask, propose: Propose) -> None:
    """Set `left` by what the true class loses without a word."""
    wanted, at = [], []
    for row in rows:
        able = [i for i in places(row.tokens) if propose(row.tokens[i])][:MOST_WORDS]
        wanted += [(row, row.out.before)] + [(row, "".join(row.tokens[:i] + row.tokens[i + 1 :])) for i in able]
        at += [-1, *able]
    importance: dict[int, list[tuple[float, int]]] = {row.number: [] for row in rows}
    for (row, _), place, (score, _) in zip(wanted, at, _answers(wanted, ask), strict=True):
        if place < 0:
            row.score = score
        else:
            importance[row.number].append((row.score - score, -place))
    for row in rows:
        row.left = [-place for _, place in sorted(importance[row.number])]


def _step(tried: list[tuple[_Row, int]], ask: Ask, propose: Propose, min_similarity: float) -> None:
    """Change one word of each row, if that helps."""
    changes = [
        (row, made) for row, i in tried for other in propose(row.tokens[i]) for made in [_changed(row, i, other)]
    ]
    joined = ["".join(made) for _, made in changes]
    similar = chrf(joined, [row.out.before for row, _ in changes]).tolist()
    kept = [k for k, value in enumerate(similar) if value >= min_similarity]
    answers = _answers([(changes[k][0], joined[k]) for k in kept], ask)
    best: dict[int, tuple[bool, float, int, Answer]] = {}
    for k, answer in zip(kept, answers, strict=True):
        row = changes[k][0]
        fooled = answer[1] != row.out.label
        # of those that win the one most like the text, else the one that costs the true class most
        rank = fooled, similar[k] if fooled else -answer[0], -k, answer
        best[row.number] = max(best.get(row.number, rank), rank)
    for row, _ in tried:
        if row.number in best:
            fooled, _, at, (score, predicted) = best[row.number]
            if fooled or score < row.score:
                row.tokens, row.score, row.changed = changes[-at][1], score, row.changed + 1
                row.out.text, row.out.predicted, row.out.similarity = joined[-at], predicted, similar[-at]


def _changed(row: _Row, i: int, other: str) -> list[str]:
    made = list(row.tokens)
    made[i] = other
    agree(made, i)
    return made


def _answers(wanted: list[tuple[_Row, str]], ask: Ask) -> list[Answer]:
    """What the model says of each, asked once for each text of a row."""
    new = list(dict.fromkeys((row.number, text) for row, text in wanted if text not in row.asked))
    rows = {row.number: row for row, _ in wanted}
    for (number, text), answer in zip(new, ask(new) if new else [], strict=True):
        rows[number].asked[text] = answer
    return [row.asked[text] for row, text in wanted]
