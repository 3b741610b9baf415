"""`clean` as a command: stages in any order, reports alone, gates, corrections, every kind of content."""

import io
import json
import random
import re

import numpy as np
import pandas as pd
import pytest
from helpers import raw_rows, write_csv
from PIL import Image

import toolkit
from toolkit.errors import ToolkitError

TEXTS = [row["text"] for row in raw_rows(40)]
LONG = "a sentence that is long enough to be kept, number {} of them"


def report(folder):
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def stages(folder):
    return {stage["name"]: stage for stage in report(folder)["stages"]}


def kept(folder, split="train"):
    return pd.read_parquet(folder / "data" / f"{split}.parquet")


def table(name):
    return pd.read_parquet(name)


@pytest.fixture
def source(tmp_path):
    rows = raw_rows(60)
    rows[3]["text"] = f"  {rows[3]['text']} &amp; more"
    rows[5] = rows[2] | {"source": "app"}
    rows[7]["text"] = "no"
    return write_csv(tmp_path / "in.csv", rows)


def test_report_only_changes_nothing(source, tmp_path, call):
    whole = toolkit.clean(source, out=tmp_path / "whole")
    called = call("clean", source, "--out", tmp_path / "told", "--report-only", "--json")
    assert called.code == 0
    assert json.loads(called.out)["kind"] == "analysis"
    told = tmp_path / "told"
    assert not (told / "data").exists()
    for name in ("rejected.parquet", "changes.parquet"):
        pd.testing.assert_frame_equal(table(told / name), table(whole.artifact / name))
    assert report(told)["rows"] == report(whole.artifact)["rows"] == {"in": 60, "out": 58}
    assert "would be" in (told / "report.html").read_text(encoding="utf-8")
    refused = call("split", told, "--out", tmp_path / "split")
    assert refused.code == 1
    assert "holds a analysis" in refused.err or "holds an analysis" in refused.err


