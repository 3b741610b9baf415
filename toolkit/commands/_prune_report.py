"""What a pruning tells: the model beside the one it came from, and what each part costs."""

from __future__ import annotations

from typing import Any

from toolkit import console
from toolkit.commands._prune_plan import NOT_FASTER

PARTS = {"ffn": "neurons", "heads": "heads", "channels": "channels", "layers": "layers", "hidden": "hidden dimensions"}
QUALITY = ("accuracy", "loss", "divergence")


def tell(figures: dict[str, Any]) -> None:
    console.table(_headline(figures), ("figure", "input", "pruned"), _rows(figures))


def page(figures: dict[str, Any], story: dict[str, Any], measured: dict[str, Any] | None) -> dict[str, Any]:
    """The report's lead, cards and sections."""
    comparison = figures["comparison"]
    cards = [
        {"label": "speed-up", "value": f"{comparison['speedup']:.2f}×", "note": "samples a second, batch 32"},
        {"label": "parameters", "value": f"{comparison['parameters_ratio']:.0%}", "note": "of the input model"},
        {"label": "predictions flipped", "value": f"{comparison['flipped']:.2%}", "note": "of validation"},
    ]
    side = {
        "title": "Before and after",
        "text": "On the same rows of validation; timed in turns in one process, the median round counts.",
        "table": {"columns": ["figure", "input", "pruned"], "rows": _rows(figures)},
    }
    sections = [side, _cuts(story), *_besides(figures), *_tried(story), *(_sensitivity(measured) if measured else [])]
    return {"lead": f"{_headline(figures)}.", "cards": cards, "sections": sections}


def _headline(figures: dict[str, Any]) -> str:
    comparison = figures["comparison"]
    drop = comparison["accuracy_drop"]
    return (
        f"{comparison['speedup']:.2f} times the samples a second with {comparison['parameters_ratio']:.0%} of the "
        f"parameters, accuracy lost {drop['value']:.4f} (95% interval {drop['low']:.4f} to {drop['high']:.4f})"
    )


def _rows(figures: dict[str, Any]) -> list[list[str]]:
    """The comparison as a table's rows: figure, input, pruned."""
    from toolkit.reports import side_by_side

    pruned = figures["pruned"] | {"size_bytes": figures["model"]["size_bytes"]}
    return side_by_side.rows(figures["input"], pruned)


def _cuts(story: dict[str, Any]) -> dict[str, Any]:
    """The sizes before, and after each round."""
    sizes = [story["before"], *story["sizes"]]
    rows = [[("before" if i == 0 else f"round {i}"), *size.values()] for i, size in enumerate(sizes)]
    gone = [
        (".".join(str(removed[key]) for key in ("stage", "layer") if key in removed))
        for cut in story["cuts"]
        for removed in cut["layers_removed"]
    ]
    text = "Layers that went, by number at the time: " + ", ".join(map(str, gone)) if gone else "All layers stayed"
    return {
        "title": "What was cut",
        "text": f"{text}. Which units stayed is in pruning.json.",
        "table": {"columns": ["", *story["before"]], "rows": rows},
    }


def _besides(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """What went of the vocabulary, and the zeros."""
    out = []
    if "vocabulary" in figures:
        cut = figures["vocabulary"]
        text = (
            f"{cut['pieces']:,} of {cut['pieces_before']:,} pieces stayed; {cut['pieces_used']:,} are used by train as "
            f"often as asked for. Texts unseen fall into smaller pieces where theirs are gone, none becomes unknown."
        )
        out.append({"title": "Vocabulary", "text": text})
    if "sparsity" in figures:
        zeros = figures["sparsity"]
        text = f"{zeros['zeros_of_matrices']:.1%} of the matrices' weights are zero, {zeros['zeros']:.1%} of all"
        out.append({"title": "Zeros", "text": f"{text}. Not faster: {NOT_FASTER}."})
    return out


def _tried(story: dict[str, Any]) -> list[dict[str, Any]]:
    """The sizes that the search measured on its way."""
    if not story["tried"]:
        return []
    known = ("accuracy", "accuracy_drop", "loss", "divergence", "speedup", "parameters")
    keys = [key for key in known if key in story["tried"][0]]
    rows = [[*found["sizes"], *(_short(found[key]) for key in keys)] for found in story["tried"]]
    return [
        {
            "title": "What was tried",
            "text": "Sizes that the search for the target measured, in its order.",
            "table": {"columns": [*story["before"], *(key.replace("_", " ") for key in keys)], "rows": rows},
        }
    ]


def _short(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _sensitivity(measured: dict[str, Any]) -> list[dict[str, Any]]:
    from toolkit.reports import pruning

    whole, base = measured["whole"], measured["base"]
    columns = ["part", "gone", "left", *QUALITY, "speed-up"]
    table = [
        [PARTS[m["part"]], f"{m['amount']:.0%}", m["left"], *(_short(m[key]) for key in QUALITY), f"{m['speedup']:.2f}"]
        for m in whole
    ]
    figures = [
        {
            "name": "sensitivity",
            "caption": "Accuracy over speed, each part cut alone, everywhere alike, nothing trained",
            "figure": pruning.trade(whole, base["accuracy"], PARTS),
        },
        {
            "name": "sensitivity_by_layer",
            "caption": "Accuracy with a share of one layer's units silenced, or the layer left out",
            "figure": pruning.by_layer(measured["layers"], base["accuracy"], PARTS),
        },
    ]
    by_layer = [
        [
            PARTS[m["part"]],
            m["layer"],
            f"{m['amount']:.0%}",
            *(_short(m[key]) for key in QUALITY),
            f"{m['speedup']:.2f}",
        ]
        for m in measured["layers"]
    ]
    return [
        {
            "title": "Sensitivity",
            "text": f"What each part costs before any training, on {measured['rows']} rows of validation. "
            f"The model given has accuracy {base['accuracy']:.4f} and loss {base['loss']:.4f} there; "
            "the divergence is that of the answers from its own (KL, nats).",
            "figures": figures,
            "table": {"columns": columns, "rows": table},
        },
        {
            "title": "Sensitivity by layer",
            "text": "One layer at a time (of a ResNet: the channels of a stage, or a block). Speed-ups are what "
            "seconds inside of the layer tell, whole and cut; no stock class holds a model with one narrower layer.",
            "table": {"columns": ["part", "layer", "gone", *QUALITY, "speed-up"], "rows": by_layer},
        },
    ]
