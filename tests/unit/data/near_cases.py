"""What the tests of near-duplicates share: the definition word by word, and corpora."""

import csv
import random
from itertools import combinations
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from toolkit.data import near
from toolkit.data.near import minhash
from toolkit.data.text import CJK_CHAR, fold, is_cjk

SAMPLE = Path(__file__).parents[3] / "sample_data" / "text.csv"
HAN = [chr(code) for code in range(0x4E00, 0x9000)]


def grams(text, size):
    return {text[i : i + size] for i in range(max(1, len(text) - size + 1))} if text else set()


def sides(text):
    """What a text is compared by: with a text of its kind, and with one of the other kind."""
    text = fold(text)
    cjk = is_cjk(text)
    return cjk, grams(text, 2 if cjk else 5), grams(text, 2) if CJK_CHAR.search(text) else set()


def similarity(a, b):
    """The definition of design.md, word by word."""
    a, b = (a[1], b[1]) if a[0] == b[0] else (a[2], b[2])
    return len(a & b) / len(a | b) if min(len(a), len(b)) * 2 > max(len(a), len(b)) else 0.0


def firsts(texts):
    """The first of each fold, and each later one with its first."""
    first = {}
    same = [(first.setdefault(fold(t), i), i) for i, t in enumerate(texts) if fold(t)]
    return sorted(first.values()), [pair for pair in same if pair[0] != pair[1]]


def brute_force(texts):
    """Each text paired with the first of its fold, and those firsts with each other."""
    rows, same = firsts(texts)
    by = {i: sides(texts[i]) for i in rows}
    return sorted(same + [(a, b) for a, b in combinations(rows, 2) if similarity(by[a], by[b]) >= near.THRESHOLD])


def every_pair(texts):
    """As brute_force, for more texts: by the exact similarities that the tests above have checked."""
    rows, same = firsts(texts)
    table = minhash.MinHash(texts, 0)
    left, right = np.triu_indices(len(rows), 1)
    alike = table.near(left, right)
    return sorted(same + list(zip(table.rows[left[alike]].tolist(), table.rows[right[alike]].tolist(), strict=True)))


WORDS = st.sampled_from(["ab", "abc", "the", "cat", "sat", "好", "世界", "很", "的", "A", "!", "👍", "é", "１", "½"])


def sample_texts(count):
    """Rows of the sample and copies of some with slips: similarities all around the threshold."""
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:count]
    rng = random.Random(0)
    for text in rng.sample([t for t in texts if len(t) > 15], count // 3):
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(["", "x", "好", " ", text[at]]) + text[at + 1 :]
        texts.append(text)
    return texts


# Corpora in which many texts share a template: (name, how one text is made from a random generator)
PARCEL = "the parcel that you ordered from our online shop will be delivered by"
TEMPLATES = {
    "none near": lambda rng: f"your code is {rng.randrange(10**6):06d}, valid for 5 minutes",
    "all near": lambda rng: (
        f"{PARCEL} noon, if nobody is at home call us and tell the number {rng.randrange(10**6):06d}"
    ),
    "some near": lambda rng: f"{PARCEL} {'abcdefgh'[: rng.randint(3, 8)]}{rng.randrange(99)} at {rng.randrange(999)}",
    "chinese": lambda rng: f"尊敬的客户您的验证码为{rng.randrange(10**4):04d}请在五分钟内输入切勿告诉他人谢谢",
    "both scripts": lambda rng: f"{PARCEL} 快递 {'和平友好天气'[: rng.randint(2, 6)]}{rng.randrange(99)}",
}


def templated(name, count):
    rng = random.Random(0)
    return [TEMPLATES[name](rng) for _ in range(count)]
