"""`toolkit predict`: unlabelled rows in, predictions out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from typer import Argument, Option

from toolkit import console
from toolkit.config import Config, Input
from toolkit.data.options import ContentOptions
from toolkit.step import Job, Step
from toolkit.training.config import Device


@dataclass(frozen=True, kw_only=True)
class PredictConfig(Config):
    source: Annotated[str, Argument(metavar="MODEL", help="The model to ask."), Input("model")]
    data: Annotated[
        str, Option(help="Rows with a text; a label is passed through.", show_default=False), Input("dataset")
    ]
    columns: ContentOptions = field(default_factory=ContentOptions)
    split: Annotated[str | None, Option(help="The split to predict.", show_default="all")] = None
    batch_size: Annotated[int, Option(help="Rows a batch.", min=1)] = 32
    device: Device = "auto"


def plan(job: Job) -> dict[str, Any]:
    from toolkit.commands import _models

    names = _models.check(job.inputs["source"], "predict", job.read_dataset(need_label=False))
    return {"rows": len(chosen_rows(job)), "classes": len(names)}


def chosen_rows(job: Job) -> Any:
    """The rows of the chosen split, or of all of them with a `split` column."""
    from datasets import concatenate_datasets

    from toolkit.commands import _models
    from toolkit.data.columns import with_column

    data = job.read_dataset(need_label=False)
    if job.config.split:
        return _models.choose_split(data, job.config.split, job.config.data)
    if len(data) == 1:
        return next(iter(data.values()))
    return concatenate_datasets([with_column(rows, "split", [name] * len(rows)) for name, rows in data.items()])


def predict(job: Job) -> None:
    """Predict the class of every row: predictions.parquet with the class, its confidence and all probabilities.

    A model of several classes a row gives a list: all that are as likely as not, and at least the likeliest.
    """
    import numpy as np

    from toolkit.artifacts import evaluation
    from toolkit.commands import _models

    rows = chosen_rows(job)
    predictor = _models.predictor(job.inputs["source"], "predict", job.config.device)
    contents = predictor.reader.contents(rows)
    probabilities = predictor.probabilities(contents, job.config.batch_size, "predicting")
    chosen, confidence = _models.answers(probabilities, predictor.several)
    evaluation.write(job.folder / "predictions.parquet", rows, probabilities, predictor.names, chosen, confidence)
    sizes = chosen.sum(0) if predictor.several else np.bincount(chosen, minlength=len(predictor.names))
    counts = dict(zip(predictor.names, sizes.tolist(), strict=True))
    (job.folder / "README.md").write_text(
        f"# Predictions of {job.inputs['source'].title}\n\n`pandas.read_parquet('predictions.parquet')` opens them.\n",
        encoding="utf-8",
    )
    job.metrics |= {"rows": len(rows), "predicted": counts}
    ranked = sorted(counts.items(), key=lambda item: -item[1])[:20]
    console.table(f"{len(rows)} rows predicted", ("class", "rows"), ranked)


STEP = Step(name="predict", kind="predictions", config=PredictConfig, run=predict, plan=plan, takes=("text", "image"))
