from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from helpers import token_rows as rows
from torch.nn import functional as F

from toolkit.errors import ToolkitError
from toolkit.reading.text import TextReader
from toolkit.training import builtin, r_drop, trainer
from toolkit.training.config import Optim, Regularise, TrainConfig
from toolkit.training.tasks import bind

FIRST = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 0.0, 1.0]])
SECOND = torch.tensor([[1.0, -1.5, 0.0], [-3.0, 0.5, 3.0]])


def test_how_far_two_answers_lie_apart_is_their_divergence_either_way():
    p, q = FIRST.log_softmax(-1), SECOND.log_softmax(-1)
    both = F.kl_div(p, q, log_target=True, reduction="none") + F.kl_div(q, p, log_target=True, reduction="none")
    torch.testing.assert_close(r_drop.apart(FIRST, SECOND, several=False), both.sum(1) / 2)
    assert r_drop.apart(FIRST, FIRST, several=False).abs().max() == 0


def test_of_several_classes_each_is_a_question_of_its_own():
    yes = torch.stack([FIRST, SECOND]).sigmoid()
    p, q = torch.stack([yes, 1 - yes], -1)
    both = (p * (p / q).log() + q * (q / p).log()).sum(-1)
    torch.testing.assert_close(r_drop.apart(FIRST, SECOND, several=True), both.mean(1) / 2)


@pytest.mark.parametrize("several", [False, True])
def test_both_answers_learn_and_are_drawn_together(several):
    labels = torch.tensor([[1.0, 0, 1], [0, 0, 1]]) if several else torch.tensor([0, 2])
    task = bind("text-classification", SimpleNamespace(kind="text"), 3 if several else 0)

    def model(input_ids):
        assert input_ids.tolist() == [[1], [2], [1], [2]]
        return SimpleNamespace(logits=torch.cat([FIRST, SECOND]))

    value, _ = r_drop.twice(task.loss, 0.7)(model, {"input_ids": torch.tensor([[1], [2]]), "labels": labels})
    alone = F.binary_cross_entropy_with_logits if several else F.cross_entropy
    hard = (alone(FIRST, labels) + alone(SECOND, labels)) / 2
    torch.testing.assert_close(value, hard + 0.7 * r_drop.apart(FIRST, SECOND, several).mean())


@pytest.fixture(scope="module")
def made():
    texts = [f"word{i % 40} and more of it {i % 7}" for i in range(400)]
    model, tokenizer = builtin.build("builtin:text-tiny", texts, ["long", "short"], seed=0)
    model.resize_token_embeddings(128)
    return model, bind("text-classification", TextReader(tokenizer, 128))


def test_a_model_that_learned_so_minds_dropout_less_and_knows_less_by_heart(made, tmp_path):
    model, task = made
    start, found, by_heart = {k: v.clone() for k, v in model.state_dict().items()}, [], []
    config = TrainConfig(epochs=6.0, batch_size=16, precision="fp32", optim=Optim(lr=1e-3), metric="loss", device="cpu")
    # a quarter of the labels is wrong
    doubtful = [row | {"labels": row["labels"] ^ (i % 4 == 0)} for i, row in enumerate(rows(256))]
    for alpha in (0.0, 4.0):
        model.load_state_dict(start)
        asked = replace(config, regularise=Regularise(r_drop=alpha, dropout=0.3, patience=0))
        figures = trainer.train(model, task, doubtful, doubtful, asked, tmp_path / str(alpha), seed=0, scratch=True)
        by_heart.append(figures["validation"]["accuracy"])
        batch = task.collate(rows(64, 2))
        model.train()
        with torch.no_grad():
            answers = torch.cat([task.answers(model, batch)[0] for _ in range(2)])
        found.append(float(r_drop.apart(*answers.chunk(2), several=False).mean()))
    assert found[1] < found[0] / 2
    assert by_heart[1] < by_heart[0] - 0.05


def test_where_nothing_is_dropped_out_there_is_nothing_to_compare(made, tmp_path):
    model, task = made
    config = TrainConfig(regularise=Regularise(r_drop=1.0, dropout=0.0, layer_drop=0.1), device="cpu")
    with pytest.raises(ToolkitError, match="drops nothing out: --r-drop compares two dropouts: give --dropout"):
        trainer.train(model, task, rows(32), rows(32), config, tmp_path, seed=0)
    resnet, _ = builtin.build("builtin:image-tiny", [], ["a", "b"], seed=0)
    with pytest.raises(
        ToolkitError, match=r"resnet drops nothing out.*leave --r-drop out, or take a model with dropout"
    ):
        r_drop.check(resnet.config, Regularise(r_drop=1.0, dropout=0.3))
