"""`evaluate --attack`: how many rows that are right can be changed a little so that they are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolkit import console
from toolkit.commands import _evaluating
from toolkit.errors import ToolkitError
from toolkit.step import Job

if TYPE_CHECKING:
    from toolkit.commands._evaluating import Subject
    from toolkit.evaluation.robustness.text_attack import Answer, Attacked, Wanted
    from toolkit.reports.language import Say

SHOWN = 5  # examples of each method in the report
ACROSS = 8  # images on a line of the sheet


@dataclass(kw_only=True)
class Attack:
    """figures; examples: of texts, by method, each with the second text of a pair (else empty).

    sheet: of images, what they were above what they became (PNG).
    """

    figures: dict[str, Any]
    examples: dict[str, list[tuple[Attacked, str]]] = field(default_factory=dict)
    sheet: bytes | None = None


def plan(job: Job) -> dict[str, int]:
    """Check what the options name; how many rows are attacked at most."""
    options = job.config.robustness
    if not options.attack:
        return {}
    from toolkit.artifacts import model as models
    from toolkit.data.augment.text import synonyms

    path = job.inputs["source"].path
    assert path is not None
    if models.several(path):
        raise ToolkitError("--attack takes models that tell one class a row", "leave it out")
    if options.synonyms and models.reads(path) == "text":
        synonyms.load(options.synonyms)
    return {"attack": min(options.attack, len(job.dataset[job.config.split]))}


def measure(job: Job, subject: Subject) -> Attack:
    """Attack a sample of the rows with every method that fits; a row is lost where one of them succeeds."""
    import numpy as np

    from toolkit.evaluation.robustness.noise import share

    rng, rows = np.random.default_rng(job.config.seed), len(subject.rows)
    sample = np.sort(rng.permutation(rows)[: job.config.robustness.attack])
    right = sample[subject.right[sample]]
    of = _texts if subject.predictor.reader.kind == "text" else _images
    methods, constraint, found = of(job, subject, right)
    lost = np.any([lost for lost, _ in methods.values()], axis=0)

    def told(lost: Any) -> dict[str, Any]:
        stand = np.zeros(len(sample), bool)
        stand[: len(right)] = ~lost
        return {"success": share(lost), "accuracy": share(stand)}

    found.figures |= {
        "rows": len(sample),
        "right": len(right),
        **told(lost),
        "constraint": constraint,
        "methods": {name: told(lost) | more for name, (lost, more) in methods.items()},
    }
    return found


Methods = dict[str, tuple[Any, dict[str, Any]]]  # which rows it takes in, boolean (right,), and its own figures


def _texts(job: Job, subject: Subject, right: Any) -> tuple[Methods, dict[str, Any], Attack]:
    from toolkit.data.augment.text import synonyms
    from toolkit.evaluation.robustness import text_attack, words

    options, seed = job.config.robustness, job.config.seed
    contents = [subject.contents[i] for i in right]
    pairs = bool(contents) and isinstance(contents[0], tuple)
    texts, seconds = ([*part] for part in zip(*contents, strict=True)) if pairs else (contents, [""] * len(contents))
    labels = subject.labels[right].tolist()
    table = synonyms.load() | (synonyms.load(options.synonyms) if options.synonyms else {})
    known: dict[Wanted, Answer] = {}

    def ask(wanted: list[Wanted]) -> list[Answer]:
        new = [key for key in wanted if key not in known]
        asked = [(text, seconds[number]) if pairs else text for number, text in new]
        found = subject.predictor.probabilities(asked, job.config.batch_size)
        for (number, text), row in zip(new, found, strict=True):
            known[number, text] = float(row[labels[number]]), int(row.argmax())
        return [known[key] for key in wanted]

    constraint = {"max_changed": options.max_changed, "min_similarity": options.min_similarity}
    methods: Methods = {}
    attack = Attack(figures={})
    for name, propose in {"synonyms": words.synonyms(table, seed), "characters": words.characters(seed)}.items():
        rows = text_attack.attack(texts, labels, ask, propose, label=f"attack by {name}", **constraint)
        methods[name] = _told(rows)
        attack.examples[name] = [found for found in zip(rows, seconds, strict=True) if found[0].fooled]
    return methods, constraint, attack


def _told(rows: list[Attacked]) -> tuple[Any, dict[str, Any]]:
    """Which rows are taken in; queries a row; what was changed of those that are."""
    import numpy as np

    lost = np.array([row.fooled for row in rows], bool)
    mean = lambda values: float(np.mean(values)) if len(values) else None  # noqa: E731
    return lost, {
        "queries": mean([row.queries for row in rows]),
        "changed": mean([row.changed for row in rows if row.fooled]),
        "similarity": mean([row.similarity for row in rows if row.fooled]),
    }


def _images(job: Job, subject: Subject, right: Any) -> tuple[Methods, dict[str, Any], Attack]:
    import numpy as np

    from toolkit.reading.image import ImageReader

    predictor, labels, seed = subject.predictor, subject.labels[right], job.config.seed
    reader = predictor.reader
    assert isinstance(reader, ImageReader)
    attacks, size = _of_images(job, subject), max(1, job.config.batch_size)
    lost: dict[str, list[bool]] = {name: [] for name in attacks}
    queries: dict[str, list[float]] = {name: [] for name in attacks}
    shown: list[tuple[Any, Any]] = []
    for start in console.track(range(0, len(right), size), "attacking images"):
        here = slice(start, start + size)
        images = np.stack([reader.pixels(subject.contents[i]) for i in right[here]])
        for name, run in attacks.items():
            made, asked = run(images, labels[here], seed + start)
            fooled = predictor.probabilities(list(made), size).argmax(1) != labels[here]
            lost[name] += fooled.tolist()
            queries[name] += np.broadcast_to(asked, len(fooled)).tolist()
        shown += [pair for pair, gone in zip(zip(images, made, strict=True), fooled, strict=True) if gone]
    methods: Methods = {
        name: (np.array(lost[name], bool), {"queries": float(np.mean(queries[name])) if queries[name] else None})
        for name in attacks
    }
    return methods, {"eps": job.config.robustness.eps}, Attack(figures={}, sheet=_sheet(shown[: 2 * ACROSS]))


def _of_images(job: Job, subject: Subject) -> dict[str, Callable[[Any, Any, int], tuple[Any, Any]]]:
    """name -> (images, labels, seed) -> attacked images, and how often the model is asked for each."""
    from toolkit.artifacts import model as models
    from toolkit.evaluation.robustness import image_attack
    from toolkit.inference.backends import Torch
    from toolkit.reading.image import ImageReader

    options, predictor = job.config.robustness, subject.predictor
    reader, backend, eps, steps = predictor.reader, predictor.backend, options.eps, options.attack_steps
    assert subject.given.path is not None
    assert isinstance(reader, ImageReader)
    if models.backend(subject.given.path) != "torch":

        def ask(pixels: Any) -> Any:
            return predictor.probabilities(list(pixels), job.config.batch_size)

        return {"square": lambda x, y, seed: image_attack.square(x, y, ask, eps, options.attack_queries, seed)}

    assert isinstance(backend, Torch)

    def gradient(pixels: Any, labels: Any) -> Any:
        found = backend.gradient({"pixel_values": reader.values(pixels)}, "pixel_values", labels)
        return found.transpose(0, 2, 3, 1) * reader.factor.reshape(reader.shape[1:])

    return {
        "fgsm": lambda x, y, seed: (image_attack.fgsm(x, y, gradient, eps), 1),
        "pgd": lambda x, y, seed: (image_attack.pgd(x, y, gradient, eps, steps, seed), steps),
    }


def _sheet(pairs: list[tuple[Any, Any]]) -> bytes | None:
    """Lines of images, each above what became of it; None of none."""
    import io

    from PIL import Image

    from toolkit.data.images.sheet import sheet

    def cell(pixels: Any) -> dict[str, Any]:
        buffer = io.BytesIO()
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
        return {"bytes": buffer.getvalue(), "path": None}

    lines = [pairs[start : start + ACROSS] for start in range(0, len(pairs), ACROSS)]
    cells = [cell(pair[k]) for line in lines for k in (0, 1) for pair in line]
    return sheet(cells, columns=min(ACROSS, len(pairs))) if pairs else None


def lines(figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    """For the terminal."""
    bounds = [f"{name.replace('_', ' ')} {value:g}" for name, value in figures["constraint"].items()]
    return [
        ("attack, constraint", bounds[0], " ".join(bounds[1:])),
        _evaluating.line("accuracy under attack", figures["accuracy"]),
        _evaluating.line("attack success", figures["success"]),
        *(_evaluating.line(f"  {name}", f["success"]) for name, f in figures["methods"].items()),
    ]


def sections(say: Say, found: Attack, names: list[str]) -> list[dict[str, Any]]:
    """Of the report: the figures, and what the attacks made of some rows."""
    from toolkit.data.augment.text import edits

    figures = found.figures
    bound = (
        say("each pixel value changed by at most {eps:g} of 255", eps=figures["constraint"]["eps"])
        if "eps" in figures["constraint"]
        else say(
            "at most {share:.0%} of a text's words changed (one at least), and a character similarity (chrF) of "
            "{similarity:g} or more with what it was",
            share=figures["constraint"]["max_changed"],
            similarity=figures["constraint"]["min_similarity"],
        )
    )
    called = {"synonyms": say("synonyms"), "characters": say("slips of characters")}
    titles = {"queries": say("queries"), "changed": say("words changed"), "similarity": say("similarity")}
    more = [name for name in titles if any(name in f for f in figures["methods"].values())]
    columns = [say("method"), say("success"), say("accuracy"), *(titles[name] for name in more)]
    pages: list[dict[str, Any]] = [
        {
            "title": say("Attacks"),
            "text": say(
                "Of {rows} rows {right} are right; {lost:.1%} of these are lost to at least one attack, under the "
                "constraint: {bound}.",
                rows=figures["rows"], right=figures["right"], lost=figures["success"]["value"] or 0.0, bound=bound,
            ),
            "table": {
                "columns": columns,
                "rows": [
                    [called.get(method, method), f["success"], f["accuracy"], *(f.get(name) for name in more)]
                    for method, f in [*figures["methods"].items(), (say("any of them"), figures)]
                ],
                "note": say("Success: share of the right rows that are lost. Queries: texts or images asked, a row."),
            },
        }
    ]  # fmt: skip
    rows = [
        [
            called[method],
            names[row.label],
            names[row.predicted],
            {"edits": [*edits(row.before, row.text), ("same", second and f"\n{second}")]},
        ]
        for method, attacked in found.examples.items()
        for row, second in attacked[:SHOWN]
    ]
    if rows:
        table = {"columns": [say("method"), say("class"), say("told after it"), say("text")], "rows": rows}
        pages.append({"title": say("Rows lost to attacks"), "table": table})
    if found.sheet:
        drawn = {"name": "attacked", "caption": say("Images above what became of them"), "picture": found.sheet}
        pages.append({"title": say("Rows lost to attacks"), "figures": [drawn]})
    return pages
