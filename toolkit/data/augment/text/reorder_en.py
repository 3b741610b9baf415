"""English sentences said in another order: which clauses and which coordinated words may change places.

There is no tagger: words of closed classes and endings tell, and what they leave open stays as it is.
"""

from __future__ import annotations

import json
import re
from importlib import resources

from toolkit.data.augment.text.eda import in_case_of
from toolkit.data.augment.text.inflection import article

_WORDS: dict[str, list[str]] = json.loads(
    resources.files(__package__).joinpath("reorder_en.json").read_text(encoding="utf-8")
)


def words_of(name: str) -> str:
    """An alternation of the words of this list."""
    return "|".join(sorted(_WORDS[name], key=len, reverse=True))


CONJUNCTIONS = words_of("conjunctions")
_PRONOUNS = words_of("pronouns")
_DETERMINERS = words_of("determiners")
_AUXILIARIES = words_of("auxiliaries")
_VERBS = words_of("verbs")
# what makes the reach of a clause or the reference of a word unsure
_UNSURE = re.compile(rf"[,;:()\"“”*`]|--|–|—|\b(?:{CONJUNCTIONS}|{words_of('unsure')})\b")
REFERS = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|their|theirs|one|ones|himself|herself|itself|it's)\b"
)
NEGATED = re.compile(r"\b(?:not|never|no|nothing|nobody|hardly|only|just|mainly|n't|\w+n't|\w+n’t|cannot)\b|n't|n’t")
# what has an `if` or `when` clause as its object, or as what tells a noun or an adverb apart
_TAKES_A_CLAUSE = re.compile(rf"\b(?:{words_of('takes_a_clause')})\b|\b(?:{words_of('joined_to_a_clause')})$")
_SUBJECT = re.compile(r"\b(?:i|he|she|we|they)\b")
_QUALITY = re.compile(rf"\b(?:{words_of('qualities')})\b")
_STARTS_LOWER = re.compile(rf"(?:{_DETERMINERS}|{_PRONOUNS}|{_AUXILIARIES}|what|where|how|why|who)\b", re.I)
_FIRST_PERSON = re.compile(r"i\b", re.I)

_FRONT = re.compile(rf"(?P<first>{CONJUNCTIONS}) (?P<sub>[^,]+?) ?, (?P<main>[^,]+)", re.I)
_BACK = re.compile(rf"(?P<main>.+?)(?P<comma> ?,)? (?P<last>{CONJUNCTIONS}) (?P<sub>.+)", re.I)
_ASKED = re.compile(rf"(?:{_AUXILIARIES})\b", re.I)


def clause(sentence: str) -> str | None:
    """`Because B, A` as `A because B`, and the other way round; None where that is not safe.

    Args:
        sentence: without its end sign.
    """
    front = _FRONT.fullmatch(sentence)
    if front:
        first, sub, main = front["first"], front["sub"], front["main"]
        if not (_is_clause(sub) and _is_main(main)) or REFERS.search(main.lower()) or _turns(first.lower(), sub):
            return None
        return to_back(first, sub, main)
    back = _BACK.fullmatch(sentence)
    if back:
        main, last, sub = back["main"], back["last"], back["sub"]
        if not (_is_clause(sub) and _is_main(main)) or _TAKES_A_CLAUSE.search(main.lower()):
            return None
        if last.lower() == "because" and NEGATED.search(main.lower()):
            return None  # it may be the reason that is negated
        return None if _turns(last.lower(), sub) else to_front(last, sub, main)
    return None


def to_back(conjunction: str, sub: str, main: str) -> str:
    """`main conjunction sub`; the capital goes with the beginning."""
    capital = conjunction[0].isupper() and len(conjunction) > 1
    comma = "," if conjunction.lower() in ("although", "though") else ""
    return f"{_upper(main) if capital else main}{comma} {conjunction.lower()} {sub}"


def to_front(conjunction: str, sub: str, main: str, name: bool | None = None) -> str | None:
    """`conjunction sub, main`; None where the first word's capital may be its own.

    Args:
        name: whether main begins with a name, where a tagger told.
    """
    if main[0].isupper():
        if name is None and not _STARTS_LOWER.match(main):
            return None
        conjunction = conjunction.capitalize()
        main = main if name or _FIRST_PERSON.match(main) else main[0].lower() + main[1:]
    return f"{conjunction} {sub}, {main}"


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def _turns(conjunction: str, sub: str) -> bool:
    """Whether it may be the `while` of contrast, which belongs where it stands."""
    lower = sub.lower()
    return conjunction == "while" and not (
        re.search(rf"\b(?:{_AUXILIARIES}) \w+ing\b", lower) and not _QUALITY.search(lower)
    )


def _is_clause(text: str) -> bool:
    """Whether it begins with a subject and has a verb, and nothing else reaches into it."""
    lower = text.lower().replace("’", "'")
    if _UNSURE.search(lower) or not re.match(rf"(?:{_PRONOUNS}|{_DETERMINERS})\b", lower):
        return False
    if _SUBJECT.search(lower, 1):
        return False  # of a second clause
    return _has_verb(lower)


