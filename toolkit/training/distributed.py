"""Training in several processes: each rank's share of a batch, what is sharded, and what cannot be asked for.

A step of N ranks is the step of one process with N times the batch: the sampler makes batches of all ranks together,
each rank takes every N-th row, and a rank's loss counts by its labels.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import console, ranks
from toolkit.config import read_mapping
from toolkit.errors import ToolkitError
from toolkit.training import precision

if TYPE_CHECKING:
    from toolkit.training.config import TrainConfig

LAUNCH = "torchrun --nproc-per-node N -m toolkit …"
STEP_SHARDS = ("adamw", "lion")  # PyTorch's fused SGD and its Adafactor do not work on DTensors

BATCH_OF_DEEPSPEED = {
    "train_batch_size": "--batch-size",
    "train_micro_batch_size_per_gpu": "--batch-size",
    "gradient_accumulation_steps": "--accumulate",
    "gradient_clipping": "--set max_grad_norm",
}
NOT_OF_DEEPSPEED = BATCH_OF_DEEPSPEED | {
    "optimizer": "--optimizer",
    "scheduler": "--scheduler",
    "bf16": "--precision",
    "fp16": "--precision",
}


class Share:
    """One rank's part of the batches of another sampler: every N-th row, so that lengths are shared out too."""

    def __init__(self, batches: Any, rank: int, count: int) -> None:
        self.batches, self.rank, self.count = batches, rank, count

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.batches:
            # a last batch of fewer rows than ranks: each rank must take part, so some rows are taken twice
            yield batch[self.rank :: self.count] or [batch[self.rank % len(batch)]]


def weighted(loss: Any, labels: int, accelerator: Any) -> Any:
    """A rank's loss, the mean over its labels, scaled so that the mean over ranks is that over the labels of all."""
    import torch

    mine = torch.tensor(float(labels), device=loss.device)
    return loss * (mine / accelerator.reduce(mine.clone(), "mean"))


def check(config: TrainConfig) -> None:
    """What several processes, or one, cannot do; told without loading anything.

    Raises:
        ToolkitError: sharding without processes or GPUs to shard over, or asked for twice or elsewhere.
    """
    for variable, flag in (("ACCELERATE_USE_FSDP", "--fsdp"), ("ACCELERATE_USE_DEEPSPEED", "--deepspeed FILE")):
        if os.environ.get(variable, "").lower() == "true":
            raise ToolkitError(f"{variable} is set by accelerate's config", f"leave it out there and give {flag} here")
    flag = "--fsdp" if config.fsdp else "--deepspeed"
    if config.fsdp and config.deepspeed:
        raise ToolkitError("--fsdp and --deepspeed both shard the model", "give one of them")
    if sharded(config):
        if config.layers.stages not in (None, "none"):
            raise ToolkitError(
                f"{flag} with --stages: sharded weights cannot be frozen midway", "leave one of them out"
            )
        whole = {
            "--layer-drop": bool(config.regularise.layer_drop),
            "--clip adaptive": config.optim.clip == "adaptive",
            "--find-lr": config.optim.find_lr,
        }
        if asked := [name for name, wanted in whole.items() if wanted]:
            raise ToolkitError(f"{flag} with {asked[0]}: it needs whole layers", "leave one of them out")
        if "LOCAL_RANK" not in os.environ:
            raise ToolkitError(f"{flag} needs a launcher", f"call {LAUNCH}")
    if config.fsdp and ranks.count() == 1:
        raise ToolkitError("--fsdp shards over several processes, and this is one", f"call {LAUNCH}")
    if config.fsdp and config.optim.optimizer not in STEP_SHARDS:
        raise ToolkitError(
            f"--optimizer {config.optim.optimizer} does not step weights that --fsdp has sharded",
            f"use {' or '.join(STEP_SHARDS)}",
        )
    if config.deepspeed:
        _check_deepspeed(config.deepspeed)
    check_device(config, precision.resolve_device(config.device))


