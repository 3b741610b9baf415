"""How fast `toolkit finetune` trains beside transformers' Trainer: same rows, model, epochs, batch size, rate, machine.

Use: finetune.py DATA_FOLDER MODEL_FOLDER [--rows 6000] [--rounds 3] [--epochs 1] [--markdown FILE]

DATA_FOLDER holds train, validation and test with a text and a label column. The sides take turns, each in a process
of its own; the table gives medians over the rounds, and their range. Seconds are those of training steps, read
from one clock in both (a callback); evaluation and saving are left out there, and counted under "in all", which is the
whole process. "Trainer, best flags" has bf16, the fused AdamW, batches of like length and dynamic padding to
multiples of 8, and the eager attention, which is faster here than the default in training, since that has no fast way
with dropout on a processor. "example defaults" are those of the usual example script: fp32, padded to 128, batch 8;
it sees a tenth of the rows, since only its speed is asked. Accuracy is that on test, of the last weights (Trainer) and
of those that were best on validation (toolkit), with Wilson's interval, over all rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BATCH, SMALL_BATCH, LENGTH = 32, 8, 128
RATE, WARMUP, DECAY = 5e-5, 0.05, 0.01
OURS, BEST, PLAIN, BARE = "toolkit finetune", "Trainer, best flags", "example defaults", "imports and model alone"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rows", type=int, default=6000, help="of train")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    given = parser.parse_args()
    if given.side:
        print(json.dumps(SIDES[given.side](given)))
        return
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        rows = prepared(given.data, given.rows, Path(folder))
        for turn in range(given.rounds):
            for side in SIDES:
                if side == PLAIN and turn:
                    continue
                told = asked(side, given, Path(folder), given.seed + turn)
                found.setdefault(side, []).append(told)
                print(f"round {turn + 1}, {side}: {told}", file=sys.stderr, flush=True)
    text = table(found, rows, given)
    print(text)
    if given.markdown:
        given.markdown.write_text(text + "\n", encoding="utf-8")


def prepared(data: Path, count: int, folder: Path) -> dict[str, int]:
    """The splits as parquet files that every side reads; their rows."""
    from toolkit import inputs
    from toolkit.data.options import ColumnOptions

    splits = inputs.load_dataset(inputs.resolve("source", "dataset", str(data)), ColumnOptions())
    train = splits["train"]
    splits["train"] = train.shuffle(seed=0).select(range(min(count, len(train))))
    for name in ("train", "validation", "test"):
        splits[name].to_parquet(folder / f"{name}.parquet")
    return {name: len(rows) for name, rows in splits.items()}


def asked(side: str, given: argparse.Namespace, data: Path, seed: int) -> dict[str, Any]:
    """What a side tells of itself, from a process of its own."""
    command = [sys.executable, __file__, str(data), str(given.model), "--side", side, "--seed", str(seed)]
    started = time.time()
    done = subprocess.run(
        [*command, "--epochs", str(given.epochs), "--started", str(started)], capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stderr}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def clocked() -> dict[str, float]:
    """From now on a Trainer, whoever makes it, keeps its seconds here: to the first step, and of steps alone."""
    import transformers

    times = {"first": 0.0, "seconds": 0.0}

    class Clock(transformers.TrainerCallback):
        mark = 0.0

        def on_epoch_begin(self, *args: Any, **kwargs: Any) -> None:
            self.mark = time.perf_counter()

        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            times["first"] = times["first"] or time.time()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            now = time.perf_counter()
            times["seconds"], self.mark = times["seconds"] + now - self.mark, now

        def on_evaluate(self, *args: Any, **kwargs: Any) -> None:
            self.mark = time.perf_counter()

        on_save = on_evaluate

    make = transformers.Trainer.__init__

    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        self.add_callback(Clock())

    transformers.Trainer.__init__ = made
    return times


def judged(times: dict[str, float], given: argparse.Namespace, rows: int, model: Any, tokenizer: Any) -> dict[str, Any]:
    """Speed, memory, and which test rows a trained model tells right."""
    import resource

    import torch
    from datasets import load_dataset

    done = time.time()
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    on_gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    test = load_dataset("parquet", data_files=str(given.data / "test.parquet"), cache_dir=str(given.data / "cache"))[
        "train"
    ]
    model.to("cpu").eval()
    right = 0
    with torch.inference_mode():
        for i in range(0, len(test), 64):
            part = test[i : i + 64]
            batch = tokenizer(part["text"], truncation=True, max_length=LENGTH, padding=True, return_tensors="pt")
            right += int((model(**batch).logits.argmax(1) == torch.tensor(part["label"])).sum())
    return {
        "samples_per_second": rows * given.epochs / times["seconds"],
        "to_first_step": times["first"] - given.started,
        "in_all": done - given.started,
        "memory": used,
        "gpu_memory": on_gpu,
        "right": right,
        "of": len(test),
    }


def ours(given: argparse.Namespace) -> dict[str, Any]:
    import toolkit

    times = clocked()
    with tempfile.TemporaryDirectory() as folder:
        made = toolkit.finetune(
            given.data, out=f"{folder}/model", model=str(given.model), epochs=given.epochs, seed=given.seed,
            batch_size=BATCH, lr=RATE, warmup=WARMUP, weight_decay=DECAY, max_length=LENGTH,
        ).artifact  # fmt: skip
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        model, tokenizer = AutoModelForSequenceClassification.from_pretrained(made), AutoTokenizer.from_pretrained(made)
        rows = json.loads((made / "metrics.json").read_text())["train"]["rows"]
        return judged(times, given, rows, model, tokenizer)


def theirs(given: argparse.Namespace, best: bool) -> dict[str, Any]:
    from datasets import load_dataset
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from toolkit.training import precision

    times = clocked()
    files = {split: str(given.data / f"{split}.parquet") for split in ("train", "validation")}
    data = load_dataset("parquet", data_files=files, cache_dir=str(given.data / "cache"))
    set_seed(given.seed)
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    names = data["train"].features["label"].names
    device = precision.resolve_device("auto")
    eager = {"attn_implementation": "eager"} if best and device == "cpu" else {}
    model = AutoModelForSequenceClassification.from_pretrained(given.model, num_labels=len(names), **eager)
    padded = {} if best else {"padding": "max_length"}
    if not best:
        data["train"] = data["train"].select(range(max(1, len(data["train"]) // 10)))
    data = data.map(lambda part: tokenizer(part["text"], truncation=True, max_length=LENGTH, **padded), batched=True)
    flags: dict[str, Any] = {"per_device_train_batch_size": SMALL_BATCH}
    if best:
        flags = {
            "per_device_train_batch_size": BATCH, "bf16": bool(precision.bf16_unit(device)),
            "optim": "adamw_torch_fused", "train_sampling_strategy": "group_by_length", "logging_nan_inf_filter": False,
        }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, num_train_epochs=given.epochs, learning_rate=RATE, warmup_steps=WARMUP,
            weight_decay=DECAY, per_device_eval_batch_size=64, eval_strategy="epoch" if best else "no",
            save_strategy="no", seed=given.seed, use_cpu=device == "cpu", report_to=[], disable_tqdm=True, **flags,
        )  # fmt: skip
        collate = DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8) if best else None
        trainer = Trainer(
            model=model, args=arguments, train_dataset=data["train"], eval_dataset=data["validation"],
            processing_class=tokenizer, data_collator=collate,
        )  # fmt: skip
        trainer.train()
    return judged(times, given, len(data["train"]), model, tokenizer)


def bare(given: argparse.Namespace) -> dict[str, Any]:
    """What start-up takes at the least."""
    import datasets  # noqa: F401
    import transformers

    transformers.AutoModelForSequenceClassification.from_pretrained(given.model)
    return {"to_first_step": time.time() - given.started}


SIDES = {
    OURS: ours,
    BEST: lambda given: theirs(given, True),
    PLAIN: lambda given: theirs(given, False),
    BARE: bare,
}


def table(found: dict[str, list[dict[str, Any]]], rows: dict[str, int], given: argparse.Namespace) -> str:
    """A markdown table of medians, and under it what they were measured on."""
    import torch

    from toolkit.artifacts import manifest
    from toolkit.evaluation.statistics import wilson

    def median(side: str, key: str) -> float:
        return float(statistics.median(told[key] for told in found[side]))

    gpu = torch.cuda.is_available()
    header = ["", "samples/s (range)", "toolkit is faster", "peak memory", "GPU memory", "to the first step", "in all",
              "accuracy on test"]  # fmt: skip
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    for side, runs in found.items():
        start = f"{median(side, 'to_first_step'):.1f} s"
        if side == BARE:
            lines.append([side, "", "", "", "", start, "", ""])
            continue
        speeds = [told["samples_per_second"] for told in runs]
        right, of = sum(told["right"] for told in runs), sum(told["of"] for told in runs)
        low, high = wilson(right, of)
        lines.append([
            side,
            f"{median(side, 'samples_per_second'):,.0f} ({min(speeds):,.0f}–{max(speeds):,.0f})",
            f"{median(OURS, 'samples_per_second') / median(side, 'samples_per_second'):.2f} x",
            f"{median(side, 'memory') / 2**20:,.0f} MB",
            f"{median(side, 'gpu_memory') / 2**20:,.0f} MB" if gpu else "",
            start,
            f"{median(side, 'in_all'):.1f} s" if side != PLAIN else "",
            f"{right / of:.4f} ({low:.4f}–{high:.4f})" if side != PLAIN else "",
        ])  # fmt: skip
    if not gpu:
        lines = [line[:4] + line[5:] for line in lines]
    machine, versions = manifest.machine(), manifest.versions()
    packages = ", ".join(f"{name} {versions[name]}" for name in ("python", "toolkit", "torch", "transformers"))
    about = f"{machine['cpu']}, {machine['cores']} cores, {torch.get_num_threads()} threads"
    about += f", {machine['accelerator']}" if machine["accelerator"] else ""
    scale = f"{rows['train']:,} rows, {given.epochs:g} epochs, batch {BATCH}, {given.rounds} rounds"
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{body}\n\n{scale}; {about}; {packages}"


if __name__ == "__main__":
    main()
