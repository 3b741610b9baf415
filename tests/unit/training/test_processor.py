import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertConfig, ElectraConfig, RobertaConfig, set_seed

from toolkit.training import dropout, processor
from toolkit.training.config import Regularise

SIZE = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}


def model(config=BertConfig):
    set_seed(0)
    made = AutoModelForSequenceClassification.from_config(config(**SIZE))
    return made.train()


def batch(padded=True):
    ids = torch.randint(5, 60, (3, 7), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    if padded:
        mask[0, -3:] = 0
    return {"input_ids": ids, "attention_mask": mask}


def learned(made, given):
    """Logits, and the gradient of every weight."""
    logits = made(**given).logits
    logits.square().sum().backward()
    grads = {name: p.grad.clone() for name, p in made.named_parameters()}
    made.zero_grad()
    return logits.detach(), grads


@pytest.mark.parametrize("config", [BertConfig, RobertaConfig, ElectraConfig])
@pytest.mark.parametrize("padded", [True, False])
def test_computes_what_the_model_does(config, padded):
    made, given = model(config), batch(padded)
    dropout.apply(made, Regularise(dropout=1e-6))  # next to nothing is dropped, yet by the way with dropout
    logits, grads = learned(made, given)
    with processor.quick(made, logits_only=True):
        quick_logits, quick_grads = learned(made, given)
    assert torch.allclose(logits, quick_logits, atol=1e-5)
    for name, grad in grads.items():
        assert torch.allclose(grad, quick_grads[name], atol=1e-4 * max(1.0, float(grad.abs().max()))), name


def test_answers_alike_in_validation():
    made = model().eval()
    with torch.no_grad():
        logits = made(**batch()).logits
        with processor.quick(made, logits_only=True):
            assert torch.allclose(made(**batch()).logits, logits, atol=1e-5)


def test_the_last_layer_computes_all_tokens_where_they_are_read():
    made, whole = model().eval(), batch()["input_ids"].shape
    for logits_only, tokens in ((True, 1), (False, whole[1])):
        with processor.quick(made, logits_only=logits_only):
            assert made(**batch(), output_hidden_states=True).hidden_states[-1].shape[1] == tokens


def test_leaves_the_model_as_it_was():
    made = model()
    types = [type(module) for module in made.modules()]
    with processor.quick(made, logits_only=True):
        assert [type(module) for module in made.modules()] != types
    assert [type(module) for module in made.modules()] == types
    assert made.config._attn_implementation == "sdpa"
    assert not any("forward" in vars(module) for module in made.modules())


@pytest.mark.parametrize("p", [0.1, 0.5, 1.0])
def test_noise_drops_the_share_and_keeps_the_mean(p):
    set_seed(0)
    drawn = processor.noise(torch.Size((300, 1001)), p, torch.float32)
    assert float((drawn == 0).float().mean()) == pytest.approx(p, abs=0.003)
    if p < 1:
        assert float(drawn.mean()) == pytest.approx(1, abs=0.01)
        assert drawn.unique().tolist() == pytest.approx([0, 1 / (1 - p)], rel=1e-4)


def test_noise_follows_the_seed_and_is_new_each_time():
    def draw():
        return processor.noise(torch.Size((50, 50)), 0.3, torch.float32)

    set_seed(0)
    first, second = draw(), draw()
    assert not torch.equal(first, second)
    set_seed(0)
    assert torch.equal(draw(), first)


def test_attention_with_dropout_is_right_on_average_and_in_its_gradient():
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, n, 4, dtype=torch.float64, requires_grad=True) for n in (2, 5, 5))
    mask = torch.zeros(2, 1, 2, 5, dtype=torch.float64)
    mask[0, ..., -2:] = torch.finfo(torch.float64).min

    def attend(*given):
        torch.manual_seed(1)
        return processor.Attention.apply(*given, mask, 0.5, 0.4)

    assert torch.autograd.gradcheck(attend, (query, key, value))
    usual = torch.nn.functional.scaled_dot_product_attention(query, key, value, mask, scale=0.5).transpose(1, 2)
    drawn = torch.stack([processor.Attention.apply(query, key, value, mask, 0.5, 0.4) for _ in range(4000)]).mean(0)
    assert torch.allclose(drawn, usual, atol=0.15)


def test_norms_and_dropouts_hand_on_the_type_of_matrix_products():
    made = model()
    seen = []
    made.bert.encoder.layer[1].register_forward_pre_hook(lambda module, given: seen.append(given[0].dtype))
    with processor.quick(made, logits_only=True), torch.autocast("cpu", torch.bfloat16):
        made(**batch())
    assert seen == [torch.bfloat16]