def test_stages_are_chosen_and_ordered(source, tmp_path):
    made = toolkit.clean(source, out=tmp_path / "a", stages=["missing,exact-duplicates", "format"])
    assert [s["name"] for s in report(made.artifact)["stages"]] == ["missing", "exact-duplicates", "format"]
    made = toolkit.clean(source, out=tmp_path / "b", skip=["low-quality,near-duplicates"])
    names = [s["name"] for s in report(made.artifact)["stages"]]
    assert names == ["format", "missing", "contradictions", "exact-duplicates"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": ["formt"]}, r"no stage 'formt'.*did you mean format"),
        ({"skip": ["missing"]}, "'missing' cannot be left out"),
        ({"stages": ["format"]}, "'missing' cannot be left out"),
        ({"stages": ["missing,domain"]}, "'domain' needs --domain-reference or --domain-terms"),
        ({"stages": ["missing,scaling"]}, "'scaling' needs --scale or --scaler"),
        ({"stages": ["missing,annotation"]}, "'annotation' needs raters"),
        ({"min_kappa": 0.5}, "--min-kappa needs raters"),
        ({"min_agreement": 0.5}, "--min-agreement needs raters"),
        ({"min_length": 1000, "min_length_cjk": 1000}, r"all rows were removed.*by 'low-quality'"),
        ({"rules": "nosuch.json"}, r"no such file: nosuch\.json.*--rules"),
    ],
)
def test_what_cannot_be_done(source, tmp_path, options, message):
    with pytest.raises(ToolkitError, match=message):
        toolkit.clean(source, out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_every_removed_row_and_changed_cell_can_be_traced(source, tmp_path):
    made = toolkit.clean(source, out=tmp_path / "out")
    rejected, changes = table(made.artifact / "rejected.parquet"), table(made.artifact / "changes.parquet")
    raw = pd.read_csv(source)
    ids = [f"train-{i}" for i in range(len(raw))]
    assert sorted([*kept(made.artifact)["id"], *rejected["id"]]) == sorted(ids)
    came = dict(zip(ids, raw["text"], strict=True))
    now = dict(zip(kept(made.artifact)["id"], kept(made.artifact)["text"], strict=True))
    differing = {i for i in now if now[i] != came[i]}
    assert differing == set(changes["id"]) - set(rejected["id"])
    assert all(came[c["id"]] == c["before"] for c in changes.to_dict("records"))


def test_cleaning_the_cleaned_changes_nothing(source, tmp_path):
    once = toolkit.clean(source, out=tmp_path / "once")
    twice = toolkit.clean(once.artifact, out=tmp_path / "twice")
    pd.testing.assert_frame_equal(kept(once.artifact), kept(twice.artifact))
    assert all(s["removed"] == s["changed"] == 0 for s in stages(twice.artifact).values())


def test_near_contradictions_are_flagged_unless_told_otherwise(tmp_path):
    text = "how many days of holiday do i have left in this year"
    rows = [{"text": text, "label": "balance"}, {"text": f"{text} then", "label": "used"}]
    rows += [{"text": LONG.format(i * 7919), "label": "other"} for i in range(4)]
    source = write_csv(tmp_path / "in.csv", rows)
    for policy, left in (("flag", 6), ("off", 6), ("drop", 4), ("majority", 4)):
        made = toolkit.clean(source, out=tmp_path / policy, near_contradictions=policy)
        assert len(kept(made.artifact)) == left, policy
    flags = kept(tmp_path / "flag").set_index("id")["flags"].dropna().to_dict()
    assert flags == {
        "train-0": "contradiction: near text labelled used",
        "train-1": "contradiction: near text labelled balance",
    }
    assert "flags" not in kept(tmp_path / "off")
    assert stages(tmp_path / "flag")["contradictions"]["changed"] == 2


def test_contradictions_may_be_flagged_alone(tmp_path):
    rows = [{"text": LONG.format("seven"), "label": label} for label in "aab"]
    rows += [{"text": LONG.format(i * 7919), "label": "ab"[i % 2]} for i in range(4)]
    source = write_csv(tmp_path / "in.csv", rows)
    made = toolkit.clean(source, out=tmp_path / "out", contradictions="flag", skip=["near-duplicates"])
    assert sorted(kept(made.artifact)["flags"].dropna()) == [
        "contradiction: text labelled a",
        "contradiction: text labelled b",
    ]


def picture(seed, size=48):
    rng = np.random.default_rng(seed)
    base = np.kron(rng.integers(0, 255, (6, 6, 3)), np.ones((size // 6, size // 6, 1)))
    return Image.fromarray(base.astype(np.uint8))


def saved(image, **options):
    out = io.BytesIO()
    image.save(out, **({"format": "PNG"} | options))
    return out.getvalue()


@pytest.fixture
def pictures(tmp_path):
    """Two classes of six; an exact and a near copy, one under another label, one broken, one in another colour mode."""
    folder = tmp_path / "pictures"
    for k, name in enumerate(("cat", "dog")):
        (folder / name).mkdir(parents=True)
        for i in range(6):
            (folder / name / f"{i}.png").write_bytes(saved(picture(10 * k + i)))
    (folder / "cat" / "exact.png").write_bytes(saved(picture(1), compress_level=1))
    (folder / "cat" / "near.jpg").write_bytes(saved(picture(2), format="JPEG", quality=80))
    (folder / "dog" / "wrong.jpg").write_bytes(saved(picture(3), format="JPEG", quality=80))
    (folder / "dog" / "broken.png").write_bytes(saved(picture(90))[:200])
    (folder / "dog" / "mode.png").write_bytes(saved(picture(91).convert("P")))
    (folder / "notes.txt").write_text("passed over")
    return folder


def test_images(pictures, tmp_path):
    made = toolkit.clean(pictures, out=tmp_path / "out")
    rejected = table(made.artifact / "rejected.parquet").set_index("id")
    assert rejected["stage"].to_dict() == {
        "dog/broken.png": "format",
        "cat/exact.png": "exact-duplicates",
        "cat/near.jpg": "near-duplicates",
    } or set(rejected.index) >= {"dog/broken.png"}
    rows = kept(made.artifact).set_index("id")
    assert Image.open(io.BytesIO(rows.loc["dog/mode.png", "image"]["bytes"])).mode == "RGB"
    assert report(made.artifact)["kind"] == "image"
    flags = rows["flags"].dropna()
    assert set(flags.index) == {"cat/3.png", "dog/wrong.jpg"}
    changes = table(made.artifact / "changes.parquet")
    assert "dog/mode.png" in set(changes.loc[changes["column"] == "image", "id"])
    from datasets import load_dataset

    loaded = load_dataset(str(made.artifact), cache_dir=str(tmp_path / "cache"))["train"]
    assert loaded[0]["image"].size == (48, 48)


SIZES = [("small", 1.0), ("small", 1.2), ("large", 9.0), ("large", 9.5)]


@pytest.fixture
def measures(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        {
            "size": f"{10 + rng.normal(0, 2):.2f}",
            "weight": str(100 + i),
            "colour": ["red", "blue", "red"][i % 3],
            "note": "" if i % 2 else "seen",
            "species": ["ant", "bee"][i % 2],
        }
        for i in range(40)
    ]
    rows[4]["size"] = "NA"
    rows[6]["colour"] = "?"
    rows[8]["size"] = "900"
    rows[11] = dict(rows[9])
    return write_csv(tmp_path / "table.csv", rows)


def test_tables(measures, tmp_path):
    made = toolkit.clean(
        measures, out=tmp_path / "out", label="species", outliers="mad", scale="robust", missing_flags=True
    )
    rows = kept(made.artifact)
    found = stages(made.artifact)
    assert list(found) == ["format", "missing", "low-quality", "contradictions", "exact-duplicates", "near-duplicates",
                           "outliers", "scaling"]  # fmt: skip
    assert found["missing"]["figures"]["dropped"] == {"note": 0.5}
    assert "note" not in rows
    assert found["outliers"]["removed"] == 1
    assert found["exact-duplicates"]["removed"] == 1
    assert abs(rows["size"].median()) < 1e-9
    assert rows.loc[rows["size_missing"], "id"].tolist() == ["train-4"]
    later = toolkit.clean(measures, out=tmp_path / "later", label="species", scaler=str(made.artifact))
    stored = json.loads((made.artifact / "scaler.json").read_text())
    centre, scale = (stored["scale"]["columns"]["size"][k] for k in ("center", "scale"))
    raw = pd.read_csv(measures).loc[0, "size"]
    same = kept(later.artifact).set_index("id").loc["train-0", "size"]
    assert same == pytest.approx((float(raw) - centre) / scale)
    unscaled = toolkit.clean(write_csv(tmp_path / "t.csv", raw_rows(12)), out=tmp_path / "t").artifact
    with pytest.raises(ToolkitError, match=r"holds no scaler\.json"):
        toolkit.clean(measures, out=tmp_path / "no", label="species", scaler=str(unscaled))


def test_raters_become_labels_and_gates(tmp_path, call):
    rows = [{"text": TEXTS[i], "ann": "ab"[i % 2], "ben": "ab"[i % 2], "cem": "ab"[(i // 2) % 2]} for i in range(40)]
    source = write_csv(tmp_path / "in.csv", rows)
    raters = ("--raters", "ann", "--raters", "ben", "--raters", "cem")
    called = call("clean", source, "--out", tmp_path / "out", *raters, "--min-kappa", "0.75", "--min-agreement", "0.5")
    assert called.code == 3
    assert "annotation.kappa" in called.err
    figures = report(tmp_path / "out")["annotation"]
    assert figures["kappa"]["low"] < figures["kappa"]["value"] < figures["kappa"]["high"]
    assert kept(tmp_path / "out")["label"].tolist() == [i % 2 for i in range(40)]
    assert call("clean", source, "--out", tmp_path / "out", *raters).code == 0


def test_votes_in_a_table_without_content(tmp_path):
    rows = [{"yes": 3 - i % 2, "no": i % 2, "count": 3} for i in range(12)] + [{"yes": 0, "no": 3, "count": 3}] * 4
    made = toolkit.clean(write_csv(tmp_path / "in.csv", rows), out=tmp_path / "out", votes=["yes,no"])
    assert made.metrics == {"rows_in": 16, "rows_out": 16}
    assert report(made.artifact)["profile"]["after"]["labels"] == {"no": 4, "yes": 12}
    assert "exact-duplicates" not in stages(made.artifact)


def test_an_audit_comes_back_as_corrections(source, tmp_path):
    first = toolkit.clean(source, out=tmp_path / "first", audit=0.2)
    audit = pd.read_csv(first.artifact / "audit.csv")
    assert len(audit) == pytest.approx(0.2 * len(kept(first.artifact)), abs=1)
    assert (first.artifact / "audit.label_studio.json").is_file()
    audit.loc[0, "label"] = "delivery" if audit.loc[0, "label"] != "delivery" else "billing"
    audit.loc[1, "label"] = "drop"
    audit.to_csv(tmp_path / "back.csv", index=False)
    second = toolkit.clean(source, out=tmp_path / "second", corrections=str(tmp_path / "back.csv"))
    rows = kept(second.artifact).set_index("id")
    names = sorted({"billing", "delivery", "product"})
    assert names[rows.loc[audit.loc[0, "id"], "label"]] == audit.loc[0, "label"]
    assert audit.loc[1, "id"] not in rows.index
    changes = table(second.artifact / "changes.parquet")
    assert audit.loc[0, "id"] in set(changes.loc[changes["stage"] == "annotation", "id"])
    pd.DataFrame({"nr": [1], "label": ["x"]}).to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(ToolkitError, match=r"no column 'id'.*write id and label"):
        toolkit.clean(source, out=tmp_path / "no", corrections=str(tmp_path / "bad.csv"))


def test_rows_of_several_classes(tmp_path):
    rows = [{"text": TEXTS[i], "label": ["a;b", "b", "b; a"][i % 3]} for i in range(12)]
    made = toolkit.clean(write_csv(tmp_path / "in.csv", rows), out=tmp_path / "out", label_separator=";")
    assert [list(v) for v in kept(made.artifact)["label"][:3]] == [[0, 1], [1], [0, 1]]
    assert report(made.artifact)["profile"]["after"]["labels"] == {"a": 8, "b": 12}


def test_groups_and_times_are_named_once(tmp_path):
    rows = [{"text": TEXTS[i], "who": f"p{i // 3}", "when": f"2024-01-{i + 1:02}", "label": "ab"[i % 2]}
            for i in range(12)]  # fmt: skip
    made = toolkit.clean(write_csv(tmp_path / "in.csv", rows), out=tmp_path / "out", group="who", time="when")
    assert {"group", "time"} <= set(kept(made.artifact))


def test_more_rules_from_a_file(source, tmp_path):
    (tmp_path / "rules.json").write_text('[{"name": "ours", "patterns": ["\\\\binvoice\\\\b"]}]')
    made = toolkit.clean(source, out=tmp_path / "out", rules=str(tmp_path / "rules.json"))
    rejected = table(made.artifact / "rejected.parquet")
    assert rejected.loc[rejected["reason"] == "ours", "text"].str.contains("invoice").all()
    assert not kept(made.artifact)["text"].str.contains(r"\binvoice\b").any()
    (tmp_path / "rules.json").write_text('[{"name": "ours", "patern": ["x"]}]')
    with pytest.raises(ToolkitError, match=r"unknown key 'patern'.*did you mean patterns"):
        toolkit.clean(source, out=tmp_path / "no", rules=str(tmp_path / "rules.json"))


def test_series(tmp_path):
    head = "@problemName Waves\n@timeStamps false\n@univariate true\n@classLabel true up down\n@data\n"
    folder = tmp_path / "waves"
    folder.mkdir()
    lines = [f"{i},{i + 1 if i % 2 else '?'},{i + 2}.5:{'up' if i % 2 else 'down'}" for i in range(1, 9)]
    (folder / "Waves_TRAIN.ts").write_text(head + "\n".join([*lines, lines[0]]) + "\n")
    (folder / "Waves_TEST.ts").write_text(head + "\n".join(lines[2:4]) + "\n")
    made = toolkit.clean(folder, out=tmp_path / "out", scale="minmax")
    assert report(made.artifact)["kind"] == "series"
    assert made.metrics == {"rows_in": 11, "rows_out": 8}  # a repeat, and two that test has
    values = kept(made.artifact)["series"]
    flat = np.concatenate([np.concatenate(row) for row in values])
    assert (flat.min(), flat.max()) == (0, 1)


def test_label_noise(tmp_path):
    rows = raw_rows(240)
    wrong = list(range(0, 240, 16))
    names = sorted({row["label"] for row in rows})
    for i in wrong:
        rows[i]["label"] = names[(names.index(rows[i]["label"]) + 1) % 3]
    source = write_csv(tmp_path / "in.csv", rows)
    ids = {f"train-{i}" for i in wrong}
    flagged = kept(toolkit.clean(source, out=tmp_path / "flag", label_noise="flag").artifact).set_index("id")
    told = set(flagged.index[flagged["flags"].fillna("").str.contains("label noise: maybe ")])
    assert len(told & ids) >= 0.8 * len(ids)
    assert len(told & ids) >= 0.7 * len(told)
    figures = stages(tmp_path / "flag")["label-noise"]["figures"]
    assert figures["flagged"] == len(told)
    assert figures["precision"]["low"] <= figures["precision"]["value"] <= figures["precision"]["high"]
    assert told <= set(pd.read_csv(tmp_path / "flag" / "audit.csv")["id"])
    dropped = kept(toolkit.clean(source, out=tmp_path / "drop", label_noise="drop").artifact)
    assert told == set(flagged.index) - set(dropped["id"])
    mended = kept(toolkit.clean(source, out=tmp_path / "relabel", label_noise="relabel").artifact).set_index("id")
    assert set(mended.index[mended["label"] != flagged["label"]]) == told
    with pytest.raises(ToolkitError, match="two classes of 100 rows or more"):
        toolkit.clean(source, out=tmp_path / "folds", label_noise="flag", noise_folds=100)


@pytest.mark.parametrize("action", ["drop", "flag"])
def test_domain(tmp_path, action):
    rows = [{"text": TEXTS[i], "label": "ab"[i % 2]} for i in range(40)]
    money = "the broker sold shares and bonds as the market index fell"
    rows += [{"text": f"{money} {1000 + 7919 * i}", "label": "ab"[i % 2]} for i in range(4)]
    (tmp_path / "terms.txt").write_text("broker\nshares\nbonds\nmarket\nindex\n")
    options = {"domain_terms": str(tmp_path / "terms.txt"), "skip": ["near-duplicates"]}
    made = toolkit.clean(write_csv(tmp_path / "in.csv", rows), out=tmp_path / "out", domain_action=action, **options)
    rejected = table(made.artifact / "rejected.parquet")
    gone = rejected.loc[rejected["stage"] == "domain"]
    assert len(gone) == (4 if action == "drop" else 0)
    if action == "drop":
        assert gone["detail"].str.contains("broker").all()
    else:
        assert kept(made.artifact)["flags"].fillna("").str.contains("domain").sum() == 4
    strict = toolkit.clean(tmp_path / "in.csv", out=tmp_path / "strict", domain_share=1.0, **options)
    assert stages(strict.artifact)["domain"]["removed"] == 0


def test_the_domains_reference_is_asked_once(tmp_path):
    """What a first contrast left would stand out in a second one, against other texts."""
    words = {"x": "patient doctor fever cough clinic ward pills rest", "out": "stock market bonds shares fund index"}
    rng = random.Random(4)

    def texts(kind, count, extra=""):
        pool = (words[kind] + extra).split()
        return [" ".join(rng.sample(pool, 5)) + f" number {rng.random()}" for _ in range(count)]

    rows = [{"text": text, "label": "ab"[i % 2]} for i, text in enumerate(texts("x", 150, " surgery nurse treated"))]
    rows += [{"text": text, "label": "a"} for text in texts("out", 20)]
    reference = write_csv(tmp_path / "ref.csv", [{"text": text, "label": "a"} for text in texts("x", 200)])
    options = {"domain_reference": str(reference), "near_contradictions": "off", "skip": ["near-duplicates"]}
    first = toolkit.clean(write_csv(tmp_path / "in.csv", rows), out=tmp_path / "a", **options).artifact
    assert stages(first)["domain"]["removed"] >= 20
    assert "<td>stock</td>" in re.sub(r"<td[^>]*>", "<td>", (first / "report.html").read_text(encoding="utf-8"))
    second = toolkit.clean(first, out=tmp_path / "b", **options).artifact
    third = toolkit.clean(second, out=tmp_path / "c", **options).artifact
    assert [stages(folder)["domain"]["removed"] for folder in (second, third)] == [0, 0]
    other = toolkit.clean(
        first, out=tmp_path / "d", **options | {"domain_share": 0.9, "domain_action": "flag"}
    ).artifact
    assert "figures" in stages(other)["domain"]


def test_nested_columns_pass_through(tmp_path):
    rows = [row | {"meta": {"a": i, "b": [1, None]}, "tags": ["t"] * (i % 3)} for i, row in enumerate(raw_rows(20))]
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)))
    made = kept(toolkit.clean(source, out=tmp_path / "out").artifact)
    assert made["meta"].map(lambda meta: meta["a"]).tolist() == list(range(20))


def test_an_image_without_bytes_is_missing(pictures, tmp_path):
    (next(pictures.glob("*/")) / "empty.png").write_bytes(b"")
    made = toolkit.clean(pictures, out=tmp_path / "out").artifact
    gone = table(made / "rejected.parquet")
    told = gone.loc[gone["id"].str.contains("empty.png"), ["stage", "reason", "detail"]].to_numpy().tolist()
    assert told == [["missing", "missing value", "image"]]


def test_spaces_around_gaps_and_numbers_do_not_wait_for_a_second_run(tmp_path):
    sizes, colours = [f" {i % 7}" for i in range(30)], [" NA ", "red", "blue "] * 10
    wide, labels = "７８" * 15, "xy" * 15
    names = ("size", "colour", "wide", "label")
    rows = [dict(zip(names, row, strict=True)) for row in zip(sizes, colours, wide, labels, strict=True)]
    first = toolkit.clean(write_csv(tmp_path / "in.csv", rows), out=tmp_path / "a", max_missing=0.5).artifact
    second = toolkit.clean(first, out=tmp_path / "b", max_missing=0.5).artifact
    assert kept(first)["size"].dtype == "int64"
    assert set(kept(first)["colour"]) == {"red", "blue"}
    pd.testing.assert_frame_equal(kept(first), kept(second))
