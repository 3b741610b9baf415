"""What teachers say of rows: each row is asked once, and a run that was killed goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from toolkit import console
from toolkit.errors import ToolkitError
from toolkit.reading import Encoded
from toolkit.training import processor
from toolkit.training.tasks import Task
from toolkit.training.tasks.classification import TARGETS

FORMATS = {"bf16": torch.bfloat16, "fp16": torch.float16}


def teacher_logits(
    model: Any,
    task: Task,
    rows: Encoded,
    device: str,
    *,
    number_format: str = "fp32",
    kept: Path | None = None,
    batch_size: int = 64,
) -> Any:
    """The teacher's logits for its own encoding of the rows: float32 tensor (rows, classes).

    Args:
        number_format: fp32, bf16 or fp16, as `Precision` names them.
        kept: the file that holds what was asked before, and takes what is asked now. Batches are the same in every
            call, so that an interrupted one ends with the same bits.

    Raises:
        ToolkitError: an answer is not finite.
    """
    rows = [{key: value for key, value in row.items() if key not in TARGETS} for row in rows]
    order = sorted(range(len(rows)), key=lambda i: task.reader.size(rows[i]))
    out = _opened(kept, (len(rows), model.config.num_labels))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    todo = [chosen for chosen in batches if np.isnan(out[chosen]).any()]
    with answering(model, device, number_format) as ask:
        for chosen in console.track(todo, "asking the teacher"):
            batch = {k: v.to(device) for k, v in task.collate([rows[i] for i in chosen]).items()}
            answers = ask(batch).cpu().numpy()
            if not np.isfinite(answers).all():
                raise ToolkitError("the teacher's answers are not finite", "use --precision fp32, or another teacher")
            out[chosen] = answers
    return torch.from_numpy(np.array(out))


@contextmanager
def answering(model: Any, device: str, number_format: str) -> Iterator[Callable[[dict[str, Any]], Any]]:
    """Inside, a function of the model's inputs that gives its logits, float32 (rows, classes)."""
    quick = processor.quick(model, logits_only=True) if (device, number_format) == ("cpu", "bf16") else nullcontext()

    def ask(inputs: dict[str, Any]) -> Any:
        low = number_format in FORMATS
        with torch.no_grad(), torch.autocast(device, FORMATS.get(number_format), enabled=low):
            return model(**inputs).logits.float()

    model.to(device).eval()
    try:
        with quick:
            yield ask
    finally:
        model.to("cpu")


def combined(answers: Sequence[Any], weights: Sequence[float], temperature: float, several: bool) -> Any:
    """One teacher's logits that, softened by `temperature`, say the weighted mean of what all say so softened.

    The probabilities are averaged (You et al., 2017); the answers of a single teacher come out as they were, but for a
    shift that no probability depends on.

    Args:
        answers: float (rows, classes) each, their classes in one order.
        weights: of the teachers; they need not add up to one.
        several: whether each class is told by itself.
    """
    if len(answers) == 1:
        return answers[0]
    shares = torch.tensor(weights, dtype=torch.float64)
    shares = (shares / shares.sum()).log().float().to(answers[0].device)[:, None, None]
    soft = torch.stack([answer / temperature for answer in answers])
    if several:
        yes, no = (torch.logsumexp(torch.nn.functional.logsigmoid(s) + shares, 0) for s in (soft, -soft))
        return temperature * (yes - no)
    return temperature * torch.logsumexp(soft.log_softmax(-1) + shares, 0)


def _opened(kept: Path | None, shape: tuple[int, int]) -> Any:
    """An array in a file, or in memory; what was not asked yet is not a number."""
    if kept is None:
        return np.full(shape, np.nan, np.float32)
    if not kept.is_file():
        kept.parent.mkdir(parents=True, exist_ok=True)
        aside = kept.with_suffix(".new")
        np.full(shape, np.nan, np.float32).tofile(aside)
        aside.rename(kept)
    return np.memmap(kept, np.float32, "r+", shape=shape)
