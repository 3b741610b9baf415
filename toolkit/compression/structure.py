"""Where an encoder can be cut so that the stock class reloads it, and how each cut is made (all in place).

What transformers 5 rebuilds from a config decides: one FFN width, one number of heads and one hidden size for all
layers. ViT and DeiT read `head_dim` from the config, so that heads can go alone; the others derive the head size from
hidden size / heads, so heads go with the hidden size (384/12 to 288/9), the size of a head kept.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import torch


class Family(NamedTuple):
    """Names: of modules under the base model, in a layer, and in the model; of the keys of the config."""

    layers: str
    projections: tuple[str, str, str]  # query, key, value
    heads_out: str
    ffn_in: str
    ffn_out: str
    keys: tuple[str, str, str, str]  # of depth, FFN width, heads, hidden size
    dense: str | None  # the matrix between the encoder and the classifier
    classifier: str
    free_heads: bool = False  # whether their number may change alone


_KEYS = ("num_hidden_layers", "intermediate_size", "num_attention_heads", "hidden_size")
BERT = Family(
    "encoder.layer",
    ("attention.self.query", "attention.self.key", "attention.self.value"),
    "attention.output.dense",
    "intermediate.dense",
    "output.dense",
    _KEYS,
    "bert.pooler.dense",
    "classifier",
)
ROBERTA = BERT._replace(dense="classifier.dense", classifier="classifier.out_proj")
VIT = Family(
    "layers",
    ("attention.q_proj", "attention.k_proj", "attention.v_proj"),
    "attention.o_proj",
    "mlp.fc1",
    "mlp.fc2",
    _KEYS,
    None,
    "classifier",
    free_heads=True,
)
FAMILIES = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "camembert": ROBERTA,
    "electra": ROBERTA,
    "roformer": ROBERTA,
    "distilbert": Family(
        "transformer.layer",
        ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        "attention.out_lin",
        "ffn.lin1",
        "ffn.lin2",
        ("n_layers", "hidden_dim", "n_heads", "dim"),
        "pre_classifier",
        "classifier",
    ),
    "vit": VIT,
    "deit": VIT,
}


class Shape(NamedTuple):
    """What of an encoder can be made smaller."""

    layers: int
    ffn: int  # neurons of each feed-forward block
    heads: int  # of each layer
    hidden: int  # width of what runs through all layers


class Group(NamedTuple):
    """Units that go together: neurons of one feed-forward block, heads of one layer, dimensions that run through.

    A unit is `size` entries of what the writers give and of what the readers take; `seen` are the readers before
    which its activations are measured.
    """

    size: int
    writers: list[Any]
    readers: list[Any]
    seen: list[Any]


def check(model_type: str | None) -> None:
    """Whether models of this type can be cut.

    Raises:
        ToolkitError: they cannot.
    """
    if model_type not in FAMILIES:
        raise ToolkitError(f"models of type '{model_type}' cannot be cut here", f"known are {', '.join(FAMILIES)}")


def family(config: Any) -> Family:
    return FAMILIES[config.model_type]


def shape(config: Any) -> Shape:
    """The sizes in a model's config."""
    depth, width, heads, hidden = (getattr(config, key) for key in family(config).keys)
    return Shape(depth, width, heads, hidden)


