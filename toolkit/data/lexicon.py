"""Which terms mark a text as outside a domain: learnt from a mixed source and a clean reference, or listed by a user.

Terms are contrasted by the log-odds ratio with an informative Dirichlet prior (Monroe, Colaresi and Quinn 2008,
"Fightin' Words"). One contrast of a mixed source with the reference tells little where a tenth of the source is
from outside. So it is repeated: the texts that stand out are the outside of the next contrast (expectation
maximisation, as in Nigam et al. 2000 and, for positive and unlabelled texts, Liu et al. 2002). How far a text must
stand out is measured on reference texts that were held out: of what is taken, no more than `FALSE_SHARE` may be such
as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

from toolkit import console
from toolkit.data.text import CJK, CJK_CHAR, words

PRIOR = 30.0  # pseudo-counts, spread over the terms as both corpora together are
FALSE_SHARE = 0.08
LEAST_SCORE = 2.0  # what is beyond less is even odds where a tenth of the source is from outside
FOLDS, ROUNDS = 10, 30
SEEDS = (0.005, 0.01, 0.02, 0.04)  # shares of the source to begin with; the best of them counts
AT_MOST = 20_000  # texts of each side to learn from
FEWEST = 3  # texts that a term must be in, besides the one that is judged

_SIGNIFICANT = 1.96

_JOINED = re.compile(rf"[^\W_{CJK}]{{2}}")
_LETTERS = re.compile(rf"[^\W\d_{CJK}]{{2,}}|[{CJK}]{{2,}}")
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    a about after again all also am an and any anyone anything are as at be because been before being between both
    but by can cannot could did do does doing don down during each either else ever every few for from further get
    give go got had has have having he her here hers him his how if in into is isn it its itself just let like ll
    made make many may me might more most much must my myself need never no nor not now of off on once one only or
    other our ours out over own per please put quite rather re really same say see shall she should since so some
    someone something still such take tell than that the their theirs them then there these they thing things this
    those though through to too two under until up upon us use used ve very via want was way we well were what
    when where whether which while who whom whose why will with within without would yes yet you your yours
    aren couldn didn doesn hadn hasn haven shouldn wasn weren won wouldn
    我们 你们 他们 她们 它们 自己 可以 一个 没有 什么 这个 那个 这些 那些 因为 所以 但是 如果 就是 不是
    还是 或者 以及 而且 虽然 然后 这样 那样 怎么 如何 为什么 为何 已经 可能 应该 需要 进行 通过 对于 关于
    不能 不会 还有 只有 其他 其中
    """,
    )
)


def terms(text: str) -> list[str]:
    """The distinct terms of a text: words of two letters or more in lower case, function words and numbers left out."""
    found = dict.fromkeys(word.lower() for word in words(text) if _LETTERS.search(word))
    return [word for word in found if word not in _FUNCTION_WORDS and word.split("'")[0] not in _FUNCTION_WORDS]


def contrast(ours: Any, theirs: Any, prior: float = PRIOR) -> tuple[Any, Any]:
    """(log-odds ratio, z-score) of each term; above 0 where it is more of ours. Counts: float arrays (terms,)."""
    alpha = _spread(ours + theirs, prior)
    odds = _odds(ours, theirs, alpha, (ours.sum() + prior, theirs.sum() + prior))
    return odds, odds / np.sqrt(1 / (ours + alpha) + 1 / (theirs + alpha))


def _spread(counts: Any, prior: float = PRIOR) -> Any:
    """The prior's pseudo-counts of each term."""
    return prior * counts / max(counts.sum(), 1) + 1e-9


def _odds(ours: Any, theirs: Any, alpha: Any, totals: tuple[float, float]) -> Any:
    """Log-odds ratio from counts, pseudo-counts and the sums of both."""
    ours, theirs = ours + alpha, theirs + alpha
    return np.log(ours / np.maximum(totals[0] - ours, 1e-9)) - np.log(theirs / np.maximum(totals[1] - theirs, 1e-9))


class Corpus:
    """Distinct texts in an order that does not depend on theirs, and the numbers of each one's terms."""

    def __init__(self, texts: Iterable[str], vocabulary: dict[str, int], at_most: int = AT_MOST) -> None:
        self.texts = sorted(set(texts), key=lambda text: (xxhash.xxh3_64_intdigest(text.encode()), text))[:at_most]
        numbers = [[vocabulary.setdefault(term, len(vocabulary)) for term in terms(text)] for text in self.texts]
        self.owner = np.repeat(np.arange(len(numbers)), [len(n) for n in numbers])
        self.term = np.array([term for n in numbers for term in n], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.texts)

    def counts(self, size: int, weights: Any = None) -> Any:
        """In how many texts each term is, texts weighted."""
        weights = None if weights is None else weights[self.owner]
        return np.bincount(self.term, weights, size).astype(float)

    def scores(self, of_terms: Any) -> Any:
        """The sum over each text's terms; `of_terms` has a figure a term, or one for each place in `term`."""
        values = of_terms if len(of_terms) == len(self.term) else of_terms[self.term]
        return np.bincount(self.owner, values, len(self))


