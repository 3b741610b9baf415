"""What each technique of training brings: trained with and without it, seed by seed, judged on the test split.

Use: techniques.py DATA MODEL [--rows N] [--seeds 5] [--epochs 4] [--only NAME …] [--variant KEY=VALUE[,KEY=VALUE] …]
                              [--with KEY=VALUE[,KEY=VALUE]] [--log techniques.jsonl]

DATA holds train.csv, test.csv and perhaps validation.csv (else a tenth of train is taken). With --rows each seed
draws its own stratified sample of train; all techniques of a seed learn from the same rows. A rate given by --with is
for AdamW: --find-lr and other optimizers go without. Each run is a line of the log as soon as it ends; a call with
the same log goes on after the last one. The table gives the differences to training without any technique, with 95%
intervals by Student's t over the seeds, paired: of twenty such intervals one leaves out zero by chance alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import toolkit
from toolkit import config as configs
from toolkit import console, reading
from toolkit.artifacts import loading
from toolkit.commands.finetune import FinetuneConfig
from toolkit.training import tasks, trainer

NONE = "none"
TECHNIQUES: dict[str, dict[str, Any]] = {
    NONE: {},
    "dropout 0": {"dropout": 0.0},
    "dropout 0.2": {"dropout": 0.2},
    "LayerDrop 0.1": {"layer_drop": 0.1},
    "LayerDrop to 0.2, growing": {"layer_drop": 0.2, "layer_drop_grows": True},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "R-Drop 1": {"r_drop": 1.0},
    "R-Drop 4": {"r_drop": 4.0},
    "class weights": {"class_weights": "balanced"},
    "oversampling 0.5": {"oversample": 0.5},
    "oversampling 1": {"oversample": 1.0},
    "no weight decay": {"weight_decay": 0.0},
    "weight decay 0.1": {"weight_decay": 0.1},
    "adaptive clipping": {"clip": "adaptive"},
    "no clipping": {"clip": "none"},
    "found rate": {"find_lr": True},
    "no warm-up": {"warmup": 0.0},
    "cosine": {"scheduler": "cosine"},
    "restarts": {"scheduler": "restarts"},
    "plateau": {"scheduler": "plateau"},
    "constant": {"scheduler": "constant"},
    "three-phase": {"stages": "three-phase"},
    "head-first": {"stages": "head-first"},
    "head-then-top": {"stages": "head-then-top"},
    "gradual": {"stages": "gradual"},
    "auto": {"stages": "auto"},
    "layer decay 0.9": {"layer_decay": 0.9},
    "SGD": {"optimizer": "sgd"},
    "Adafactor": {"optimizer": "adafactor"},
    "Lion": {"optimizer": "lion"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("model")
    parser.add_argument("--rows", type=int, help="of train; all where not given")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=float, default=4.0)
    parser.add_argument(
        "--only", action="append", choices=TECHNIQUES, metavar="NAME", help="technique; may be repeated"
    )
    parser.add_argument("--variant", action="append", default=[], metavar="KEY=VALUE", help="options of one more")
    parser.add_argument("--with", dest="common", default="", metavar="KEY=VALUE", help="options of all of them")
    parser.add_argument("--log", type=Path, default=Path("techniques.jsonl"))
    given = parser.parse_args()
    wanted = (
        {name: TECHNIQUES[name] for name in dict.fromkeys([NONE, *(given.only or [])])} if given.only else TECHNIQUES
    )
    common = configs.assignments(FinetuneConfig, given.common.split(",") if given.common else [])
    wanted = wanted | {text: configs.assignments(FinetuneConfig, text.split(",")) for text in given.variant}
    setting = {"data": given.data.name, "model": given.model, "rows": given.rows, "epochs": given.epochs}
    setting["with"] = common
    done = [json.loads(line) for line in given.log.read_text().splitlines()] if given.log.is_file() else []
    known = {(run["technique"], run["seed"]) for run in done if setting.items() <= run.items()}
    console.enable()
    todo = [(seed, name) for seed in range(given.seeds) for name in wanted if (name, seed) not in known]
    for seed, name in console.track(todo, "trainings"):
        with tempfile.TemporaryDirectory() as folder, console.without_notes():
            figures = one(given, seed, together(common, wanted[name]), Path(folder))
        done.append(setting | {"technique": name, "seed": seed, **figures})
        with given.log.open("a") as f:
            f.write(json.dumps(done[-1]) + "\n")
    runs = pd.DataFrame([run for run in done if setting.items() <= run.items()])
    print(table(runs, list(wanted), given.seeds))


def together(common: dict[str, Any], technique: dict[str, Any]) -> dict[str, Any]:
    """A common rate is AdamW's: what finds its own, or steps in another way, does not take it."""
    own_rate = technique.keys() & {"lr", "find_lr", "optimizer"}
    return {key: value for key, value in common.items() if key != "lr" or not own_rate} | technique


