"""Chinese in another order: paired conjunctions, parallel phrases, and coordinated nouns by jieba's tags."""

from __future__ import annotations

import re
from collections.abc import Callable

from toolkit.data.text import CJK

_PRONOUN = r"(?:我们|你们|他们|她们|它们|咱们|大家|我|你|您|他|她|它)"
_PART = r"[^，,；;。！？!?：:（）()《》“”\"]"
_BODY = rf"(?:{_PART}{{2,}})"
# in a part, what a conjunction's reach or a word's reference turns on
_REACHES = re.compile(
    r"因为|所以|因此|如果|虽然|但|可是|不过|然而|而且|并且|或者|还是|否则|不然|那样|这样|前者|后者|其中|同样|仍|依然|反而|甚至|尤其"
)
_REFERS = re.compile(r"他|她|它|其|此|该|自己|这|那")


def _because(found: re.Match[str]) -> str | None:
    """因为A，所以B -> 之所以B，是因为A; the subject of B stands before 之所以."""
    cause, result = found["a"], found["b"]
    subject = re.match(_PRONOUN, result)
    who = subject[0] if subject else ""
    rest = result[len(who) :]
    return f"{who}之所以{rest}，是因为{cause}" if rest and not rest.startswith(("就", "才", "要", "请", "会")) else None


def _therefore(found: re.Match[str]) -> str | None:
    """A之所以B，是因为C -> 因为C，所以AB."""
    return f"因为{found['b']}，所以{found['who'] or ''}{found['a']}"


def _reason_last(found: re.Match[str]) -> str | None:
    """A，因为B -> 因为B，所以A; not where it may be the reason that is denied."""
    return None if "不是" in found["a"] or "不仅" in found["a"] else f"因为{found['b']}，所以{found['a']}"


def _if(found: re.Match[str]) -> str | None:
    """如果A，(就)B -> B，如果A的话; not where B refers to A, or its 就 stands further in."""
    result = re.sub(rf"^(?:那么|那)?({_PRONOUN}|)(?:就|便|则)?", r"\1", found["b"])
    if len(result) < 2 or _REFERS.search(result) or "就" in result:
        return None
    return f"{result}，{found['word']}{found['a'].removesuffix('的话')}的话"


def _although(found: re.Match[str]) -> str | None:
    """虽然A，但是B -> B，虽然A; B names its own subject."""
    result = re.sub(rf"^({_PRONOUN})?(?:却|还是|仍然|仍|也|依然)", r"\1", found["b"])
    if not _named(result) or (_REFERS.search(result) and not _REFERS.search(found["a"])):
        return None
    return f"{result}，{found['word']}{found['a']}"


def _swap(found: re.Match[str]) -> str | None:
    """The two parallel parts in each other's place."""
    a, b = found.span("a"), found.span("b")
    return None if found["a"] == found["b"] else swapped(found.string[: found.end()], a, b)[found.start() :]


_CLAUSES: list[tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]]] = [
    (re.compile(rf"(?:因为|由于)(?P<a>{_BODY})[，,]\s?(?:所以|因此|因而)[，,]?(?P<b>{_BODY})"), _because),
    (re.compile(rf"(?P<who>{_PRONOUN})?之所以(?P<a>{_BODY})[，,]\s?是?因为(?P<b>{_BODY})"), _therefore),
    (re.compile(rf"(?P<a>{_BODY})[，,]\s?因为(?P<b>{_BODY})"), _reason_last),
    (re.compile(rf"(?P<word>如果|假如|要是|倘若|若是)(?P<a>{_BODY})[，,]\s?(?P<b>{_BODY})"), _if),
    (re.compile(rf"(?P<word>虽然|尽管)(?P<a>{_BODY})[，,]\s?(?:但是|但|可是|不过|然而)(?P<b>{_BODY})"), _although),
]
# short parts without a clause of their own, up to a sign
_SHORT = rf"(?:(?!又|既|也|都|就|的|得)[{CJK}]){{1,4}}"
_PARALLEL: list[tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]]] = [
    (re.compile(rf"既(?P<a>{_SHORT})又(?P<b>{_SHORT})(?=[，,。！？!?；;\s]|的|$)"), _swap),
    (re.compile(rf"(?<!又)又(?P<a>{_SHORT})又(?P<b>{_SHORT})(?=[，,。！？!?；;\s]|的|$)"), _swap),
    (re.compile(rf"一边(?P<a>{_SHORT})[，,]?一边(?P<b>{_SHORT})(?=[，,。！？!?；;\s]|$)"), _swap),
    (re.compile(rf"要么(?P<a>{_BODY})[，,]要么(?P<b>{_BODY})(?=[。！？!?；;\s]|$)"), _swap),
]
# what says that the order tells something; 与 and 和 may be "with", as in 与……有关
_ORDERED = re.compile(
    r"不|没|无|非|未|别|之间|分别|先|再|后|从|到|由|比|相比|对比|不同|区别|差|相同|一样|一致|一起|有关|无关|相关|关于|结婚|战|对阵|vs"
)
_OPEN, _CLOSE = '《“‘「『【(（"', '》”’」』】)）"'


