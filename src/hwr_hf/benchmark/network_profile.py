"""Where the time of the recogniser goes, and how near its convolutions come to the machine's limit.

In: lines. Out: multiplications and bytes a line, seconds a line of every step, the machine's rate
of multiplying matrices, and the convolutions' share of it. The steps are timed one after the other
in one process, as reading one batch after the other would do them.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode
from transformers import pipeline

from hwr_hf.resnet_bilstm.sorted_batches_resnet_bilstm import collate_lines

from .lines import BenchmarkLine
from .readers import BATCH_SIZE

MATRIX_SIZE = 2048
REPEATS = 5
STEPS = ("image decoding", "preparation", "convolutions", "LSTM", "rest of the network",
         "CTC decoding", "rest in Python")  # fmt: skip


def matrix_ceiling(dtype: torch.dtype, size: int = MATRIX_SIZE, repeats: int = REPEATS) -> float:
    """Floating-point operations a second in a product of two square matrices, the best of some."""
    left, right = torch.randn(2, size, size).to(dtype)
    left @ right
    seconds = min(_seconds(lambda: left @ right) for _ in range(repeats))
    return 2 * size**3 / seconds


def profile(lines: Sequence[BenchmarkLine], model: str, dtype: torch.dtype) -> dict:
    """Takes the reading of lines apart, in batches of like width.

    Args:
        lines: To read, two batches or more for steady numbers.
        model: Folder of the recogniser.
        dtype: To compute in.

    Returns:
        `seconds_per_line` by step of `STEPS`, `shares` of them, `lines_per_second` of all steps
        one after the other, `ceiling_flops`, `convolution_flops` (a second, over the columns
        computed, padding included) and `convolution_share`, of the one in the other.
    """
    reader = pipeline("image-to-text", model=model, device="cpu", dtype=dtype)
    seconds: dict[str, float] = defaultdict(float)
    ceiling = matrix_ceiling(dtype)
    with torch.inference_mode():
        batches = list(_batches(reader, lines))
        for batch in batches:  # oneDNN prepares itself for each shape the first time
            reader.model(batch["pixel_values"].to(dtype), batch["pixel_mask"])
        macs = sum(network_macs(reader.model, batch)["convolutions"] for batch in batches)
        begin = time.perf_counter()
        _read(reader, lines, dtype, seconds)
        total = time.perf_counter() - begin
    seconds["rest in Python"] = total - sum(seconds.values())
    convolution_flops = 2 * macs / seconds["convolutions"]
    return {
        "dtype": str(dtype).removeprefix("torch."),
        "lines": len(lines),
        "lines_per_second": len(lines) / total,
        "seconds_per_line": {step: seconds[step] / len(lines) for step in STEPS},
        "shares": {step: seconds[step] / total for step in STEPS},
        "ceiling_flops": ceiling,
        "convolution_flops": convolution_flops,
        "convolution_share": convolution_flops / ceiling,
    }


def cost_per_line(lines: Sequence[BenchmarkLine], model: str) -> dict:
    """What a line costs whatever the machine.

    Returns:
        `columns`, mean width of the prepared lines; `macs`, multiplications and additions by part
        of the network; `activation_bytes`, float32 values that the layers read and write;
        `weight_bytes`. Means over the lines, each read alone.
    """
    reader = pipeline("image-to-text", model=model, device="cpu")
    macs: dict[str, float] = defaultdict(float)
    columns = activations = 0
    with torch.inference_mode():
        for line in lines:
            inputs = reader.preprocess(line.path)
            columns += int(inputs["pixel_mask"].sum())
            for part, count in network_macs(reader.model, inputs).items():
                macs[part] += count / len(lines)
            activations += _activation_bytes(reader.model, inputs)
    return {
        "columns": columns / len(lines),
        "macs": dict(macs),
        "activation_bytes": activations / len(lines),
        "weight_bytes": 4 * reader.model.num_parameters(),
    }


def network_macs(model, inputs: dict[str, torch.Tensor]) -> dict[str, int]:
    """Multiplications and additions of a batch: `convolutions`, `LSTM` and `head`."""
    pixel_values = inputs["pixel_values"].to(model.dtype)
    with FlopCounterMode(display=False) as counter:
        logits = model(pixel_values, inputs["pixel_mask"]).logits
    counts = counter.get_flop_counts()["Global"]
    convolutions = sum(count for name, count in counts.items() if "convolution" in str(name)) // 2
    num_frames = logits.shape[0] * logits.shape[1]
    # The counter does not know oneDNN's LSTM: every weight multiplies once a frame.
    lstm = num_frames * sum(
        parameter.numel()
        for module in model.modules()
        if isinstance(module, torch.nn.LSTM)
        for name, parameter in module.named_parameters()
        if name.startswith("weight")
    )
    return {
        "convolutions": convolutions,
        "LSTM": lstm,
        "head": num_frames * model.ctc_head.weight.numel(),
    }


def _read(reader, lines: Sequence[BenchmarkLine], dtype: torch.dtype, seconds: dict) -> None:
    """Reads the lines and adds the time of every step to `seconds`."""
    network = [torch.nn.Conv2d, torch.nn.LSTM]
    prepared = []
    for line in lines:
        with _clock(seconds, "image decoding"):
            image = Image.open(line.path)
            image.load()
        with _clock(seconds, "preparation"):
            prepared.append(reader.preprocess(image))
    prepared.sort(key=lambda inputs: inputs["pixel_mask"].shape[-1])
    for start in range(0, len(prepared), BATCH_SIZE):
        batch = collate_lines(prepared[start : start + BATCH_SIZE])
        inside: dict[str, float] = defaultdict(float)
        begin = time.perf_counter()
        with _timed_modules(reader.model, dict(zip(network, STEPS[2:4], strict=True)), inside):
            logits = reader.model(batch["pixel_values"].to(dtype), batch["pixel_mask"]).logits
        inside["rest of the network"] = time.perf_counter() - begin - sum(inside.values())
        for step, duration in inside.items():
            seconds[step] += duration
        with _clock(seconds, "CTC decoding"):
            for row in range(len(logits)):
                outputs = {"logits": logits, **batch}
                reader.postprocess({name: t[row : row + 1] for name, t in outputs.items()})


def _batches(reader, lines: Sequence[BenchmarkLine]) -> Iterator[dict[str, torch.Tensor]]:
    prepared = [reader.preprocess(line.path) for line in lines]
    prepared.sort(key=lambda inputs: inputs["pixel_mask"].shape[-1])
    for start in range(0, len(prepared), BATCH_SIZE):
        yield collate_lines(prepared[start : start + BATCH_SIZE])


@contextmanager
def _timed_modules(model, steps: dict[type, str], seconds: dict) -> Iterator[None]:
    """Adds the time inside all modules of some classes to `seconds`."""
    hooks, begins = [], {}

    def begin(module, inputs) -> None:
        begins[module] = time.perf_counter()

    def end(module, inputs, outputs) -> None:
        step = next(step for kind, step in steps.items() if isinstance(module, kind))
        seconds[step] += time.perf_counter() - begins[module]

    for module in model.modules():
        if isinstance(module, tuple(steps)):
            hooks += [
                module.register_forward_pre_hook(begin),
                module.register_forward_hook(end),
            ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _activation_bytes(model, inputs: dict[str, torch.Tensor]) -> int:
    """Bytes that convolutions, LSTMs and the head read and write, weights not counted."""
    total = 0

    def count(module, arguments, outputs) -> None:
        nonlocal total
        output = outputs[0] if isinstance(outputs, tuple) else outputs
        total += sum(t.numel() * t.element_size() for t in (arguments[0], output))

    kinds = (torch.nn.Conv2d, torch.nn.LSTM, torch.nn.Linear)
    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, kinds)]
    model(inputs["pixel_values"], inputs["pixel_mask"])
    for hook in hooks:
        hook.remove()
    return total


@contextmanager
def _clock(seconds: dict, step: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    seconds[step] += time.perf_counter() - begin


def _seconds(work: Callable) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
