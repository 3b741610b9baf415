"""Terms that tell corpora apart."""

import random

import numpy as np
import pytest

from toolkit.data import lexicon


def listed(text):
    return text.split()


WARD = listed("patient nurse fever dose wound scan clinic cough doctor blood ward surgery vaccine symptom pill heart")
BANK = listed("stock bond market bank profit loan dividend broker index shares futures trader yield debt fund audit")
COMMON = listed("new report week people city house early large small morning north old open paper river road")
病房 = listed("患者 护士 发烧 剂量 伤口 扫描 门诊 咳嗽 医生 血液 病房 手术 疫苗 症状 药片 心脏")
银行 = listed("股票 债券 市场 银行 利润 贷款 分红 经纪 指数 股份 期货 交易 收益 债务 基金 审计")
日常 = listed("今天 城市 房子 早晨 北方 公园 报纸 河流 道路 学校 朋友 冬天 下雨 晚上 时间 孩子")


def made(topic, common, count, seed, glue=" "):
    """Texts of four topic words and three common ones each."""
    rng = random.Random(seed)
    out = []
    for _ in range(count):
        chosen = rng.sample(topic, 4) + rng.sample(common, 3)
        rng.shuffle(chosen)
        out.append(glue.join(chosen))
    return out


def mixed(language, outside=80):
    """(source texts, which are from outside, reference)."""
    inside_words, outside_words, common, glue = {"en": (WARD, BANK, COMMON, " "), "zh": (病房, 银行, 日常, "，")}[
        language
    ]
    inside = made(inside_words, common, 600, 1, glue)
    strange = made(outside_words, common, outside, 2, glue)
    return inside + strange, set(strange), made(inside_words, common, 300, 3, glue)


def test_terms():
    assert lexicon.terms("The patient isn't in Ward 7: X-ray, 3.50 and a CT of the patient!") == [
        "patient", "ward", "x-ray", "ct",
    ]  # fmt: skip
    assert lexicon.terms("我们的基金经理看好A股，没有风险") == ["基金", "经理", "看好", "风险"]
    assert lexicon.terms("") == []


def test_contrast_by_hand():
    ours, theirs = np.array([10.0, 5.0, 0.0]), np.array([10.0, 0.0, 5.0])
    odds, z = lexicon.contrast(ours, theirs, prior=6.0)
    alpha = 6 * np.array([20, 5, 5]) / 30
    by_hand = [
        np.log((a + p) / (15 + 6 - a - p)) - np.log((b + p) / (15 + 6 - b - p))
        for a, b, p in zip(ours, theirs, alpha, strict=True)
    ]
    assert odds == pytest.approx(by_hand, abs=1e-6)
    assert z == pytest.approx(by_hand / np.sqrt(1 / (ours + alpha) + 1 / (theirs + alpha)), abs=1e-6)
    assert odds[0] == pytest.approx(0, abs=1e-6)
    assert odds[1] == pytest.approx(-odds[2], abs=1e-6)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_from_outside_is_found(language):
    texts, strange, reference = mixed(language)
    learnt = lexicon.learn(texts, reference)
    taken = {text for text in texts if learnt.score(text)[0] >= learnt.bound}
    assert len(taken & strange) >= 0.95 * len(strange)
    assert len(taken - strange) <= 0.05 * len(taken)
    assert learnt.false_share <= lexicon.FALSE_SHARE
    heaviest = sorted(learnt.weights, key=learnt.weights.__getitem__)
    assert set(heaviest[-10:]) <= set(BANK) | set(银行)
    assert set(heaviest[:10]) <= set(WARD) | set(病房)
    _, share, outside = learnt.score(next(iter(strange)))
    assert share > 0.8
    assert [weight for _, weight in outside] == sorted((weight for _, weight in outside), reverse=True)


def test_the_order_of_texts_plays_no_part():
    texts, _, reference = mixed("en")
    learnt = lexicon.learn(texts, reference)
    shuffled = lexicon.learn(
        random.Random(5).sample(texts, len(texts)), random.Random(6).sample(reference, len(reference))
    )
    assert (shuffled.bound, shuffled.weights, shuffled.seen) == (learnt.bound, learnt.weights, learnt.seen)


def test_where_nothing_is_from_outside_nothing_is_taken():
    texts, _, reference = mixed("en", outside=0)
    learnt = lexicon.learn(texts, reference)
    assert learnt.bound == np.inf
    assert learnt.smallest_share == pytest.approx(1 / (0.08 * 301))
    assert lexicon.learn([], reference).bound == np.inf
    assert lexicon.learn(texts[:3], reference[:2]).bound == np.inf


def test_a_reference_too_small_to_tell_takes_nothing():
    texts, _, reference = mixed("en", outside=20)
    assert lexicon.learn(texts, reference[:30]).bound == np.inf


LISTED = lexicon.Listed(["股票", "A股", "Stock", "interest rate", "futures", {"term": "期货", "weight": 3}, "car"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("股票型基金大涨", ["股票"]),
        ("今天a股、港股都涨", ["a股"]),
        ("STOCK markets and Interest  Rates? the interest rate!", ["stock", "interest rate"]),
        ("livestock, stocks, cards and scar", []),
        ("car股票car", ["car", "股票"]),
        ("期货futures", ["期货", "futures"]),
        ("", []),
    ],
)
def test_listed_terms_are_found(text, found):
    assert list(LISTED.find(text)) == found


def test_share_of_listed_terms():
    assert LISTED.score("期货 公司 新闻")[0] == pytest.approx(3 / 5)
    assert LISTED.score("the interest rate and the bank of Japan") == (1 / 3, [("interest rate", 1.0)])
    assert LISTED.score("nothing of that kind") == (0.0, [])


def test_the_lexicon_of_a_domain():
    kept = {"患者": 40, "心电图": 12, "今天": 30, "时间": 20, "mri": 9, "ward": 8, "new": 7, "once": 1}
    assert lexicon.of_domain(kept, {}, 2, 10) == ["患者", "心电图", "mri", "ward", "new"]
    assert lexicon.of_domain(kept, {"new": 30, "stock": 9}, 2, 10) == ["患者", "心电图", "mri", "ward"]
    assert lexicon.of_domain(kept, {}, 2, 1) == ["患者"]
    assert lexicon.of_domain({}, {}, 2, 10) == []
