"""Tiny models trained on a dozen sentences, a word a token."""

from transformers import PreTrainedTokenizerFast

SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "<mask>"]

SENTENCES = [
    "the movie was very good and i liked it",
    "the film was very bad and i hated it",
    "我非常喜欢这个商品",
    "这个商品质量很好",
]
FORWARD = [("我喜欢猫", "i like cats"), ("我爱猫", "i like cats"), ("今天天气好", "it is fine today")]
BACKWARD = [("i like cats", "猫我很喜欢"), ("it is fine today", "今天是个好天气")]


def tokenizer(texts, begin=True):
    """Words (Chinese characters) of these texts; texts become `<s> … </s>`, or without the first."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    from toolkit.data.text import CJK

    split = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Split(Regex(f"[{CJK}]"), "isolated")])
    lower = normalizers.Lowercase()
    found = sorted({word for text in texts for word, _ in split.pre_tokenize_str(lower.normalize_str(text))})
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *found])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.normalizer, made.pre_tokenizer = lower, split
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>" if begin else "$A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        mask_token="<mask>", cls_token="<s>", sep_token="</s>", model_max_length=64,
    )  # fmt: skip


def seq2seq(pairs, steps=60):
    """(model, tokenizer) that has learnt these pairs by heart."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    words = tokenizer([text for pair in pairs for text in pair], begin=False)
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(
        T5Config(vocab_size=len(words), d_model=48, d_kv=24, d_ff=96, num_layers=1, num_heads=2, dropout_rate=0.0,
                 pad_token_id=0, eos_token_id=2, decoder_start_token_id=0, tie_word_embeddings=False)
    )  # fmt: skip
    ids = words([a for a, _ in pairs], padding=True, return_tensors="pt")
    labels = words([b for _, b in pairs], padding=True, return_tensors="pt")["input_ids"]
    _train(model, steps, input_ids=ids["input_ids"], attention_mask=ids["attention_mask"],
           labels=labels.masked_fill(labels == 0, -100))  # fmt: skip
    return model, words


def masked_lm(texts, steps=80):
    """(model, tokenizer) that fills a word of these texts."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    words = tokenizer(texts)
    torch.manual_seed(0)
    model = BertForMaskedLM(
        BertConfig(vocab_size=len(words), hidden_size=48, num_hidden_layers=1, num_attention_heads=2,
                   intermediate_size=96, max_position_embeddings=64, hidden_dropout_prob=0.0,
                   attention_probs_dropout_prob=0.0, pad_token_id=0)
    )  # fmt: skip
    rows, masks, labels = [], [], []
    for ids in words(texts)["input_ids"]:
        for at in range(1, len(ids) - 1):
            for span in (1, 2):
                rows.append([4 if at <= i < at + span and i < len(ids) - 1 else x for i, x in enumerate(ids)])
                labels.append([x if y == 4 else -100 for x, y in zip(ids, rows[-1], strict=True)])
    longest = max(map(len, rows))
    masks = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    rows = [row + [0] * (longest - len(row)) for row in rows]
    labels = [row + [-100] * (longest - len(row)) for row in labels]
    _train(model, steps, input_ids=torch.tensor(rows), attention_mask=torch.tensor(masks), labels=torch.tensor(labels))
    return model, words


def _train(model, steps, **batch):
    import torch

    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(steps):
        loss = model(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
