"""Every dropout that a model's config has, set in the config and in the modules that it decides."""

from __future__ import annotations

import copy
from typing import Any

import torch

from toolkit import console
from toolkit.errors import ToolkitError
from toolkit.training.config import Regularise


def kind(key: str) -> str | None:
    """Which kind of dropout a key of a transformers config is the rate of; None: of none that is trained here."""
    if key in ("drop_path_rate", "drop_connect_rate"):
        return "drop_path"
    if not ("dropout" in key or key.endswith("pdrop")) or key.startswith("qa_"):
        return None
    if "att" in key:
        return "attention_dropout"
    if any(word in key for word in ("classif", "cls_", "pooler", "summary")):
        return "classifier_dropout"
    return "hidden_dropout"


def rates(config: Any) -> set[float]:
    """The rates that `--dropout` sets, as a model's config has them: none, one, or several that differ."""
    found = {value for key, value in vars(config).items() if _is_rate(value) and kind(key) not in (None, "drop_path")}
    return {float(rate) for rate in found if rate is not None}


def drops(config: Any, wanted: Regularise) -> bool:
    """Whether a model of this config drops anything out in a training that asks for these rates."""
    return any(
        value for key, value in (vars(config) | changes(config, wanted)).items() if _is_rate(value) and kind(key)
    )


def apply(model: Any, wanted: Regularise) -> None:
    """Set the rates that are asked for; the others stay the model's own.

    Raises:
        ToolkitError: one that this architecture does not have.
    """
    changed = changes(model.config, wanted)
    if wanted.dropout is not None and not rates(model.config):
        console.note(f"{model.config.model_type} has no dropout: --dropout does nothing here")
    if changed:
        for config in {id(own): own for m in model.modules() if (own := getattr(m, "config", None))}.values():
            for key in changed.keys() & vars(config).keys():
                setattr(config, key, changed[key])
        _follow_config(model)


def changes(config: Any, wanted: Regularise) -> dict[str, float]:
    """The keys of a model's config that are asked to change, each with its rate.

    Raises:
        ToolkitError: a rate that this architecture does not have.
    """
    single = {
        "hidden_dropout": wanted.hidden_dropout,
        "attention_dropout": wanted.attention_dropout,
        "classifier_dropout": wanted.classifier_dropout,
        "drop_path": wanted.drop_path,
    }
    given = {name: rate for name, rate in single.items() if rate is not None}
    keys = {key: found for key, value in vars(config).items() if _is_rate(value) and (found := kind(key))}
    for missing in sorted(set(given) - set(keys.values())):
        has = ", ".join(sorted(set(keys.values()))) or "no dropout at all"
        raise ToolkitError(f"{config.model_type} has no {missing}", f"it has {has}")
    if wanted.dropout is not None:
        given = {name: wanted.dropout for name in single if name != "drop_path"} | given
    return {key: given[found] for key, found in keys.items() if found in given}


def _is_rate(value: Any) -> bool:
    """BERT's `classifier_dropout` is None where it is that of the hidden states."""
    return value is None or (isinstance(value, float | int) and not isinstance(value, bool))


def _follow_config(model: Any) -> None:
    """Give each module the rates that a model made from this config has.

    Architectures keep rates in `Dropout` modules, in attributes of their own (ViT's attention), or put `Identity` where
    a rate is 0; a model on the meta device, which takes no memory, shows which.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        shown = type(model)(copy.deepcopy(model.config))
    own = dict(model.named_modules())
    for name, like in shown.named_modules():
        module = own.get(name)
        if module is None:
            continue
        if type(module) is not type(like) and not [*like.parameters(), *module.parameters()]:
            parent, _, last = name.rpartition(".")
            setattr(own[parent], last, like)
            continue
        for key, value in vars(like).items():
            if isinstance(value, float) and ("drop" in key or (key == "p" and "Dropout" in type(like).__name__)):
                setattr(module, key, value)
