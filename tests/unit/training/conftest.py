"""A tiny model, rows to learn from and a config, for all tests of the engine."""

import pytest
import torch
from helpers import token_rows

from toolkit.reading.text import TextReader
from toolkit.training import builtin
from toolkit.training.config import Optim, TrainConfig
from toolkit.training.tasks import bind


def make_config(**changes):
    return TrainConfig(
        **({"epochs": 3.0, "batch_size": 16, "precision": "fp32", "optim": Optim(lr=1e-3), "device": "cpu"} | changes)
    )


@pytest.fixture(scope="session")
def rows():
    return token_rows


@pytest.fixture(scope="session")
def config():
    return make_config


def make_bert():
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    made = BertForSequenceClassification(
        BertConfig(
            vocab_size=128, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
            max_position_embeddings=32, num_labels=2,
        )
    )  # fmt: skip
    tokenizer = builtin.train_tokenizer(["word and more of it"] * 8)
    return made, bind("text-classification", TextReader(tokenizer, 32))


@pytest.fixture
def bert():
    """A BERT of two layers of 16, and the task of telling two classes."""
    return make_bert()


@pytest.fixture(scope="session")
def one_bert():
    """The same for all tests: they train copies of it."""
    return make_bert()


@pytest.fixture(scope="session")
def start():
    """One of wider layers whose weights are large enough to learn from few rows; tests train copies of it."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=32, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        initializer_range=0.1,
    )  # fmt: skip
    tokenizer = builtin.train_tokenizer(["word and more of it"] * 8)
    return BertForSequenceClassification(config), bind("text-classification", TextReader(tokenizer, 128))
