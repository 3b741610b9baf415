import pytest
import torch
import transformers

from toolkit.errors import ToolkitError
from toolkit.training import dropout
from toolkit.training.config import Regularise

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
TEXT = {"input_ids": torch.arange(5, 14).repeat(2, 1), "attention_mask": torch.ones(2, 9, dtype=torch.long)}
IMAGE = {"pixel_values": torch.linspace(-2, 2, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32)}
VIT = {"image_size": 32, "patch_size": 8}
DISTILBERT = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}
# name -> config's options, batch, and the kinds of dropout that it has
CASES = {
    "Bert": (SMALL, TEXT, "hidden attention classifier"),
    "Roberta": (SMALL, TEXT, "hidden attention classifier"),
    "DistilBert": (DISTILBERT, TEXT, "hidden attention classifier"),
    "RoFormer": (SMALL, TEXT, "hidden attention"),
    "ViT": (SMALL | VIT, IMAGE, "hidden attention"),
    "Beit": (SMALL | VIT, IMAGE, "hidden attention drop_path"),
}


def made(name):
    options, batch, kinds = CASES[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**options)
    task = "ImageClassification" if batch is IMAGE else "SequenceClassification"
    model = getattr(transformers, f"{name}For{task}")(config)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.2)  # attention that is not even, so that dropping some of it shows
    keys = ["drop_path" if kind == "drop_path" else f"{kind}_dropout" for kind in kinds.split()]
    return model, batch, keys


def spread(model, batch):
    """How far answers in training mode differ for the same rows."""
    torch.manual_seed(0)
    model.train()
    with torch.no_grad():
        return float(torch.stack([model(**batch).logits for _ in range(8)]).std(0).mean())


@pytest.mark.parametrize("name", CASES)
def test_each_kind_changes_what_is_computed_and_the_config(name):
    model, batch, kinds = made(name)
    none = dict.fromkeys(kinds, 0.0)
    dropout.apply(model, Regularise(**none))
    assert spread(model, batch) == 0
    for kind in kinds:
        dropout.apply(model, Regularise(**(none | {kind: 0.37})))
        assert spread(model, batch) > 1e-4, kind
        carried = {key for key, value in vars(model.config).items() if value == 0.37}
        assert carried
        assert {dropout.kind(key) for key in carried} == {kind}


@pytest.mark.parametrize("name", CASES)
def test_a_model_loaded_from_the_saved_config_has_the_same_rates(name, tmp_path):
    model, batch, _ = made(name)
    dropout.apply(model, Regularise(dropout=0.3, hidden_dropout=0.1))
    model.save_pretrained(tmp_path)
    assert spread(type(model).from_pretrained(tmp_path), batch) == pytest.approx(spread(model, batch), rel=1e-5)


def test_dropout_sets_all_but_what_is_set_singly():
    model, _, _ = made("Bert")
    dropout.apply(model, Regularise(dropout=0.3, attention_dropout=0.05))
    config = model.config
    found = (config.hidden_dropout_prob, config.attention_probs_dropout_prob, config.classifier_dropout)
    assert found == (0.3, 0.05, 0.3)
    assert model.dropout.p == 0.3
    assert model.bert.encoder.layer[1].attention.self.dropout.p == 0.05


def test_weights_and_random_state_stay():
    model, _, _ = made("Bert")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    dropout.apply(model, Regularise(dropout=0.3))
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_what_an_architecture_does_not_have_is_refused():
    with pytest.raises(ToolkitError, match="vit has no classifier_dropout: it has attention_dropout, hidden_dropout"):
        dropout.apply(made("ViT")[0], Regularise(classifier_dropout=0.2))