def one(given: argparse.Namespace, seed: int, options: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Accuracy and macro F1 on test after a training, and its seconds."""
    frames = {p.stem: pd.read_csv(p, keep_default_na=False) for p in sorted(given.data.glob("*.csv"))}
    label = next(name for name in ("label", "category") if name in frames["train"])
    if given.rows:
        share = given.rows / len(frames["train"])
        of_class = [rows for _, rows in frames["train"].groupby(label)]
        counts = [min(len(rows), max(2, round(share * len(rows)))) for rows in of_class]  # a class needs two
        few = [rows.sample(count, random_state=seed) for rows, count in zip(of_class, counts, strict=True)]
        frames["train"] = pd.concat(few)
    (folder / "data").mkdir()
    for name in ("train", "validation", "test"):
        if name in frames:
            frames[name].to_csv(folder / "data" / f"{name}.csv", index=False)
    base = {"model": given.model, "seed": seed, "epochs": given.epochs, "label": label}
    started = time.perf_counter()
    artifact = toolkit.finetune(folder / "data", out=folder / "model", **(base | options)).artifact
    seconds = time.perf_counter() - started
    model, processor = loading.load(artifact)
    task = tasks.bind("text-classification", reading.of("text", processor, model.config))
    names = {name: i for i, name in model.config.id2label.items()}
    texts, right = frames["test"]["text"].tolist(), frames["test"][label].astype(str).map(names).tolist()
    encoded = [row | {"labels": y} for row, y in zip(task.reader.encode(texts), right, strict=True)]
    figures = task.figures(*trainer.answers(model, task, encoded))
    return {key: figures[key] for key in ("accuracy", "f1_macro")} | {"seconds": round(seconds, 1)}


def table(runs: pd.DataFrame, names: list[str], seeds: int) -> str:
    """Markdown: a technique a line, differences to none in points of a hundred."""
    lines = ["| technique | accuracy | difference (95%) | macro F1 | difference (95%) | time |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
    by = {
        name: runs[runs.technique == name].drop_duplicates("seed").set_index("seed").loc[range(seeds)] for name in names
    }
    for name, found in by.items():
        cells = [name]
        for figure in ("accuracy", "f1_macro"):
            cells.append(f"{100 * found[figure].mean():.1f}")
            cells.append("" if name == NONE else interval(100 * (found[figure] - by[NONE][figure]).to_numpy()))
        lines.append(f"| {' | '.join(cells)} | {found.seconds.median() / by[NONE].seconds.median():.2f} |")
    return "\n".join(lines)


def interval(differences: Any) -> str:
    """The mean of the seeds' differences, and Student's interval where there are several."""
    mean = float(np.mean(differences))
    if len(differences) < 2:
        return f"{mean:+.1f}"
    error = stats.t.ppf(0.975, len(differences) - 1) * stats.sem(differences)
    return f"{mean:+.1f} ({mean - error:+.1f} to {mean + error:+.1f})"


if __name__ == "__main__":
    main()
