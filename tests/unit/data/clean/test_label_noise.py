"""The stage `label-noise`: what happens to rows whose label is probably wrong."""

import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from toolkit.data import columns, noise
from toolkit.data.clean import audit, label_noise
from toolkit.data.clean import rows as row_module
from toolkit.errors import ToolkitError

TOPICS = {"rail": "ticket train platform", "bake": "recipe oven flour", "音乐": "吉他 歌曲 舞台"}
NAMES = sorted(TOPICS)
ODD = [3, 40, 77, 101]  # rows that will bear the next class


def topical(count=150, seed=0, odd=ODD):
    """Texts of three subjects, and their labels, some of them wrong."""
    rng = np.random.default_rng(seed)
    texts = []
    for i in range(count):
        texts.append(" ".join(rng.permutation([*TOPICS[NAMES[i % 3]].split(), f"{i} {rng.integers(1e6)}"])))
    return {"text": texts, "label": [NAMES[(i + (i in odd)) % 3] for i in range(count)]}


def made(**splits):
    return row_module.from_dataset(columns.to_dataset({s: pa.table(t) for s, t in splits.items()}, "x", complete=False))


def run(rows, action="flag", folds=5, **given):
    rows.stage = "label-noise"
    config = SimpleNamespace(
        noise=SimpleNamespace(label_noise=action, noise_folds=folds), duplicates=SimpleNamespace(near="minhash"), seed=7
    )
    figures = label_noise.run(rows, config, given)
    rows.settle()
    json.dumps(figures, allow_nan=False)
    return figures


def next_class(i):
    return NAMES[i % 3]


@pytest.mark.parametrize("action", ["flag", "off"])  # off: the stage was asked for by name
def test_flag(action):
    rows = made(train=topical())
    figures = run(rows, action)
    flags = rows.values("flags")
    assert {i: flags[i] for i in range(150) if flags[i]} == {i: f"label noise: maybe {next_class(i)}" for i in ODD}
    assert rows.alive.all()
    assert not rows.rejects
    assert rows.values("label") == topical()["label"]
    assert figures["flagged"] == len(ODD)
    assert figures["scored"] == 150
    assert (figures["content"], figures["classes_too_rare"]) == ("n-grams", [])
    for name, truth in (("precision", 1), ("share_of_wrong_labels", len(ODD) / 150)):
        assert figures[name]["low"] <= truth <= figures[name]["high"] + 0.1
    assert noise.LEAST <= figures["threshold"] <= 1


def test_drop():
    rows = made(train=topical())
    run(rows, "drop")
    assert sorted(np.flatnonzero(~rows.alive)) == ODD
    detail = {row: (stage, reason, told) for row, stage, reason, told in rows.rejects}[3]
    assert detail[:2] == ("label-noise", "label noise")
    told, chance = detail[2].rsplit(" ", 1)
    assert told == f"maybe {NAMES[0]}, not {NAMES[1]}: probability"
    assert 0.9 <= float(chance) <= 1


def test_relabel():
    rows = made(train=topical())
    run(rows, "relabel")
    assert rows.alive.all()
    assert rows.values("label") == topical(odd=())["label"]
    changes = rows.changes().to_pylist()
    assert {(c["id"], c["column"], c["before"], c["after"]) for c in changes} == {
        (f"train-{i}", "label", NAMES[(i + 1) % 3], NAMES[i % 3]) for i in ODD
    }
    assert not run(rows, "relabel")["flagged"]  # mended rows give no more cause


@pytest.mark.parametrize("action", ["flag", "drop", "relabel"])
def test_suspicious_rows_lead_the_audit(action):
    rows = made(train=topical())
    run(rows, action)
    assert sorted(rows.suspicious) == ODD
    suggested, why = rows.suspicious[40]
    assert suggested == next_class(40)
    assert why.startswith("label noise ")
    chances = [float(why.split()[-1]) for _, why in rows.suspicious.values()]
    assert chances == sorted(chances, reverse=True)
    assert chances[-1] > 0.9
    files = audit.sample(rows, 0.0, 7, rows.suspicious)
    assert (files != {}) == (action != "drop")  # what was dropped needs no look
    if files:
        listed = files["audit.csv"].decode("utf-8-sig").splitlines()[1:]
        assert {line.split(",")[0] for line in listed} == {f"train-{i}" for i in ODD}


@pytest.mark.parametrize("action", ["drop", "relabel"])
def test_a_test_split_of_its_own_is_judged_and_kept(action):
    rows = made(train=topical(odd=()), test=topical(60, seed=1, odd=[4, 8]))
    figures = run(rows, action)
    assert figures["flagged"] == 2
    assert rows.alive.all()
    assert rows.values("label")[150:] == topical(60, odd=[4, 8])["label"]
    assert sorted(rows.suspicious) == [154, 158]
    assert rows.spared == ({"label-noise": 2} if action == "drop" else {})


