"""Texts from outside the domain, by list and by reference."""

from types import SimpleNamespace

import pyarrow as pa
import pytest

from toolkit.data import columns, lexicon, rules
from toolkit.data.clean import domain
from toolkit.data.clean import rows as row_module
from toolkit.errors import ToolkitError

FINANCE = ["股票", "期货", "基金", "stock market", "dividend", {"term": "share price", "weight": 2}]


def rows_of(**splits):
    tables = {
        split: pa.table(
            {"text": pa.array(texts, pa.string()), "label": ["x", "y"] * (len(texts) // 2) + ["x"] * (len(texts) % 2)}
        )
        for split, texts in splits.items()
    }
    return row_module.from_dataset(columns.to_dataset(tables, "x", complete=False))


def run(rows, share=0.3, action="drop", **given):
    rows.stage = "domain"
    config = SimpleNamespace(domain=SimpleNamespace(domain_share=share, domain_action=action))
    figures = domain.run(rows, config, given)
    rows.settle()
    return figures


def cases(word, place, count):
    return [
        f"{word} case {i}: the nurse saw patient {i} in {place} ward {i % 7} and noted the dose" for i in range(count)
    ]


TEXTS = [
    "患者心电图异常，医生建议住院",
    "股票基金大跌，期货反弹",
    "股票经理人突发心梗，送医院抢救，家属陪同",
    "The stock market fell as the dividend was cut",
    "The nurse gave the patient the second dose",
    "share price falls again",
]


def test_a_list_of_terms():
    rows = rows_of(train=TEXTS)
    figures = run(rows, terms=FINANCE)
    assert {TEXTS[row]: detail for row, _, _, detail in rows.rejects} == {
        TEXTS[1]: "基金 1.0, 期货 1.0, 股票 1.0 (60% of the evidence)",
        TEXTS[3]: "dividend 1.0, stock market 1.0 (50% of the evidence)",
        TEXTS[5]: "share price 2.0 (67% of the evidence)",
    }
    assert {reason for _, _, reason, _ in rows.rejects} == {"outside the domain"}
    assert figures["outside"] == 3
    assert figures["outside_terms"][0] == {"term": "share price", "weight": 2.0, "rows": 1}
    assert rows.files["outside.txt"].splitlines()[0] == "share price\t2"
    again = rows_of(train=[rows.values("text")[row] for row in rows.living()])
    assert run(again, terms=FINANCE)["outside"] == 0
    assert run(rows_of(train=TEXTS), share=0.05, terms=FINANCE)["outside"] == 4


def test_flags_protection_and_nothing_asked():
    rows = rows_of(train=TEXTS[:2], test=[TEXTS[5]])
    assert run(rows) is None
    figures = run(rows, action="flag", terms=FINANCE)
    assert figures["outside"] == 2
    assert rows.values("flags") == [None, "outside the domain: 基金, 期货, 股票", "outside the domain: share price"]
    assert rows.alive.all()
    run(rows, terms=FINANCE)
    assert rows.spared == {"domain": 1}


def test_a_reference_of_the_domain(monkeypatch):
    inside = cases("heart", "north", 250) + cases("lung", "south", 250)
    strange = [f"the broker sold {i} shares and bonds as index {i} and the market fell" for i in range(60)]
    reference = cases("heart", "south", 200) + cases("lung", "north", 200)
    rows = rows_of(train=inside + strange)
    figures = run(rows, reference=reference)
    texts = rows.values("text")
    assert {texts[row] for row, *_ in rows.rejects} == set(strange)
    assert figures["outside"] == 60
    assert figures["estimated_precision"] >= 1 - lexicon.FALSE_SHARE
    assert {"broker", "shares", "bonds"} <= {entry["term"] for entry in figures["outside_terms"]}
    assert all("broker" in detail and detail.endswith("% of the evidence)") for *_, detail in rows.rejects)
    assert {"nurse", "patient", "ward"} <= set(rows.files["domain.txt"].split())
    assert not {"broker", "market"} & set(rows.files["domain.txt"].split())
    listed = [
        dict(zip(("term", "weight"), line.split("\t"), strict=True)) for line in rows.files["outside.txt"].splitlines()
    ]
    later = rows_of(train=[inside[0], "the market fell and the broker sold bonds"])
    assert run(later, terms=listed)["outside"] == 1  # what was learnt is a list for other sources
    clean = rows_of(train=inside)
    assert run(clean, reference=reference)["outside"] == 0


def test_an_empty_reference_is_told():
    with pytest.raises(ToolkitError, match="has no texts"):
        run(rows_of(train=TEXTS), reference=["", " "])


def test_terms_are_read(tmp_path):
    path = tmp_path / "terms.txt"
    path.write_text("股票\n\nshare price\t2.5\n", encoding="utf-8")
    assert rules.load_terms(path) == [{"term": "股票", "weight": 1.0}, {"term": "share price", "weight": 2.5}]
    for content, message in (
        ("a\tb\n", "line 1"),
        ("a\nb\t-1\n", "line 2"),
        ("\n\t2\n", "line 2"),
        ("\n", "holds no terms"),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ToolkitError, match=message):
            rules.load_terms(path)
