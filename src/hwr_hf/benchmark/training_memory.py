"""How much memory a training step needs, by batch and precision.

In: sizes of a network, columns of a batch, a precision. Out: bytes at the peak of a step with
AdamW. On a GPU the step runs, below a limit if one is given; elsewhere PyTorch's memory tracker
adds up the tensors of the same step, to which a GPU's libraries add workspaces of their own.
"""

import gc
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.distributed._tools.mem_tracker import MemTracker

from hwr_hf.resnet_bilstm.configuration_resnet_bilstm import ResNetBiLstmConfig
from hwr_hf.resnet_bilstm.modeling_resnet_bilstm import ResNetBiLstmForCTC

HEIGHT = 48
LINE_COLUMNS = 640  # of a line; a batch is so many of them as fill its columns
LETTERS = 40  # of a line
GIB = 2**30


@dataclass(frozen=True)
class Step:
    """One way to train.

    Attributes:
        preset: Name of a `ResNetBiLstmConfig` constructor.
        batch_columns: Image columns of a batch.
        precision: `"float32"`, or `"bfloat16"` for autocast to it.
        checkpointing: Whether activations are computed again in the backward pass.
    """

    preset: str
    batch_columns: int
    precision: str = "float32"
    checkpointing: bool = False


def peak_bytes(step: Step, device: str = "cpu") -> int:
    """Memory at the peak of a training step, AdamW's state included.

    Raises:
        torch.OutOfMemoryError: The device has not enough, or is not allowed more.
    """
    if torch.device(device).type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    torch.manual_seed(0)
    model = ResNetBiLstmForCTC(getattr(ResNetBiLstmConfig, step.preset)())
    model = model.train().to(device, memory_format=torch.channels_last)
    if step.checkpointing:
        model.activation_checkpointing_enable()
    optimizer = torch.optim.AdamW(model.parameters())
    num_lines = max(1, step.batch_columns // LINE_COLUMNS)
    batch = {
        "pixel_values": torch.rand(num_lines, 1, HEIGHT, LINE_COLUMNS, device=device),
        "pixel_mask": torch.ones(num_lines, LINE_COLUMNS, dtype=torch.long, device=device),
        "labels": torch.randint(1, model.config.vocab_size, (num_lines, LETTERS), device=device),
    }

    def train_step() -> None:
        with torch.autocast(
            torch.device(device).type, torch.bfloat16, enabled=step.precision == "bfloat16"
        ):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    train_step()  # AdamW's state is there from now on
    if torch.device(device).type == "cuda":
        train_step()
        return torch.cuda.max_memory_reserved(device)
    tracker = MemTracker()
    tracker.track_external(model, optimizer)
    with tracker:
        train_step()
    return tracker.get_tracker_snapshot("peak")[torch.device(device)]["Total"]


def memory_table(
    steps: Sequence[Step], device: str = "cpu", limit_gib: float | None = None
) -> list[dict]:
    """A row for every step: what it is, and its `peak_gib`, None where the limit is too low.

    Args:
        steps: To measure.
        device: Where.
        limit_gib: Of a GPU's memory let the process have no more than this.
    """
    if limit_gib is not None and torch.device(device).type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit_gib * GIB / total), device)
    rows = []
    for step in steps:
        try:
            peak = round(peak_bytes(step, device) / GIB, 2)
        except torch.OutOfMemoryError:
            peak = None
        rows.append({**vars(step), "peak_gib": peak})
    return rows
