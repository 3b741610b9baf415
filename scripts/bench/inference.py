"""How fast the Predictor runs a model beside the loops that people write: same rows, in turns, medians and spread.

Use: inference.py DATA MODEL... [--split test] [--rows 2048] [--rounds 5] [--markdown FILE]

Each MODEL (a folder of any backend) is run by the Predictor, and by a plain loop: 32 rows at a time in the order in
which they come, padded to the longest of them, one batch after the other; a float one also by transformers' `pipeline`.
Latency is of one row at a time. Whether the answers agree is shown too. Works on texts and images.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from toolkit import inputs, quiet
from toolkit.artifacts import loading, manifest
from toolkit.artifacts import model as models
from toolkit.commands import _models
from toolkit.data.options import ColumnOptions

BATCH = 32
SINGLE = 40  # rows a round for the latency
COLUMNS = ("model", "run by", "samples/s", "spread", "times", "p50 ms", "times", "agree")


class Way(NamedTuple):
    """Contents to the numbers of their classes, many (32 at a time) or one."""

    many: Callable[[Sequence[Any]], Any]
    one: Callable[[Any], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("models", nargs="+")
    parser.add_argument("--split", default="test")
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    given = parser.parse_args()
    rows = inputs.load_dataset(inputs.resolve("data", "dataset", given.data), ColumnOptions())[given.split]
    ways: dict[tuple[str, str], Way] = {}
    contents: list[Any] = []
    for folder in given.models:
        found, contents = of(folder, rows.select(range(min(given.rows, len(rows)))))
        ways |= {(folder, name): way for name, way in found.items()}
    text = table(measured(ways, contents, given.rounds))
    text += f"\n\n{len(contents)} rows of {given.data}, {given.rounds} rounds; {about()}"
    print(text)
    if given.markdown:
        given.markdown.write_text(text + "\n", encoding="utf-8")


def of(folder: str, rows: Any) -> tuple[dict[str, Way], list[Any]]:
    """The ways to run a model, and the contents that they take."""
    path = Path(folder)
    predictor = _models.predictor(inputs.resolve("source", "model", folder), "evaluate", "cpu")
    contents = predictor.reader.contents(rows)
    plain = naive(path, predictor.reader.processor)

    def loop(contents: Sequence[Any]) -> Any:
        parts = [plain(contents[start : start + BATCH]) for start in range(0, len(contents), BATCH)]
        return np.concatenate(parts).argmax(1)

    ways = {
        "the Predictor": Way(
            lambda contents: predictor.probabilities(contents, BATCH).argmax(1),
            lambda content: predictor.probabilities([content], 1).argmax(1),
        ),
        "a plain loop": Way(loop, lambda content: plain([content]).argmax(1)),
    }
    if models.backend(path) == "torch":
        ways["transformers' pipeline"] = piped(path, predictor.reader, predictor.names)
    return ways, contents


def naive(folder: Path, processor: Any) -> Callable[[Sequence[Any]], Any]:
    """A batch of contents to logits, as the runtimes' own guides do it."""
    kind, (model, _) = models.backend(folder), loading.load_for_inference(folder)

    def read(contents: Sequence[Any], form: str) -> dict[str, Any]:
        if hasattr(contents[0], "cell"):
            return dict(processor([picture(content) for content in contents], return_tensors=form))
        parts = zip(*contents, strict=True) if isinstance(contents[0], tuple) else [contents]
        return dict(processor(*map(list, parts), padding=True, truncation=True, return_tensors=form))

    if kind in ("torch", "int8"):
        import torch

        model.eval()

        def run(contents: Sequence[Any]) -> Any:
            with torch.inference_mode():
                return model(**read(contents, "pt")).logits.numpy()

        return run
    if kind == "onnx":
        session = quiet.onnxruntime().InferenceSession(model)
        names = {port.name for port in session.get_inputs()}
        return lambda contents: session.run(
            ["logits"], {name: values for name, values in read(contents, "np").items() if name in names}
        )[0]
    compiled = quiet.openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    wanted = {port.get_any_name() for port in compiled.inputs}
    return lambda contents: compiled({name: values for name, values in read(contents, "np").items() if name in wanted})[
        0
    ].copy()


def picture(content: Any) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(content.cell()["bytes"])).convert("RGB")


def piped(folder: Path, reader: Any, names: list[str]) -> Way:
    """transformers' own pipeline."""
    from transformers import pipeline

    parts = {"tokenizer": reader.processor} if reader.kind == "text" else {"image_processor": reader.processor}
    model = loading.load_for_inference(folder)[0].eval()
    pipe = pipeline(f"{reader.kind}-classification", model=model, batch_size=BATCH, device="cpu", **parts)

    def as_taken(contents: Sequence[Any]) -> list[Any]:
        if reader.kind == "image":
            return [picture(content) for content in contents]
        return [{"text": c[0], "text_pair": c[1]} if isinstance(c, tuple) else c for c in contents]

    def run(contents: Sequence[Any]) -> Any:
        options = {"truncation": True} if reader.kind == "text" else {}
        told = pipe(as_taken(contents), top_k=1, **options)
        return np.array([names.index((row[0] if isinstance(row, list) else row)["label"]) for row in told])

    return Way(run, lambda content: run([content]))


def measured(ways: dict[Any, Way], contents: list[Any], rounds: int) -> dict[Any, dict[str, Any]]:
    """Of each way its rate (median of the rounds), spread, latency, and answers."""
    answers = {name: way.many(contents) for name, way in ways.items()}  # every shape, once
    single = [contents[i] for i in np.linspace(0, len(contents) - 1, rounds * SINGLE).astype(int)]
    for way in ways.values():
        way.many(contents)
        for content in single:
            way.one(content)
    rates: dict[Any, list[float]] = {name: [] for name in ways}
    delays: dict[Any, list[float]] = {name: [] for name in ways}
    for round_ in range(rounds):
        for name, way in ways.items():
            rates[name].append(len(contents) / seconds(way.many, contents))
            delays[name] += [seconds(way.one, content) for content in single[round_::rounds]]
    return {name: {"rates": rates[name], "p50": 1e3 * median(delays[name]), "answers": answers[name]} for name in ways}


def seconds(work: Callable[[Any], Any], given: Any) -> float:
    started = time.perf_counter()
    work(given)
    return time.perf_counter() - started


def table(found: dict[Any, dict[str, Any]]) -> str:
    """Markdown: a way a line; `times` and `agree` are beside the plain loop of the first model and of the same one."""
    first = next(iter(found))[0]
    base, lines = found[first, "a plain loop"], []
    for (folder, way), told in found.items():
        rate, rates = median(told["rates"]), told["rates"]
        agree = (told["answers"] == found[folder, "a plain loop"]["answers"]).mean()
        times, sooner = rate / median(base["rates"]), base["p50"] / told["p50"]
        lines.append([
            Path(folder).name, way, f"{rate:,.0f}", f"±{(max(rates) - min(rates)) / rate / 2:.0%}", f"{times:.1f}",
            f"{told['p50']:.2f}", f"{sooner:.1f}", f"{agree:.2%}",
        ])  # fmt: skip
    return "\n".join(f"| {' | '.join(line)} |" for line in [COLUMNS, ["---", "---", *["---:"] * 6], *lines])


def about() -> str:
    machine, versions = manifest.machine(), manifest.versions()
    return f"{machine['cpu']}, {machine['cores']} cores; {', '.join(f'{name} {v}' for name, v in versions.items())}"


if __name__ == "__main__":
    main()