def _has_verb(lower: str) -> bool:
    contracted = re.search(r"\b(?:i|you|he|she|it|we|they|there|that)'(?:s|m|re|ve|d|ll)\b", lower)
    return bool(contracted or re.search(rf"(?!^)\b(?:{_AUXILIARIES}|{_VERBS}|\w+n't)\b", lower))


def _is_main(text: str) -> bool:
    """Whether it can stand alone, and nothing in it leaves open what belongs to what."""
    lower = text.lower().replace("’", "'")
    if _UNSURE.search(re.sub(r"^(?:what|where|how|why|who)\b", "", lower)):
        return False
    subjects = _SUBJECT.findall(lower)
    if len(subjects) > 1 or (
        subjects and re.match(r"(?:what |who )?(?:is|are|was|were) (?!i\b|we\b|they\b|he\b|she\b)", lower)
    ):
        return False  # one of a clause within it
    if re.search(r"\b(?:the|those|only|first|last|best) \w+ (?:you|it)\b", lower):
        return False
    if re.search(r".\b(?:can|could|will|would|do|does|did|is|are) (?:you|i)\b", lower) and _ASKED.match(lower):
        return False  # a second question
    if re.match(r"(?:what|where|how|why|who)\b", lower):
        return bool(re.match(rf"\w+ (?:{_AUXILIARIES})\b", lower))
    starts = re.match(rf"(?:{_PRONOUNS}|{_DETERMINERS}|{_AUXILIARIES})\b", lower)
    return bool(starts) and (_has_verb(lower) or bool(_ASKED.match(lower)))


# Coordination

_COMMON_ADJECTIVES = words_of("common_adjectives")
_ADJECTIVE = rf"(?:[a-z]{{2,}}(?:ful|ous|ive|able|ible|less|ic|ical|ary|ish|ent|ant)|(?:{_COMMON_ADJECTIVES}))"
_NOUN = r"[a-z]{2,}(?:tion|sion|ness|ment|ity|ance|ence|ship|ism|hood|tions|sions|ments|ities|ances|ences)"
_NOT_ADJECTIVE = words_of("not_adjective")
_FIXED = set(_WORDS["fixed"])  # pairs that are said in one order alone
_LINK = r" (?P<link>and|or) "
_END = r"(?= ?(?:[.,;!?)]|$))"
_BARE_LEFT = rf"(?P<left>^|[,;(] |\b(?:{words_of('before_nouns')}) )"
_LEFT = rf"(?P<left>^|[,;(] ?|\b(?:{words_of('before_adjectives')}) )"
_PAIRS = [
    # both adjectives, after a form of be or before one noun
    re.compile(
        _LEFT + rf"(?P<a>(?!(?:{_NOT_ADJECTIVE})\b){_ADJECTIVE}){_LINK}(?P<b>(?!(?:{_NOT_ADJECTIVE})\b){_ADJECTIVE})"
        r"(?= ?[.,;!?)]| (?!(?:to|for|of|with|at|in|on|by|about|from|that|and|or|when|as)\b)\w|$)",
        re.I,
    ),
    # both nouns without a word before them
    re.compile(rf"{_BARE_LEFT}(?P<a>{_NOUN}){_LINK}(?P<b>{_NOUN}){_END}", re.I),
    # both with the same determiner
    re.compile(
        rf"(?P<left>^|[,;(] ?|\b(?:is|are|was|were|of|with|for|about|by|both|through|to) )"
        rf"(?P<a>(?P<same>the|a|an|my|your|his|her|its|our|their) [a-z]+){_LINK}(?P<b>(?P=same) [a-z]+){_END}",
        re.I,
    ),
]
# where the order tells something, or a word before them may belong to the first alone
ORDERED = re.compile(rf"\b(?:{words_of('ordered')}|\w+n't)\b|n['’]t")


def pairs(sentence: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The places of coordinated words of the same shape, each as two spans that may change places."""
    if ORDERED.search(sentence.lower()):
        return []
    found = []
    for pattern in _PAIRS:
        for match in pattern.finditer(sentence):
            a, b = match["a"], match["b"]
            alike = b == b.lower() and (a == a.lower() or match.start("a") == 0) and a.lower() != b
            fixed = f"{a} {b}".lower() in _FIXED or ("both " in sentence.lower() and match["left"].strip() == "of")
            if alike and not fixed:
                found.append((match.span("a"), match.span("b")))
    return found


def swapped(sentence: str, first: tuple[int, int], second: tuple[int, int]) -> str:
    """The sentence with these spans in each other's place; a capital at the beginning and `a`, `an` are set right."""
    (i, j), (k, m) = first, second
    a, b = sentence[i:j], sentence[k:m]
    if a[0].isupper() and b[0].islower():
        a, b = a[0].lower() + a[1:], b[0].upper() + b[1:]
    before = re.sub(r"\ban? $", lambda found: in_case_of(found[0], f"{article(b)} "), sentence[:i], flags=re.I)
    return before + b + sentence[j:k] + a + sentence[m:]