@dataclass(frozen=True)
class Lexicon:
    """What was learnt: the weight of every term (log-odds, above 0 from outside), and how high a text must score."""

    weights: dict[str, float]
    bound: float  # infinite where nothing stands out
    false_share: float  # estimated, of what is beyond the bound
    smallest_share: float  # of outside texts that so small a reference could show
    seen: dict[str, float]  # scores of texts that were learnt from, as if they had not been

    def score(self, text: str) -> tuple[float, float, list[tuple[str, float]]]:
        """(score, share of the evidence that speaks for outside, the terms that do, heaviest first)."""
        weighed = [(term, self.weights[term]) for term in terms(text) if self.weights.get(term)]
        outside = sorted((w for w in weighed if w[1] > 0), key=lambda w: (-w[1], w[0]))
        total = sum(abs(weight) for _, weight in weighed)
        share = sum(weight for _, weight in outside) / total if total else 0.0
        return self.seen.get(text, sum(weight for _, weight in weighed)), share, outside


def learn(texts: Iterable[str], reference: Iterable[str]) -> Lexicon:
    """What marks texts as outside the domain that the reference is of."""
    vocabulary: dict[str, int] = {}
    source, wanted = Corpus(texts, vocabulary), Corpus(reference, vocabulary)
    smallest = 1 / (FALSE_SHARE * (len(wanted) + 1))
    best: tuple[int, float, float, Any, Any] = (0, np.inf, 0.0, np.zeros(len(vocabulary)), np.zeros(len(source)))
    fold = np.arange(len(wanted)) % FOLDS
    if not len(source.term):
        return Lexicon({}, np.inf, 0.0, smallest, {})
    with console.progress("domain", len(SEEDS) * FOLDS) as advance:
        for share in SEEDS:
            held, scores, weights = np.zeros(len(wanted)), np.zeros(len(source)), np.zeros(len(vocabulary))
            for number in range(FOLDS):
                mine, learnt = _separate(source, wanted.counts(len(vocabulary), (fold != number) * 1.0), share)
                held = np.where(fold == number, wanted.scores(learnt), held)
                scores += mine / FOLDS
                weights += learnt / FOLDS
                advance()
            taken, bound, false = _bound(scores, held)
            if taken > best[0]:
                best = (taken, bound, false, weights, scores)
    _, bound, false, weights, scores = best
    rounded = np.round(weights, 3).tolist()
    seen = dict(zip(source.texts, scores.tolist(), strict=True)) if np.isfinite(bound) else {}
    return Lexicon({t: rounded[i] for t, i in vocabulary.items() if rounded[i]}, bound, false, smallest, seen)


