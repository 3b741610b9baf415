import copy

import numpy as np
import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertTokenizer,
    DistilBertConfig,
    DistilBertForMaskedLM,
    ElectraConfig,
    ElectraForMaskedLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
    set_seed,
)

from toolkit.errors import ToolkitError
from toolkit.reading.text import TextReader
from toolkit.training import builtin, memory, trainer
from toolkit.training.config import Optim, TrainConfig
from toolkit.training.tasks import bind, masked_lm

WORDS = ["parcel", "invoice", "courier", "battery", "screen", "refund", "address", "manual", "colour", "button"]
TEXTS = [" ".join(WORDS[(i * k + k) % 10] for k in range(1, 25)) for i in range(1, 60)]
CHINESE = ["我们今天收到了快递包裹，但是发票金额不对。", "电池和屏幕都坏了，客服让我们联系快递公司退款。"]
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """BERT's own tokenizer with a vocabulary of half words, so that each word falls into several pieces."""
    characters = sorted({c for text in CHINESE for c in text})
    pieces = sorted({w[:4] for w in WORDS} | {f"##{w[4:]}" for w in WORDS}) + characters
    file = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    file.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]), encoding="utf-8")
    return BertTokenizer.from_pretrained(file.parent, model_max_length=64)


def byte_level():
    """A tokenizer as RoBERTa has it: bytes, the space at the begin of a word."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    learn = trainers.BpeTrainer(vocab_size=280, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(TEXTS, learn)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>", pad_token="<pad>",
        unk_token="<unk>", mask_token="<mask>", model_max_length=64,
    )  # fmt: skip


def task_of(tokenizer, length=64, **settings):
    return bind("masked-lm", TextReader(tokenizer, length), **settings)


def encoded(task, texts):
    return task.encode(Dataset.from_dict({"text": texts}))


def hidden_words(row, batch, i):
    """The numbers of the words of row i of a batch that are hidden."""
    length = batch["input_ids"].shape[1]
    at = [p - i * length for p in batch["positions"].tolist() if p // length == i]
    return row["words"][at]


def test_words_have_their_characters_and_the_space_before_them():
    assert masked_lm.word_numbers("let's go, now ").tolist() == [0] * 5 + [1] * 3 + [2] + [3] * 4 + [4]
    numbers = masked_lm.word_numbers("快递公司退款").tolist()
    assert numbers == sorted(numbers)
    assert numbers[0] == numbers[1]
    assert numbers[3] != numbers[4]
    assert masked_lm.word_numbers("").tolist() == []


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "bytes"])
def test_all_pieces_of_a_word_are_hidden_together(bert, kind):
    texts = [*TEXTS[:20], *CHINESE * 5]
    tokenizer = {"wordpiece": lambda: bert, "bpe": lambda: builtin.train_tokenizer(texts * 3),
                 "bytes": byte_level}[kind]()  # fmt: skip
    task = task_of(tokenizer, masking=0.4)
    rows = encoded(task, texts)
    several = 0
    for epoch in range(3):
        batch = task.collate(rows, epoch)
        for i, row in enumerate(rows):
            hidden = hidden_words(row, batch, i)
            for word in set(hidden.tolist()):
                assert (hidden == word).sum() == (row["words"] == word).sum()
                several += (hidden == word).sum() > 1
    assert several > 50
    chinese = encoded(task, CHINESE[:1])[0]
    known = [tokenizer.decode(chinese["input_ids"][chinese["words"] == w]).replace(" ", "") for w in range(8)]
    assert {"我们", "今天", "收到", "快递"} <= set(known)


def test_share_of_hidden_pieces_and_what_stands_in_their_place(bert):
    task = task_of(bert)
    rows = encoded(task, TEXTS)
    total = hidden = masked = same = other = 0
    for epoch in range(40):
        batch = task.collate(rows, epoch)
        now, was = batch["input_ids"].flatten()[batch["positions"]], batch["labels"]
        total += sum(len(row["input_ids"]) - 2 for row in rows)
        hidden += len(was)
        masked += int((now == bert.mask_token_id).sum())
        same += int((now == was).sum())
        other += int(((now != was) & (now != bert.mask_token_id)).sum())
        assert not set(now.tolist()) & (set(bert.all_special_ids) - {bert.mask_token_id})
    assert hidden / total == pytest.approx(0.15, abs=0.005)
    assert masked / hidden == pytest.approx(0.8, abs=0.01)
    vocabulary = len(bert) - 5
    assert same / hidden == pytest.approx(0.1 + 0.1 / vocabulary, abs=0.01)
    assert other / hidden == pytest.approx(0.1 - 0.1 / vocabulary, abs=0.01)


def test_masking_is_the_share_that_was_asked_for(bert):
    task = task_of(bert, masking=0.5)
    rows = encoded(task, TEXTS)
    shares = [len(task.collate(rows, e)["labels"]) / sum(len(r["input_ids"]) - 2 for r in rows) for e in range(10)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.02)


def test_special_tokens_and_padding_are_never_hidden(bert):
    task = task_of(bert, masking=0.9)
    rows = encoded(task, ["parcel [SEP] invoice", "battery [MASK] zzz", " ".join(WORDS)])
    for epoch in range(30):
        batch = task.collate(rows, epoch)
        assert not set(batch["labels"].tolist()) & set(bert.all_special_ids)
        assert batch["attention_mask"].flatten()[batch["positions"]].all()
        outside = torch.ones(batch["input_ids"].numel(), dtype=torch.bool)
        outside[batch["positions"]] = False
        plain = task.reader.batch([{"input_ids": row["input_ids"]} for row in rows])["input_ids"]
        assert batch["input_ids"].flatten()[outside].equal(torch.from_numpy(plain).flatten()[outside])
        assert batch["labels"].equal(torch.from_numpy(plain).flatten()[batch["positions"]])


def test_each_epoch_hides_others_and_validation_the_same(bert):
    task = task_of(bert)
    rows = encoded(task, TEXTS)
    first, again, second, held, held_again = (task.collate(rows, e)["input_ids"] for e in (0, 0, 1, None, None))
    assert first.equal(again)
    assert held.equal(held_again)
    assert not first.equal(second)
    assert not first.equal(held)
    other = task_of(bert, seed=1)
    assert not other.collate(rows, 0)["input_ids"].equal(first)
    turned = task.collate(rows[::-1], 0)["input_ids"]  # what is hidden of a row does not hang on its batch
    assert turned.flip(0).equal(first)


def test_long_texts_become_several_rows_and_lose_nothing(bert):
    task = task_of(bert, length=16)
    rows = encoded(task, [TEXTS[0], "parcel"])
    whole = bert(TEXTS[0], add_special_tokens=False)["input_ids"]
    assert max(len(row["input_ids"]) for row in rows) == 16
    assert [i for row in rows[:-1] for i in row["input_ids"][1:-1].tolist()] == whole
    assert len({row["row"] for row in rows}) == len(rows) == -(-len(whole) // 14) + 1


def test_texts_without_tokens_are_left_out_and_told(bert):
    task = task_of(bert)
    assert len(encoded(task, ["parcel", "", None, "жжж"])) == 1
    with pytest.raises(ToolkitError, match="no text has a token"):
        encoded(task, ["", "жжж"])


def test_a_tokenizer_without_a_mask_is_refused(bert):
    without = PreTrainedTokenizerFast(tokenizer_object=bert.backend_tokenizer, unk_token="[UNK]", pad_token="[PAD]")
    with pytest.raises(ToolkitError, match="no mask token"):
        task_of(without)


def model_of(kind, size):
    torch.manual_seed(0)
    few = {"vocab_size": size, "pad_token_id": 0, "max_position_embeddings": 70}
    narrow = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 32}
    return {
        "bert": lambda: BertForMaskedLM(BertConfig(**SMALL, **few)),
        "roberta": lambda: RobertaForMaskedLM(RobertaConfig(**SMALL, **few)),
        "distilbert": lambda: DistilBertForMaskedLM(DistilBertConfig(**narrow, **few)),
        "electra": lambda: ElectraForMaskedLM(ElectraConfig(**SMALL, embedding_size=8, **few)),
    }[kind]()


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "electra"])
@pytest.mark.parametrize("gathers", [None, False], ids=["the head on hidden positions", "the stock forward"])
def test_the_loss_is_the_stock_models(bert, kind, gathers):
    model, task = model_of(kind, len(bert)).eval(), task_of(bert)
    task.gathers = gathers
    batch = task.collate(encoded(task, TEXTS[:6] + TEXTS[:3] + ["parcel"]), 0)
    labels = torch.full_like(batch["input_ids"], -100)
    labels.view(-1)[batch["positions"]] = batch["labels"]
    stock = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels)
    loss, outputs = task.loss(model, batch)
    assert loss.item() == pytest.approx(stock.loss.item(), rel=1e-4)
    assert (outputs.logits.shape[1] == len(batch["labels"])) == (gathers is None)
    assert not model.base_model._forward_hooks
    loss.backward()
    ours = model.get_input_embeddings().weight.grad.clone()
    model.zero_grad()
    stock.loss.backward()
    assert torch.allclose(ours, model.get_input_embeddings().weight.grad, atol=1e-5)


def test_pieces_of_a_batch_add_up_to_its_loss(bert):
    """What is done where memory runs out."""
    model, task = model_of("bert", len(bert)).eval(), task_of(bert)
    batch = task.collate(encoded(task, TEXTS[:7]), 0)
    cut = memory.Pieces(None, task.piece)
    cut.count = 3
    parts = list(cut.cut(batch))
    assert [len(part["input_ids"]) for part, _ in parts] == [3, 3, 1]
    whole = float(task.loss(model, batch)[0])
    assert sum(float(task.loss(model, part)[0]) * share for part, share in parts) == pytest.approx(whole, rel=1e-5)


def test_a_head_that_needs_all_positions_gets_them(bert):
    """A head that looks at the position before: given some alone, it would say something else."""

    class Looks(BertForMaskedLM):
        def forward(self, input_ids, attention_mask):
            hidden = self.bert(input_ids, attention_mask=attention_mask)[0]
            out = BertForMaskedLM.forward(self, input_ids, attention_mask)
            out.logits = self.cls(hidden.roll(1, dims=1))
            return out

    task = task_of(bert)
    model = Looks(BertConfig(**SMALL, vocab_size=len(bert))).eval()
    batch = task.collate(encoded(task, TEXTS[:4]))
    with torch.no_grad():
        task.loss(model, batch)
    assert task.gathers is False


def test_figures_are_means_over_the_hidden_pieces(bert):
    model, task = model_of("bert", len(bert)).eval(), task_of(bert)
    rows = encoded(task, TEXTS[:30])
    figures = trainer.validate(model, task, rows)
    batch = task.collate(rows)
    with torch.no_grad():
        loss, outputs = task.loss(model, batch)
    assert figures["loss"] == pytest.approx(loss.item(), rel=1e-4)
    assert figures["perplexity"] == pytest.approx(np.exp(loss.item()), rel=1e-3)
    hits = (outputs.logits[0].argmax(-1) == batch["labels"]).float().mean()
    assert figures["accuracy"] == pytest.approx(hits.item())
    said, _ = trainer.answers(model, task, rows)
    assert said.shape == (30, 1, 2)  # no vocabulary is kept


def config(**changes):
    plain = {"epochs": 3.0, "batch_size": 16, "precision": "fp32", "optim": Optim(lr=3e-3), "device": "cpu"}
    return TrainConfig(**(plain | changes))


def test_learns_and_keeps_the_weights_of_the_lowest_loss(bert, tmp_path):
    model, task = model_of("bert", len(bert)), task_of(bert)
    rows, held = encoded(task, TEXTS[:48]), encoded(task, TEXTS[48:])
    before = trainer.validate(model, task, held)
    figures = trainer.train(model, task, rows, held, config(epochs=6.0, optim=Optim(lr=1e-2)), tmp_path, seed=0)
    assert figures["validation"]["loss"] < 0.8 * before["loss"]
    assert trainer.validate(model, task, held)["loss"] == pytest.approx(figures["validation"]["loss"], rel=1e-4)
    assert set(figures["validation"]) == {"loss", "perplexity", "accuracy", "rows"}


def test_a_metric_of_another_task_is_refused(bert, tmp_path):
    model, task = model_of("bert", len(bert)), task_of(bert)
    rows = encoded(task, TEXTS[:4])
    with pytest.raises(ToolkitError, match=r"f1_macro.*choose loss or perplexity or accuracy"):
        trainer.train(model, task, rows, rows, config(metric="f1_macro"), tmp_path, seed=0)


def test_a_stopped_run_ends_with_the_weights_of_an_undisturbed_one(bert, tmp_path):
    start = model_of("bert", len(bert))
    task = task_of(bert)
    rows, held = encoded(task, TEXTS[:48]), encoded(task, TEXTS[48:])

    def run(folder, report=None):
        model = copy.deepcopy(start)
        set_seed(0)
        trainer.train(model, task_of(bert), rows, held, config(save_every=2), folder, seed=0, report=report)
        return model.state_dict()

    class Stop(Exception):
        pass

    def stop(figures):
        raise Stop

    whole = run(tmp_path / "whole")
    with pytest.raises(Stop):
        run(tmp_path / "stopped", stop)
    assert trainer.last_checkpoint(tmp_path / "stopped").name == "checkpoint-2"  # inside the first epoch of 3 steps
    again = run(tmp_path / "stopped")
    assert all(torch.equal(value, whole[key]) for key, value in again.items())


TOLD = ["The parcel is late. The courier lost it. Now we wait.", "An invoice came. It is wrong.", "One sentence only"]


def pairs_of(bert, count=40):
    texts = [f"{a} {b}. {b} {c}! {c} {a}?" for a in WORDS for b, c in zip(WORDS, WORDS[3:], strict=False)][:count]
    task = task_of(bert, next_sentence=True)
    return texts, task, encoded(task, texts)


def test_half_of_the_pairs_follow_each_other(bert):
    texts, task, rows = pairs_of(bert)
    assert len(rows) == 2 * len(texts)
    assert [row["next"] for row in rows].count(masked_lm.FOLLOWS) == len(texts)
    for row in rows:
        ids, second = row["input_ids"], row["second"] == 1
        first = bert.decode(ids[~second], skip_special_tokens=True).replace(" ", "")
        then = bert.decode(ids[second], skip_special_tokens=True).replace(" ", "")
        follows = any(first + then in text.replace(" ", "").replace(".", "").replace("!", "").replace("?", "")
                      for text in texts)  # fmt: skip
        assert follows or row["next"] == masked_lm.STRANGER
        assert ids[second][-1] == bert.sep_token_id
        assert bert.sep_token_id not in ids[second][:-1]
    strange = [row for row in rows if row["next"] == masked_lm.STRANGER]
    assert len(strange) == len(texts)
    assert task.collate(rows[:4])["token_type_ids"].equal(
        torch.tensor(np.stack([np.pad(r["second"], (0, 14 - len(r["second"]))) for r in rows[:4]]))
    )


def test_a_text_of_one_sentence_stays_alone_and_tells_nothing_of_order(bert):
    task = task_of(bert, next_sentence=True)
    rows = encoded(task, ["parcel invoice. battery screen.", "refund address. manual", "courier button"])
    assert sorted(row["next"] for row in rows) == [masked_lm.ALONE, masked_lm.FOLLOWS, masked_lm.STRANGER]
    alone = next(row for row in rows if row["next"] == masked_lm.ALONE)
    assert alone["second"].max() == 0
    assert alone["input_ids"].tolist() == bert("courier button")["input_ids"]
    torch.manual_seed(0)
    model = BertForPreTraining(BertConfig(**SMALL, vocab_size=len(bert)))
    assert task.loss(model, task.collate([alone]))[0].isfinite()
    with pytest.raises(ToolkitError, match="no text has two sentences"):
        encoded(task, ["courier button", "parcel"])


def test_order_of_sentences_is_learned_besides(bert, tmp_path):
    """Sentences that name the same thing follow each other; a text names one thing."""
    texts = [f"{w} {w} {w}. {w} {w} {w}." for w in WORDS] * 8
    torch.manual_seed(0)
    model = BertForPreTraining(BertConfig(**SMALL, vocab_size=len(bert), hidden_dropout_prob=0.0))
    task = task_of(bert, next_sentence=True)
    rows = encoded(task, texts)
    batch = task.collate(rows[:8])
    model.eval()
    stock = model(
        **{key: batch[key] for key in ("input_ids", "attention_mask", "token_type_ids")},
        labels=torch.full_like(batch["input_ids"], -100).view(-1).scatter(0, batch["positions"], batch["labels"])
        .view_as(batch["input_ids"]),
        next_sentence_label=batch["next"],
    )  # fmt: skip
    assert task.loss(model, batch)[0].item() == pytest.approx(stock.loss.item(), rel=1e-4)
    figures = trainer.train(model, task, rows, rows, config(epochs=1.0), tmp_path, seed=0)
    assert set(figures["validation"]) >= {"next_sentence", "perplexity"}
    told = trainer.validate(model, task, rows)
    assert told["loss"] > np.log(told["perplexity"])  # that of the order is in it
