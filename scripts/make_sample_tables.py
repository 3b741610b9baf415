"""Make the small samples beside the texts: a table, series, raters' votes, a Label Studio export; with planted dirt.

    python scripts/make_sample_tables.py --out sample_data --seed 7

`table.csv` is about tiles from a kiln: which of three glazes a tile has, by its measures. `series/` holds waves of
three forms in two channels. `votes.csv` holds the votes of five raters of unequal skill, `votes_truth.csv` what is
true. The texts of `label_studio.json` grow from the grammar of make_sample_data.py. Nobody's data is in any of them.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from make_sample_data import LABELS as TOPICS
from make_sample_data import message

# --- table.csv -------------------------------------------------------------------------------------------------

TILES = 300
# glaze -> mean and spread of each measure, and how often each clay is under it
GLAZES: dict[str, dict[str, tuple[float, float]]] = {
    "celadon": {"temperature_c": (1265, 14), "thickness_mm": (7.2, 0.5), "gloss": (71, 7), "weight_g": (412, 24)},
    "tenmoku": {"temperature_c": (1296, 12), "thickness_mm": (8.1, 0.6), "gloss": (83, 6), "weight_g": (455, 28)},
    "shino": {"temperature_c": (1242, 16), "thickness_mm": (9.4, 0.8), "gloss": (38, 9), "weight_g": (487, 33)},
}
CLAYS = {"celadon": (6, 3, 1), "tenmoku": (2, 6, 2), "shino": (1, 3, 6)}
CLAY_NAMES, KILNS = ("porcelain", "stoneware", "fireclay"), ("north", "south", "hill")
MEASURES = ("temperature_c", "thickness_mm", "gloss", "weight_g")
REMARKS = ("crack at the edge", "pinholes", "second firing", "run at the foot")
TABLE = {
    "missing_numbers": 14,  # cells, "NA" or empty by turns
    "missing_categories": 9,
    "missing_labels": 4,  # rows
    "outliers": 6,  # cells, ten times too large
    "exact_duplicates": 7,  # rows that are there twice but for the id
}
REMARK_SHARE = 0.3  # of rows with a remark: the column is emptier than a cleaner should keep


def tile(rng: random.Random) -> dict[str, str]:
    glaze = rng.choices(tuple(GLAZES), (45, 35, 20))[0]
    row = {name: rng.gauss(*GLAZES[glaze][name]) for name in MEASURES}
    clay = rng.choices(CLAY_NAMES, CLAYS[glaze])[0]
    remark = rng.choice(REMARKS) if rng.random() < REMARK_SHARE else ""
    cells = {"kiln": rng.choice(KILNS), "clay": clay}
    cells |= {name: f"{value:.1f}" if name == "thickness_mm" else f"{value:.0f}" for name, value in row.items()}
    return cells | {"remark": remark, "glaze": glaze}


def table(rng: random.Random) -> tuple[list[dict[str, str]], dict[str, Any]]:
    rows = [tile(rng) for _ in range(TILES - TABLE["exact_duplicates"])]
    places = iter(rng.sample(range(len(rows)), len(rows)))  # one kind of dirt a row
    for i in range(TABLE["missing_numbers"]):
        rows[next(places)][rng.choice(MEASURES)] = ("NA", "")[i % 2]
    for i in range(TABLE["missing_categories"]):
        rows[next(places)][rng.choice(("kiln", "clay"))] = ("NA", "")[i % 2]
    for _ in range(TABLE["missing_labels"]):
        rows[next(places)]["glaze"] = ""
    for _ in range(TABLE["outliers"]):
        row, name = rows[next(places)], rng.choice(MEASURES)
        row[name] = f"{float(row[name]) * 10:g}"
    rows += [dict(rows[next(places)]) for _ in range(TABLE["exact_duplicates"])]
    rng.shuffle(rows)
    empty = sum(not row["remark"] for row in rows)
    named = [{"id": f"T{i:03}"} | row for i, row in enumerate(rows, 1)]
    return named, {"rows": len(rows), "planted": TABLE, "empty_remarks": empty}


# --- series/ ---------------------------------------------------------------------------------------------------

LENGTH, WAVES = 40, ("sine", "square", "saw")
SERIES = {"TRAIN": 60, "TEST": 60}
MISSING_VALUES = {"TRAIN": 18, "TEST": 9}  # single points, "?"
REPEATS, LEAKS = 2, 1  # series of train that are there twice, and that are in test too
Wave = tuple[list[list[str]], str]


def wave(rng: random.Random, form: str) -> Wave:
    """Two channels: the wave, and the same a quarter later and weaker; unequal speed, phase and height, and noise."""
    turns, start, height = rng.uniform(1.5, 4), rng.random(), rng.uniform(0.8, 1.6)
    channels = []
    for delay, weaker in ((0.0, 1.0), (0.25, 0.6)):
        values = []
        for step in range(LENGTH):
            at = (turns * step / LENGTH + start - delay) % 1
            pure = {"sine": math.sin(2 * math.pi * at), "square": 1.0 if at < 0.5 else -1.0, "saw": 2 * at - 1}[form]
            values.append(f"{height * weaker * pure + rng.gauss(0, 0.15):.3f}")
        channels.append(values)
    return channels, form


def series(rng: random.Random) -> tuple[dict[str, list[Wave]], dict[str, Any]]:
    new = {name: [wave(rng, WAVES[i % 3]) for i in range(count)] for name, count in SERIES.items()}
    new["TRAIN"][-REPEATS:] = new["TRAIN"][:REPEATS]
    new["TEST"][-LEAKS:] = new["TRAIN"][REPEATS : REPEATS + LEAKS]
    for name, count in MISSING_VALUES.items():
        whole = range(REPEATS + LEAKS, SERIES[name] - REPEATS - LEAKS)
        for i in rng.sample(whole, count):
            new[name][i][0][rng.randrange(2)][rng.randrange(LENGTH)] = "?"
    for waves in new.values():
        rng.shuffle(waves)
    planted = {"missing_values": MISSING_VALUES, "repeats_in_train": REPEATS, "test_in_train": LEAKS}
    return new, {"series": SERIES, "channels": 2, "length": LENGTH, "planted": planted}


def ts(waves: Sequence[Wave]) -> str:
    head = [
        "# Waves of three forms, made by scripts/make_sample_tables.py",
        "@problemName Waves",
        "@timeStamps false",
        "@missing true",
        "@univariate false",
        "@dimensions 2",
        "@equalLength true",
        f"@seriesLength {LENGTH}",
        f"@classLabel true {' '.join(WAVES)}",
        "@data",
    ]
    return "\n".join(head + [":".join([*(",".join(channel) for channel in both), form]) for both, form in waves]) + "\n"


# --- votes.csv -------------------------------------------------------------------------------------------------

ITEMS, VOTED = 200, ("bird", "insect", "mammal")
# rater -> how often right, and the label that is chosen more often when wrong
RATERS = {"ada": (0.95, ""), "ben": (0.88, ""), "chi": (0.82, "bird"), "dov": (0.70, "mammal"), "eve": (0.45, "bird")}


def votes(rng: random.Random) -> tuple[list[list[str]], list[list[str]], dict[str, Any]]:
    truth = [[f"i{i:03}", rng.choices(VOTED, (5, 3, 2))[0]] for i in range(1, ITEMS + 1)]
    cast, right = [], dict.fromkeys(RATERS, 0)
    for item, label in truth:
        for rater, (skill, habit) in RATERS.items():
            wrong = [other for other in VOTED if other != label]
            slip = habit if habit in wrong and rng.random() < 0.7 else rng.choice(wrong)
            vote = label if rng.random() < skill else slip
            right[rater] += vote == label
            cast.append([item, rater, vote])
    rng.shuffle(cast)
    accuracy = {rater: round(count / ITEMS, 3) for rater, count in right.items()}
    return cast, truth, {"items": ITEMS, "votes": len(cast), "accuracy_of_raters": accuracy}


# --- label_studio.json -----------------------------------------------------------------------------------------

TASKS = {
    "one_annotator": 17,
    "two_agree": 4,
    "two_disagree": 3,
    "two_choices": 1,  # one annotator chose two labels
    "not_annotated": 4,
    "skipped": 1,  # its only annotation was cancelled
}


def annotation(number: int, who: int, labels: Sequence[str], cancelled: bool = False) -> dict[str, Any]:
    choice = {"id": f"r{number:03}", "type": "choices", "from_name": "label", "to_name": "text", "origin": "manual"}
    result = [] if cancelled else [choice | {"value": {"choices": list(labels)}}]
    times = dict.fromkeys(("created_at", "updated_at"), f"2025-03-{1 + number % 28:02}T09:00:00.000000Z")
    return {"id": number, "completed_by": who, "result": result, "was_cancelled": cancelled, "lead_time": 4.5} | times


def label_studio(rng: random.Random) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    kinds = [kind for kind, count in TASKS.items() for _ in range(count)]
    rng.shuffle(kinds)
    tasks: list[dict[str, Any]] = []
    number = 0
    for i, kind in enumerate(kinds, 1):
        row = message(rng, "zh" if i % 3 == 0 else "en")
        other = rng.choice([topic for topic in TOPICS if topic != row.label])
        chosen: dict[str, list[list[str]]] = {
            "two_agree": [[row.label], [row.label]],
            "two_disagree": [[row.label], [other]],
            "two_choices": [[row.label, other]],
            "not_annotated": [],
        }
        made = []
        for who, labels in enumerate(chosen.get(kind, [[row.label]]), 1):
            number += 1
            made.append(annotation(number, who, labels, cancelled=kind == "skipped"))
        data = {"text": row.text, "source": row.source}
        tasks.append({"id": i, "data": data, "annotations": made, "predictions": [], "meta": {}})
    return tasks, {"tasks": len(tasks), "annotations": number, "planted": TASKS}


# --- all together ----------------------------------------------------------------------------------------------


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the sample table, series, votes and Label Studio export.")
    parser.add_argument("--out", type=Path, default=Path("sample_data"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()

    out: Path = options.out
    (out / "series").mkdir(parents=True, exist_ok=True)
    rows, about_table = table(random.Random(f"table {options.seed}"))
    write_csv(out / "table.csv", list(rows[0]), [list(row.values()) for row in rows])
    waves, about_series = series(random.Random(f"series {options.seed}"))
    for name, some in waves.items():
        (out / "series" / f"Waves_{name}.ts").write_bytes(ts(some).encode())
    cast, truth, about_votes = votes(random.Random(f"votes {options.seed}"))
    write_csv(out / "votes.csv", ["item", "rater", "label"], cast)
    write_csv(out / "votes_truth.csv", ["item", "label"], truth)
    tasks, about_tasks = label_studio(random.Random(f"tasks {options.seed}"))
    (out / "label_studio.json").write_bytes((json.dumps(tasks, indent=1, ensure_ascii=False) + "\n").encode())
    summary = {"table": about_table, "series": about_series, "votes": about_votes, "label_studio": about_tasks}
    (out / "tables.json").write_bytes((json.dumps(summary, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