def _check_deepspeed(given: str) -> None:
    if find_spec("deepspeed") is None:
        raise ToolkitError("deepspeed is not installed", "pip install 'model-toolkit[deepspeed]'")
    asked = read_mapping(Path(given), f"--deepspeed {given}")
    for key, instead in NOT_OF_DEEPSPEED.items():
        value = asked.get(key, "auto")
        if value != "auto" and not (isinstance(value, dict) and value.get("enabled") == "auto"):
            raise ToolkitError(f"--deepspeed {given} sets '{key}'", f"leave it out there: {instead} says it")


def _zero(given: str) -> dict[str, Any]:
    """The DeepSpeed config of a file, with what our options say left to the Trainer to fill in."""
    asked = read_mapping(Path(given), f"--deepspeed {given}")
    ours: dict[str, Any] = dict.fromkeys(BATCH_OF_DEEPSPEED, "auto")
    zero = {"stage3_gather_16bit_weights_on_model_save": True} | asked.get("zero_optimization", {})
    return ours | {"bf16": {"enabled": "auto"}, "fp16": {"enabled": "auto"}} | asked | {"zero_optimization": zero}


def sharded(config: TrainConfig) -> bool:
    """Whether no process holds the whole model."""
    return config.fsdp or config.deepspeed is not None


def check_device(config: TrainConfig, device: str) -> None:
    """
    Raises:
        ToolkitError: a device that the processes cannot share, or on which the Trainer would ignore the sharding.
    """
    import torch

    local = int(os.environ.get("LOCAL_RANK", 0))
    if ranks.count() > 1 and device == "mps":
        raise ToolkitError("several processes cannot share mps", "add --device cpu, or call it in one process")
    if device == "cuda" and local >= torch.cuda.device_count():
        there = torch.cuda.device_count()
        raise ToolkitError(f"process {local} of this machine has no GPU, there are {there}", "start one for each GPU")
    if config.fsdp and device != "cuda":
        raise ToolkitError(f"--fsdp on {device}: each process would hold a whole model all the same", "leave it out")


def placed(config: TrainConfig, device: str, number_format: str) -> dict[str, Any]:
    """What `TrainingArguments` is told of the processes; waits for all of them."""
    if device == "cuda":
        import torch

        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        if ranks.count() == 1 and torch.cuda.device_count() > 1:
            console.note(f"one GPU of {torch.cuda.device_count()} is used; all of them: {LAUNCH}")
    told = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if told not in ("no", number_format):
        console.warn(f"accelerate's config says {told}: --precision decides, which is {number_format} here")
    os.environ["ACCELERATE_MIXED_PRECISION"] = "no"  # the arguments say it
    ranks.together()
    out: dict[str, Any] = {}
    if config.fsdp:
        # FSDP2, one shard for each of the model's layers; whole weights in checkpoints
        out |= {"fsdp": True, "fsdp_config": {"version": 2, "state_dict_type": "FULL_STATE_DICT"}}
    if config.deepspeed:
        out["deepspeed"] = _zero(config.deepspeed)
    return out


def agreed(checkpoint: Path | None) -> Path | None:
    """The checkpoint that rank 0 goes on from.

    Raises:
        ToolkitError: this process does not see it.
    """
    here = checkpoint and checkpoint.name
    chosen = of_leader(here)
    if chosen != here:
        raise ToolkitError(
            f"here the last checkpoint is {here}, at rank 0 {chosen}", "give --out on a disk that all machines share"
        )
    return checkpoint


def of_leader(value: Any) -> Any:
    """What rank 0 has; every rank must call."""
    told = [value]
    if ranks.count() > 1:
        from torch.distributed import broadcast_object_list

        broadcast_object_list(told)
    return told[0]


def gathered(engine: Any) -> Any:
    """A whole model with the weights of now: on rank 0, where they are sharded; every rank must call."""
    if sharded(engine.config):
        weights = engine.accelerator.get_state_dict(engine.model_wrapped)
        if ranks.leads():
            engine.whole.load_state_dict(weights)
    return engine.whole
