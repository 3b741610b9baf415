import copy

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
    RoFormerConfig,
    RoFormerForSequenceClassification,
)

from toolkit.compression import importance, structure
from toolkit.errors import ToolkitError
from toolkit.training.tasks import bind

TASK = bind("text-classification", None)
SMALL = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 48}
MODELS = {
    "bert": lambda: BertForSequenceClassification(BertConfig(**SMALL)),
    "roberta": lambda: RobertaForSequenceClassification(RobertaConfig(**SMALL, pad_token_id=1)),
    "roformer": lambda: RoFormerForSequenceClassification(RoFormerConfig(**SMALL, embedding_size=32)),
    "distilbert": lambda: DistilBertForSequenceClassification(
        DistilBertConfig(vocab_size=60, dim=32, n_layers=4, n_heads=4, hidden_dim=48)
    ),
}
BATCH = {"input_ids": torch.randint(5, 60, (6, 9)), "attention_mask": torch.ones(6, 9, dtype=torch.int64)}


@pytest.fixture(params=MODELS)
def model(request):
    torch.manual_seed(0)
    return MODELS[request.param]().eval()


def test_a_cut_model_is_smaller_and_reloads_with_the_stock_class(model, tmp_path):
    before = model.num_parameters()
    structure.keep_layers(model, [0, 2, 3])
    structure.keep_ffn(model, [list(range(i, i + 16)) for i in range(3)])
    assert model.num_parameters() < before
    model.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert again.num_parameters() == model.num_parameters()
    with torch.inference_mode():
        assert torch.allclose(again(**BATCH).logits, model(**BATCH).logits, atol=1e-6)


def test_removing_dead_neurons_changes_nothing(model):
    for layer in structure.layers(model):
        structure.ffn(model, layer)[1].weight.data[:, 32:] = 0
    with torch.inference_mode():
        before = model(**BATCH).logits
        structure.keep_ffn(model, [list(range(32))] * 4)
        assert torch.allclose(model(**BATCH).logits, before, atol=1e-5)


def test_importance_finds_the_dead_neurons(model):
    dead = [3, 17, 40]
    for layer in structure.layers(model):
        structure.ffn(model, layer)[1].weight.data[:, dead] = 0
    scores = importance.ffn_importance(model, TASK, [BATCH | {"labels": torch.tensor([0, 1] * 3)}])
    assert all(sorted(score.argsort()[:3].tolist()) == dead for score in scores)


def test_the_layers_found_are_those_whose_removal_costs_least_and_the_model_stays_whole(model):
    batch = BATCH | {"labels": torch.tensor([0, 1] * 3)}

    def loss_without(gone):
        cut = copy.deepcopy(model)
        structure.keep_layers(cut, [n for n in range(4) if n not in gone])
        with torch.inference_mode():
            return cut(**batch).loss.item()

    before = list(structure.layers(model))
    (first, first_loss), (second, second_loss) = importance.least_important_layers(model, TASK, [batch], 2)
    assert first_loss == pytest.approx(min(loss_without({n}) for n in range(4)))
    assert first_loss == pytest.approx(loss_without({first}))
    assert second_loss == pytest.approx(min(loss_without({first, n}) for n in range(4) if n != first))
    assert second_loss == pytest.approx(loss_without({first, second}))
    assert list(structure.layers(model)) == before


def test_student_has_evenly_spaced_layers_of_the_teacher(model):
    student = structure.student(model, 2)
    kept = [structure.layers(model)[i] for i in (0, 3)]
    for mine, theirs in zip(structure.layers(student), kept, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), theirs.parameters(), strict=True))
    assert len(structure.layers(model)) == 4


@pytest.mark.parametrize(
    ("depth", "count", "kept"), [(6, 3, [0, 2, 5]), (12, 4, [0, 4, 7, 11]), (4, 1, [3]), (3, 3, [0, 1, 2])]
)
def test_evenly(depth, count, kept):
    assert structure.evenly(depth, count) == kept


def test_an_unknown_architecture_is_refused():
    with pytest.raises(ToolkitError, match="'xlnet' cannot be cut"):
        structure.check("xlnet")