def _separate(source: Corpus, reference: Any, share: float) -> tuple[Any, Any]:
    """Scores of the source's texts, each as if it had not been learnt from, and the terms' weights.

    `share` of the source, what has most terms that the reference lacks, is the first outside.
    """
    size = len(reference)
    count = source.counts(size)
    total = count + reference
    alpha = _spread(total)
    others = (total > FEWEST)[source.term]

    def judged(ours: Any, own: Any) -> Any:
        """Each text's score, its own share taken out of the counts."""
        theirs = total - ours
        sums = ours.sum() + PRIOR, theirs.sum() + PRIOR
        here = [values[source.term] for values in (ours, theirs, alpha)]
        odds = _odds(np.maximum(here[0] - own, 0), np.maximum(here[1] - (1 - own), 0), here[2], sums)
        return source.scores(np.where(others, odds, 0))

    scores = judged(count, np.ones(len(source.term)))
    first = np.argsort(-scores, kind="stable")[: min(max(20, int(len(source) * share)), len(source) // 5 + 1)]
    outside = np.zeros(len(source))
    outside[first] = 1
    for _ in range(ROUNDS):
        scores = judged(source.counts(size, outside), outside[source.owner])
        prior = np.clip(outside.mean(), 1e-3, 0.9)
        before, outside = outside, 1 / (1 + np.exp(-np.clip(scores + np.log(prior / (1 - prior)), -30, 30)))
        if np.abs(outside - before).mean() < 1e-4:
            break
    ours = source.counts(size, outside)
    return scores, np.where(total >= FEWEST, contrast(ours, total - ours)[0], 0)


def _bound(scores: Any, held: Any) -> tuple[int, float, float]:
    """(texts beyond it, the bound, estimated share of wanted ones among them): the lowest bound that is good enough.

    As many reference texts in a hundred as are beyond a bound, so many of the source's are there by mistake.
    """
    order = np.sort(scores)[::-1]
    beyond = len(held) - np.searchsorted(np.sort(held), order, side="left")
    false = (beyond + 1) / (len(held) + 1) * len(order) / np.arange(1, len(order) + 1)
    good = np.flatnonzero((false <= FALSE_SHARE) & (order >= LEAST_SCORE))
    if not len(good):
        return 0, np.inf, 0.0
    return int(good[-1]) + 1, float(order[good[-1]]), float(false[good[-1]])


class Listed:
    """A user's list of outside terms, found in texts whatever words they are cut into: 股票 in 股票型基金, too."""

    def __init__(self, entries: Sequence[Any]) -> None:
        pairs = [(e, 1.0) if isinstance(e, str) else (e["term"], float(e.get("weight", 1.0))) for e in entries]
        self.weights = {" ".join(term.lower().split()): weight for term, weight in pairs if term.strip()}
        self._lengths: dict[str, list[int]] = {}
        for term in self.weights:
            self._lengths.setdefault(term[:2], []).append(len(term))
        for lengths in self._lengths.values():
            lengths.sort(reverse=True)

    def find(self, text: str) -> dict[str, float]:
        """The listed terms in a text with their weights: of overlapping ones the longest; Latin ones as whole words."""
        text = " ".join(text.lower().split())
        found: dict[str, float] = {}
        end = 0
        for start in range(len(text)):
            if start < end:
                continue
            for key in (text[start : start + 2], text[start : start + 1]):
                for length in self._lengths.get(key, ()):
                    term = text[start : start + length]
                    if start >= end and term in self.weights and _is_whole(text, start, start + length):
                        found[term] = self.weights[term]
                        end = start + length
        return found

    def score(self, text: str) -> tuple[float, list[tuple[str, float]]]:
        """(share of what the text's terms weigh, the terms); a term that is not listed weighs 1, for the domain."""
        found = self.find(text)
        if not found:
            return 0.0, []
        covered = {word for term in found for word in term.split()}
        chinese = [word for word in covered if CJK_CHAR.search(word)]
        rest = [t for t in terms(text) if t not in covered and not any(t in c or c in t for c in chinese)]
        outside = {term: weight for term, weight in found.items() if weight > 0}
        total = sum(map(abs, found.values())) + len(rest)
        return sum(outside.values()) / total, sorted(outside.items(), key=lambda w: (-w[1], w[0]))


def _is_whole(text: str, start: int, end: int) -> bool:
    """No Latin letter or digit goes on beyond either end of the piece."""
    before, after = text[max(start - 1, 0) : start + 1], text[end - 1 : end + 1]
    return not (start and _JOINED.fullmatch(before)) and not _JOINED.fullmatch(after)


def of_domain(kept: Mapping[str, int], dropped: Mapping[str, int], fewest: int, at_most: int) -> list[str]:
    """The terms that mark the kept texts, those in most texts first.

    Chinese words must be clearly more frequent than in general language, which is jieba's table; other words have no
    such table and must be no rarer than in what was dropped.

    Args:
        kept, dropped: term -> number of texts.
        fewest: texts that a term must be in.
    """
    known = sorted((term for term, count in kept.items() if count >= fewest), key=lambda t: (-kept[t], t))
    chinese = [term for term in known if CJK_CHAR.search(term)]
    ours = np.array([kept[term] for term in known], float)
    z = contrast(ours, np.array([dropped.get(term, 0) for term in known], float))[1]
    marks = {term for term, score in zip(known, z.tolist(), strict=True) if score >= 0 or not dropped.get(term)}
    if chinese:
        ours = np.array([kept[term] for term in chinese], float)
        general = _general(chinese)
        z = contrast(ours, general * min(ours.sum() / max(general.sum(), 1), 1.0))[1]
        marks -= {term for term, score in zip(chinese, z.tolist(), strict=True) if score <= _SIGNIFICANT}
    return [term for term in known if term in marks][:at_most]


def _general(known: Sequence[str]) -> Any:
    """How often each term stands in jieba's corpus."""
    import logging

    import jieba

    jieba.setLogLevel(logging.ERROR)
    jieba.dt.check_initialized()
    return np.array([float(jieba.dt.FREQ.get(term) or 0) for term in known])
