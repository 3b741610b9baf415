"""`evaluate --noise`: what typos, stuck keys and odd signs cost, or blur, compression and light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.commands import _evaluating
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.commands._evaluating import Subject
    from toolkit.reports.language import Say


def measure(job: Job, subject: Subject) -> dict[str, Any] | None:
    """The figures under `robustness.noise`, on a sample of the rows; a kind that changes none of them is left out.

    None where no kind changes any.
    """
    import numpy as np

    from toolkit import console
    from toolkit.commands import _models
    from toolkit.evaluation import metrics
    from toolkit.evaluation.robustness import noise
    from toolkit.reading.image import ImageReader

    predictor, seed = subject.predictor, job.config.seed
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.permutation(len(subject.rows))[: job.config.robustness.noise])
    reader = predictor.reader
    contents = [subject.contents[i] for i in sample]
    if isinstance(reader, ImageReader):
        contents = [reader.pixels(picture) for picture in contents]
    strengths = range(len(noise.SHARES))
    by_kind: dict[str, list[Any]] = {
        name: []
        for name in noise.KINDS[reader.kind]  # Chinese texts have no case
        if reader.kind == "image" or noise.noisy(contents, reader.kind, name, strengths[-1], seed) != contents
    }
    if not by_kind:
        job.warn("no noise: it changes none of these texts, which have no words")
        return None
    for name, strength in console.track([(n, s) for n in by_kind for s in strengths], "noise, kinds and strengths"):
        made = noise.noisy(contents, reader.kind, name, strength, seed)
        told, _ = _models.answers(predictor.probabilities(made, job.config.batch_size), subject.several)
        by_kind[name].append(metrics.agree(told, subject.labels[sample]))
    return noise.figures(subject.right[sample], by_kind)


def lines(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """For the terminal."""
    kinds = [_evaluating.line(f"  {name}", of["drop"]) for name, of in figures["kinds"].items()]
    return [_evaluating.line("accuracy lost to noise", figures["drop"]), *kinds]


def sections(say: Say, figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the report: accuracy by strength, a line a kind."""
    from toolkit.reports import curves

    titles = {
        "typos": say("typos"),
        "case": say("case"),
        "punctuation": say("punctuation"),
        "blur": say("blur"),
        "jpeg": "JPEG",
        "brightness": say("brightness"),
    }
    kinds, clean = figures["kinds"], figures["accuracy"]
    drawn = {titles[name]: [clean["value"], *(f["value"] for f in of["accuracy"])] for name, of in kinds.items()}
    steps = range(1 + len(next(iter(kinds.values()))["accuracy"]))
    return [
        {
            "title": say("Natural noise"),
            "text": say(
                "On {rows} rows accuracy is {accuracy:.1%}; under noise it is {value:.1f} percentage points lower, in "
                "the mean over kinds and strengths (95% interval {low:.1f} to {high:.1f}).",
                rows=figures["rows"], accuracy=clean["value"],
                **{end: 100 * figure for end, figure in figures["drop"].items()},
            ),
            "figures": [
                {
                    "name": "noise",
                    "caption": say("Accuracy at each strength of noise; 0 is the rows as they are"),
                    "figure": curves.line([*steps], drawn, xlabel=say("strength"), ylabel=say("accuracy")),
                }
            ],
            "table": {
                "columns": [say("strength"), *(titles[name] for name in kinds)],
                "rows": [
                    *([str(n), *(of["accuracy"][n - 1] for of in kinds.values())] for n in steps[1:]),
                    [say("mean drop"), *(of["drop"] for of in kinds.values())],
                ],
            },
        }
    ]  # fmt: skip