def _named(text: str) -> bool:
    """Whether it begins with a subject of its own: a pronoun or a noun."""
    return bool(re.match(_PRONOUN, text)) or _tags(text)[0][1][0] in "nr"


def clause(sentence: str) -> str | None:
    """The sentence, without its end sign, with its two clauses in the other order; None where no rule is sure."""
    for pattern, change in _CLAUSES:
        found = pattern.fullmatch(sentence)
        if found:
            parts = found["a"], found["b"]
            return None if any(_REACHES.search(part) for part in parts) else change(found)
    return None


def parallel(sentence: str) -> list[str]:
    """The sentence with one pair of parallel phrases (既…又…) the other way round, for each pair."""
    out = []
    for pattern, change in _PARALLEL:
        for found in pattern.finditer(sentence):
            changed = change(found)
            if changed:
                out.append(sentence[: found.start()] + changed + sentence[found.end() :])
    return out


def pairs(sentence: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The places of coordinated nouns (X和Y, X、Y) of one kind, each as two spans that may change places.

    What stands before them must not belong to the first alone, and what follows must not be said of the second alone.
    """
    if not re.search("[和与及、]|以及", sentence) or _ORDERED.search(sentence.replace("不错", "").replace("不仅", "")):
        return []
    words = _tags(sentence)
    starts = [0]
    for word, _ in words:
        starts.append(starts[-1] + len(word))
    found = []
    for i in range(1, len(words) - 1):
        if words[i][0] not in ("和", "与", "及", "以及", "、"):
            continue
        (a, kind), (b, other) = words[i - 1], words[i + 1]
        alike = len(a) == len(b) > 1 and a != b and (kind == other in ("ns", "nz") or {kind, other} <= {"n", "vn"})
        if not alike or not _begins(words, i - 1) or not _ends(words, i + 1) or _quoted(sentence, starts[i]):
            continue
        found.append(((starts[i - 1], starts[i]), (starts[i + 1], starts[i + 2])))
    return found


def _begins(words: list[tuple[str, str]], at: int) -> bool:
    """Whether what stands before belongs to both: nothing, a sign, a verb, a preposition, an owner with 的."""
    if not at:
        return True
    word, tag = words[at - 1]
    if word == "的":
        owner, kind = words[at - 2] if at > 1 else ("", "")
        return kind in ("r", "n", "ns", "nz", "nr", "nt") and owner[-1] not in "色质式型级号"
    return word in "、了着过" or tag in ("p", "c", "v") or (tag == "x" and not _inside(word))


def _ends(words: list[tuple[str, str]], at: int) -> bool:
    if at + 1 == len(words):
        return True
    word, tag = words[at + 1]
    return word in ("等", "都", "、", "和", "以及") or (tag == "x" and not _inside(word))


def _inside(word: str) -> bool:
    return word in _OPEN or word in _CLOSE or word in "·-—" or word.isalnum()


def _quoted(sentence: str, at: int) -> bool:
    """Whether a title or a quotation is open there."""
    before = sentence[:at]
    return sum(map(before.count, _OPEN[:-1])) > sum(map(before.count, _CLOSE[:-1])) or before.count('"') % 2 == 1


def swapped(sentence: str, first: tuple[int, int], second: tuple[int, int]) -> str:
    """The sentence with these spans in each other's place."""
    (i, j), (k, m) = first, second
    return sentence[:i] + sentence[k:m] + sentence[j:k] + sentence[i:j] + sentence[m:]


def _tags(text: str) -> list[tuple[str, str]]:
    """Words with jieba's part-of-speech tags."""
    import logging

    import jieba
    import jieba.posseg

    jieba.setLogLevel(logging.ERROR)
    return [(pair.word, pair.flag) for pair in jieba.posseg.cut(text)]