def test_the_order_of_the_source_plays_no_part():
    table = topical() | {"id": [f"{i:03}" for i in range(150)]}
    order = np.random.default_rng(0).permutation(150)
    turned = {name: [values[i] for i in order] for name, values in table.items()}
    found = [run(rows := made(train=t)) | {"ids": {rows.id(i) for i in rows.suspicious}} for t in (table, turned)]
    assert found[0] == found[1]


def test_rows_without_label_rare_classes_and_the_dead():
    table = topical()
    table["label"][10], table["label"][11] = None, "once"
    rows = made(train=table)
    rows.stage = "missing"
    rows.reject(3, "gone", "")
    figures = run(rows)
    assert figures["classes_too_rare"] == ["once"]
    assert figures["scored"] == 147
    assert sorted(rows.suspicious) == ODD[1:]


def test_near_copies_do_not_judge_each_other(monkeypatch):
    seen = {}
    real = noise.find

    def spy(codes, **given):
        seen.update(given)
        return real(codes, **given)

    monkeypatch.setattr(noise, "find", spy)
    table = topical()
    text = "the very same long question about a ticket for a train"
    table["text"] += [text, text.title() + "!", "", "!!"]
    table["label"] += ["rail", "bake", "rail", "bake"]
    run(made(train=table))
    groups = seen["groups"][np.argsort(sorted(range(154), key=lambda i: f"train-{i}"))]
    assert groups[150] == groups[151]
    assert len(np.unique(np.delete(groups, 151))) >= 151


def test_a_model_reads_along():
    table = topical()
    labels = np.array([NAMES.index(label) for label in topical(odd=())["label"]])
    table["text"] = [f"text {i}" for i in range(150)]  # the words alone tell nothing
    where = dict(zip(table["text"], labels, strict=True))
    rows = made(train=table)
    figures = run(rows, embed=lambda texts: np.eye(3, dtype=np.float32)[[where[text] for text in texts]])
    assert figures["content"] == "n-grams and vectors"
    assert sorted(rows.suspicious) == ODD


def test_tables():
    rng = np.random.default_rng(0)
    kinds = np.arange(150) % 3
    size = kinds * 4 + rng.standard_normal(150)
    size[::20] = np.nan
    size[5] = np.inf
    table = {
        "size": size,
        "colour": np.array(["red", "green", "blue"])[kinds],
        "user_id": np.arange(150),
        "empty": np.full(150, np.nan),
        "label": topical()["label"],
    }
    rows = made(train=table)
    figures = run(rows)
    assert rows.kind == "table"
    assert figures["content"] == "vectors"
    assert sorted(rows.suspicious) == ODD
    scaled = label_noise._vectors(rows, rows.living())
    assert scaled.shape == (150, 5)  # the size, the empty one and three colours, but no identifier
    assert np.nanmean(np.where(np.isfinite(scaled[:, 0]), scaled[:, 0], np.nan)) == pytest.approx(0, abs=1e-9)


def test_scales_come_from_train():
    train = {"size": np.arange(10.0), "label": ["a", "b"] * 5}
    rows = made(train=train, test=train | {"size": np.arange(10.0) + 1000})
    scaled = label_noise._vectors(rows, rows.living())[:, 0]
    assert scaled[:10].mean() == pytest.approx(0)
    assert scaled[:10].std() == pytest.approx(1)
    assert scaled[10:].min() > 300


def test_series():
    rng = np.random.default_rng(0)
    series = [[((1 + i % 3) * (4 + rng.standard_normal(20))).tolist()] for i in range(150)]
    rows = made(train={"series": series, "label": topical()["label"]})
    assert run(rows)["content"] == "vectors"
    assert len(set(ODD) & set(rows.suspicious)) >= 3
    assert len(rows.suspicious) <= len(ODD) + 1


def test_nothing_to_learn_from():
    rows = made(train={"user_id": list(range(20)), "label": ["a", "b"] * 10})
    with pytest.raises(ToolkitError, match="nothing to learn from"):
        run(rows)
    with pytest.raises(ToolkitError, match="two classes of 60 rows"):
        run(made(train=topical()), folds=60)


def test_what_is_said(monkeypatch):
    lines = []
    monkeypatch.setattr(label_noise.console, "note", lines.append)
    figures = run(made(train=topical()))
    assert lines[-1].startswith(f"label noise: 4 labels are probably wrong, {figures['precision']['value']:.0%} (")
    run(made(train=topical(odd=())))
    assert lines[-1] == "label noise: 0 labels are probably wrong, none of these truly"
