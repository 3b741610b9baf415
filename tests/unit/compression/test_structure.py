import pytest
import torch
from unit.encoders import FREE, MODELS, batch, logits, make

from toolkit.compression import structure
from toolkit.compression.structure import Shape
from toolkit.errors import ToolkitError

FIRST = [[0, 1], [1, 2], [0, 3], [2, 3]]


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


@pytest.fixture
def model(name):
    return make(name)


def cut(model, name):
    """Everything that the family lets go; what is left."""
    structure.keep_layers(model, [0, 2, 3])
    structure.keep_ffn(model, [list(range(i, i + 16)) for i in range(3)])
    structure.keep_heads(model, FIRST[:3])
    hidden = list(range(4, 28 if name in FREE else 20))
    pooled = None if structure.pooled_group(model) is None else list(range(len(hidden)))
    structure.keep_hidden(model, hidden, pooled)
    return Shape(3, 16, 2, len(hidden))


def test_a_cut_model_is_smaller_and_reloads_with_the_stock_class(model, name, tmp_path):
    kind, before = type(model), model.config.to_dict()
    whole = model.num_parameters()
    if name.endswith("projected"):  # the embeddings have 16 dimensions, which the hidden size may not have
        structure.keep_layers(model, [0, 2, 3])
        left = structure.shape(model.config)
    else:
        left = cut(model, name)
    assert structure.shape(model.config) == left
    assert model.num_parameters() < whole
    assert structure.parameters(kind, type(model.config)(**before), left) == model.num_parameters()
    model.save_pretrained(tmp_path)
    again, info = kind.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert torch.equal(logits(again.eval(), batch(name)), logits(model, batch(name)))


@pytest.mark.parametrize("name", ["electra, projected", "roformer, projected"])
def test_embeddings_of_another_size_stay(name, tmp_path):
    model = make(name)
    table = model.base_model.embeddings.word_embeddings.weight.clone()
    structure.keep_heads(model, [[0, 1, 3]] * 4)
    structure.keep_hidden(model, list(range(24)), list(range(24)))
    assert torch.equal(model.base_model.embeddings.word_embeddings.weight, table)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path).eval()
    assert torch.equal(logits(again, batch(name)), logits(model, batch(name)))


@pytest.mark.parametrize("name", FREE)
def test_heads_of_a_vision_transformer_go_alone(name, tmp_path):
    model = make(name)
    structure.keep_heads(model, FIRST)
    assert structure.shape(model.config) == Shape(4, 48, 2, 32)
    model.save_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path).eval()
    assert again.config.head_dim == 8
    assert torch.equal(logits(again, batch(name)), logits(model, batch(name)))


def test_removing_dead_neurons_changes_nothing(model, name):
    for layer in structure.layers(model):
        structure.ffn(model, layer)[1].weight.data[:, 32:] = 0
    before = logits(model, batch(name))
    structure.keep_ffn(model, [list(range(32))] * 4)
    assert torch.allclose(logits(model, batch(name)), before, atol=1e-5)


@pytest.mark.parametrize("name", FREE)
def test_removing_dead_heads_changes_nothing(name):
    model = make(name)
    for kept, group in zip(FIRST, structure.head_groups(model), strict=True):
        dead = [8 * head + i for head in range(4) if head not in kept for i in range(8)]
        group.readers[0].weight.data[:, dead] = 0
    before = logits(model, batch(name))
    structure.keep_heads(model, FIRST)
    assert torch.allclose(logits(model, batch(name)), before, atol=1e-5)


def test_hidden_dimensions_that_stay_keep_their_weights(name):
    model, kept = make(name), [1, 2, 3, 5, 8, 13, 21, 31]
    writer = structure.ffn(model, structure.layers(model)[1])[1].weight.clone()
    query = structure.attention(model, structure.layers(model)[1])[0][0].weight.clone()
    structure.keep_heads(model, [[2]] * 4)
    structure.keep_hidden(model, kept, None if structure.pooled_group(model) is None else list(range(8)))
    layer = structure.layers(model)[1]
    assert torch.equal(structure.ffn(model, layer)[1].weight, writer[kept])
    assert torch.equal(structure.attention(model, layer)[0][0].weight, query[16:24][:, kept])


@pytest.mark.parametrize(
    ("depth", "count", "kept"), [(6, 3, [0, 2, 5]), (12, 4, [0, 4, 7, 11]), (4, 1, [3]), (3, 3, [0, 1, 2])]
)
def test_evenly(depth, count, kept):
    assert structure.evenly(depth, count) == kept


def test_an_unknown_architecture_is_refused():
    with pytest.raises(ToolkitError, match="'xlnet' cannot be cut"):
        structure.check("xlnet")