def head_size(config: Any) -> int:
    found = shape(config)
    return int(getattr(config, "head_dim", None) or found.hidden // found.heads)


def told(config: Mapping[str, Any]) -> Shape:
    """The sizes that a config.json tells."""
    return Shape(*(int(config[key]) for key in FAMILIES[config["model_type"]].keys))


def resize(config: Any, to: Shape) -> None:
    """Write other sizes into a model's config; the size of a head stays."""
    names, before, size = family(config), shape(config), head_size(config)
    for key, value in zip(names.keys, to, strict=True):
        setattr(config, key, value)
    if names.free_heads:
        config.head_dim = size
    for key in ("embedding_size", "pooler_output_size"):  # where they are the hidden size under another name
        if getattr(config, key, None) == before.hidden:
            setattr(config, key, to.hidden)


def rebuilds(config: Any, hidden: int) -> bool:
    """Whether the stock class of a cut model has the matrices that this one has.

    Where the embeddings have a size of their own a matrix stands between them and the layers, which a model of equal
    sizes has not.
    """
    inner = getattr(config, "embedding_size", None)
    return inner in (None, shape(config).hidden) or inner != hidden


def parameters(kind: type, config: Any, to: Shape) -> int:
    """How many numbers a model of this class has, when it is of these sizes."""
    import torch

    config = copy.deepcopy(config)
    resize(config, to)
    with torch.device("meta"):
        return int(kind(config).num_parameters())


def layers(model: Any) -> Any:
    """The ModuleList of encoder layers."""
    return model.base_model.get_submodule(family(model.config).layers)


def ffn(model: Any, layer: Any) -> tuple[Any, Any]:
    """The two feed-forward matrices (torch.nn.Linear) of a layer: in and out."""
    names = family(model.config)
    return layer.get_submodule(names.ffn_in), layer.get_submodule(names.ffn_out)


def attention(model: Any, layer: Any) -> tuple[list[Any], Any]:
    """The matrices of a layer's query, key and value, and the one that reads its heads."""
    names = family(model.config)
    return [layer.get_submodule(name) for name in names.projections], layer.get_submodule(names.heads_out)


def ffn_groups(model: Any) -> list[Group]:
    """Of each layer its neurons."""
    found = [ffn(model, layer) for layer in layers(model)]
    return [Group(1, [first], [second], [second]) for first, second in found]


def head_groups(model: Any) -> list[Group]:
    """Of each layer its heads."""
    found, size = [attention(model, layer) for layer in layers(model)], head_size(model.config)
    return [Group(size, projections, [out], [out]) for projections, out in found]


def pooled_group(model: Any) -> Group | None:
    """What the classifier reads, where a matrix of its own makes it; None: it reads the hidden dimensions."""
    names = family(model.config)
    if names.dense is None:
        return None
    last = model.get_submodule(names.classifier)
    return Group(1, [model.get_submodule(names.dense)], [last], [last])


def hidden_group(model: Any) -> Group:
    """The dimensions that run through all layers."""
    from torch import nn

    names, base = family(model.config), model.base_model
    project = getattr(base, "embeddings_project", None)
    made = [project] if project is not None else list(base.embeddings.modules())
    writers = [m for m in made if isinstance(m, nn.Embedding | nn.LayerNorm | nn.Linear | nn.Conv2d)]
    inside = set(base.embeddings.modules())
    writers += [m for m in base.modules() if isinstance(m, nn.LayerNorm) and m not in inside]
    readers, seen = [], []
    for layer in layers(model):
        projections, out = attention(model, layer)
        first, second = ffn(model, layer)
        writers += [out, second]
        readers += [*projections, first]
        seen += [projections[0], first]
    end = model.get_submodule(names.dense or names.classifier)
    return Group(1, writers, [*readers, end], [*seen, end])


def keep_layers(model: Any, kept: Sequence[int]) -> None:
    """Leave only these encoder layers in the model, in order."""
    check(model.config.model_type)
    found = layers(model)
    chosen = [found[i] for i in sorted(kept)]
    del found[:]
    found.extend(chosen)
    resize(model.config, shape(model.config)._replace(layers=len(chosen)))


def keep_ffn(model: Any, kept: Sequence[Sequence[int]]) -> None:
    """Leave only these neurons of each layer's feed-forward block: the same number in every layer."""
    for group, neurons in zip(ffn_groups(model), kept, strict=True):
        _keep(group, neurons)
    resize(model.config, shape(model.config)._replace(ffn=_one_length(kept)))


def keep_heads(model: Any, kept: Sequence[Sequence[int]]) -> None:
    """Leave only these heads of each layer: the same number in every layer.

    Where the family has no free heads, `keep_hidden` is to follow: the config holds both numbers or neither.
    """
    size, left = head_size(model.config), _one_length(kept)
    for layer, group, heads in zip(layers(model), head_groups(model), kept, strict=True):
        _keep(group, heads)
        for module in layer.modules():  # what an attention module noted of the config when it was made
            noted = {"num_attention_heads": left, "n_heads": left, "all_head_size": left * size, "dim": left * size}
            vars(module).update({key: value for key, value in noted.items() if key in vars(module)})
    to = shape(model.config)._replace(heads=left)
    resize(model.config, to if family(model.config).free_heads else to._replace(hidden=left * size))


def keep_hidden(model: Any, kept: Sequence[int], pooled: Sequence[int] | None) -> None:
    """Leave only these of the dimensions that run through the layers, and as many of what the classifier reads.

    Args:
        pooled: of the outputs of the matrix before the classifier; None where there is none.
    """
    import torch

    group, before_classifier = hidden_group(model), pooled_group(model)
    embeddings = model.base_model.embeddings
    _keep(group, kept)
    for name, loose in list(embeddings.named_parameters(recurse=False)):  # a ViT's class token and positions
        index = torch.tensor(sorted(kept))
        setattr(embeddings, name, torch.nn.Parameter(loose.detach().index_select(-1, index)))
    if before_classifier is not None:
        assert pooled is not None
        _keep(before_classifier, pooled)
    resize(model.config, shape(model.config)._replace(hidden=len(kept)))


def _one_length(kept: Sequence[Sequence[int]]) -> int:
    lengths = {len(units) for units in kept}
    assert len(lengths) == 1, "the stock config has one number for all layers"
    return lengths.pop()


def _keep(group: Group, units: Sequence[int]) -> None:
    import torch

    entries = torch.tensor([unit * group.size + i for unit in sorted(units) for i in range(group.size)])
    for module in group.writers:
        _narrow(module, entries, outputs=True)
    for module in group.readers:
        _narrow(module, entries, outputs=False)


def _narrow(module: Any, entries: torch.Tensor, outputs: bool) -> None:
    """Leave only these entries of what a module gives (or takes)."""
    from torch import nn

    axis = int(outputs == isinstance(module, nn.Embedding))  # an embedding's weight is (entries taken, entries given)
    names = ["weight", "bias"] if outputs and getattr(module, "bias", None) is not None else ["weight"]
    for name in names:
        old = getattr(module, name)
        new = old.detach().index_select(axis if name == "weight" else 0, entries)
        setattr(module, name, nn.Parameter(new, requires_grad=old.requires_grad))
    noted: dict[type, tuple[str, Any]] = {
        nn.Linear: ("out_features" if outputs else "in_features", len(entries)),
        nn.Embedding: ("embedding_dim", len(entries)),
        nn.LayerNorm: ("normalized_shape", (len(entries),)),
        nn.Conv2d: ("out_channels", len(entries)),
    }
    setattr(module, *noted[next(kind for kind in noted if isinstance(module, kind))])


def evenly(depth: int, count: int) -> list[int]:
    """`count` of `depth` layers, evenly spaced, the first and the last among them."""
    if count == 1:
        return [depth - 1]
    return sorted({round(i * (depth - 1) / (count - 1)) for i in range(count)})
