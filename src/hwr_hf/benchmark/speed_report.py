"""The report of a benchmark, `speed.json`, and its picture, `speed.png`.

In: settings. Out: both files. Everything is measured in one run, on the same images, one reader
after the other.
"""

import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch

from hwr_hf.json_files import made_with, write_json
from hwr_hf.onnx_export import export_onnx

from .lines import BenchmarkLine, draw_lines, iam_lines
from .measurement import Measurement, measure
from .network_profile import cost_per_line, matrix_ceiling, profile
from .readers import BATCH_SIZE, READERS, TOKENS_PER_CHARACTER, ReaderMissingError, is_own_process

LIBRARIES = ("torch", "transformers", "onnxruntime", "rapidocr")
# report's name: (numerator, denominator), lines a second of READERS
RATIOS = {
    "ours / TrOCR-small, float32": ("ours", "TrOCR-small"),
    "ours / TrOCR-small, bfloat16": ("ours, bfloat16", "TrOCR-small, bfloat16"),
    "ours, bfloat16 / RapidOCR": ("ours, bfloat16", "RapidOCR"),
    "ours, narrow beam, bfloat16 / RapidOCR": ("ours, narrow beam, bfloat16", "RapidOCR"),
}
NUM_PROFILED = 64  # lines


def run_benchmark(
    output: str | Path,
    model: str,
    num_lines: int = 256,
    iam: str | Path | None = None,
    fonts: str | Path | None = None,
    num_threads: int | None = None,
    readers: Sequence[str] = tuple(READERS),
    max_seconds: float = 60.0,
    command: str | None = None,
    tell: Callable[[str], None] = print,
) -> dict:
    """Measures everything and writes `output` (JSON) and the picture beside it (PNG).

    Args:
        output: JSON file; its folder is made.
        model: Folder of our recogniser.
        num_lines: Lines to read.
        iam: Folder of IAM: its validation lines are read, and CER measured. None draws lines.
        fonts: Folder of handwriting fonts to draw with.
        num_threads: For every reader; None for all cores.
        readers: Names of `READERS`.
        max_seconds: For each reader.
        command: How to run it again.
        tell: Called with a line of progress.

    Returns:
        The report.

    Raises:
        ValueError: A name is not of `READERS`, or there are too few lines.
    """
    unknown = [name for name in readers if name not in READERS]
    if unknown:
        raise ValueError(f"There is no reader {unknown[0]!r}. Choose from: {'; '.join(READERS)}.")
    if num_lines < 1:
        raise ValueError(f"num_lines={num_lines} is too small, use 1 or more.")
    num_threads = num_threads or os.cpu_count()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        if iam is not None:
            lines = iam_lines(iam, num_lines, folder)
        else:
            lines = draw_lines(num_lines, folder, fonts)
        models = {"float32": model, "int8": str(Path(folder, "int8"))}
        if any(name.startswith("ours, onnx") for name in readers):
            tell("exporting")
            models["float32"] = str(Path(folder, "float32"))
            export_onnx(model, models["float32"])
            export_onnx(model, models["int8"], int8=True)
        tell("profile")
        profiles = _profiles(lines[:NUM_PROFILED], model, num_threads)
        measured = {}
        for name in readers:
            tell(name)
            measured[name] = _entry(name, lines, num_threads, models, max_seconds, iam is not None)
    report = {
        "lines": len(lines),
        "images": "IAM, validation lines" if iam is not None else "drawn lines",
        "fonts": None if iam is not None else ("handwriting" if fonts else "print"),
        "threads": num_threads,
        "batch_size": BATCH_SIZE,
        "tokens_per_character_of_trocr": TOKENS_PER_CHARACTER,
        "machine": _machine(),
        "load_average_before": round(load_before, 2),
        **profiles,
        "readers": measured,
        "ratios": {
            name: measured[over]["lines_per_second"] / measured[under]["lines_per_second"]
            for name, (over, under) in RATIOS.items()
            if "lines_per_second" in measured.get(over, {})
            and "lines_per_second" in measured.get(under, {})
        },
        **made_with(*LIBRARIES),
        "command": command,
    }
    write_json(output, _rounded(report))
    draw_report(report, Path(output).with_suffix(".png"))
    return report


def draw_report(report: dict, path: str | Path) -> None:
    """Draws lines a second of every reader and, for ours, the shares of the steps.

    Beside the shares stands the convolutions' rate over that of a large matrix product.

    Args:
        report: From `run_benchmark`.
        path: Of the PNG that is written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6), dpi=120, layout="constrained")
    speed_axis, step_axis = figure.subplots(2, height_ratios=[2.2, 1])
    speeds = {
        name: entry["lines_per_second"]
        for name, entry in reversed(report["readers"].items())
        if "lines_per_second" in entry
    }
    colors = ["tab:blue" if name.startswith("ours") else "0.7" for name in speeds]
    bars = speed_axis.barh(list(speeds), list(speeds.values()), color=colors)
    speed_axis.bar_label(bars, fmt="%.1f", padding=3)
    limits = (min(0.5, *speeds.values()), 1.5 * max(speeds.values()))
    speed_axis.set(xscale="log", xlim=limits, xlabel="lines per second (logarithmic)")
    speed_axis.set_title(
        f"{report['images']}, {report['threads']} threads of {report['machine']}", fontsize=10
    )
    for row, profiled in enumerate(report["profile"]):
        left = 0.0
        for number, (step, share) in enumerate(profiled["shares"].items()):
            label = step if row == 0 else None
            step_axis.barh(row, share, left=left, color=f"C{number}", label=label)
            left += share
    step_axis.set_yticks(
        range(len(report["profile"])),
        [
            f"{entry['dtype']}\nconvolutions at\n{entry['convolution_share']:.0%} of a product"
            for entry in report["profile"]
        ],
    )
    step_axis.set(xlabel="share of the time, steps one after the other", xlim=(0, 1))
    step_axis.legend(ncols=4, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.35))
    figure.savefig(path)


def _profiles(lines: Sequence[BenchmarkLine], model: str, num_threads: int) -> dict:
    """Cost, limits and profiles, measured in a fresh process.

    The profiles compute with one thread, as each of the pipeline's does, and compare with the limit
    of one.
    """
    dtypes = (torch.float32, torch.bfloat16)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pool.submit(torch.set_num_threads, num_threads).result()
        ceilings = {_name(dtype): pool.submit(matrix_ceiling, dtype).result() for dtype in dtypes}
        pool.submit(torch.set_num_threads, 1).result()
        return {
            "ceiling_flops": ceilings,
            "cost_per_line": pool.submit(cost_per_line, lines, model).result(),
            "profile_threads": 1,
            "profile": [pool.submit(profile, lines, model, dtype).result() for dtype in dtypes],
        }


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _entry(name, lines, num_threads, models, max_seconds, with_cer: bool) -> dict:
    try:
        measurement = measure(name, lines, num_threads, models, max_seconds)
    except ReaderMissingError as missing:
        return {"missing": str(missing)}
    except RuntimeError as error:
        return {"failed": str(error)}
    entry = {
        "precision": READERS[name].precision,
        "lines": measurement.lines,
        "passes": measurement.passes,
        "lines_per_second": measurement.lines_per_second,
        "latency_seconds": measurement.latency,
    }
    if is_own_process(name):
        entry["start_seconds"] = measurement.start_seconds
        entry["peak_memory_bytes"] = measurement.peak_memory
        entry["mapped_files_bytes"] = measurement.mapped_files
    if with_cer and measurement.texts is not None:
        entry["cer"] = _cer(measurement, lines)
    return entry


def _cer(measurement: Measurement, lines: Sequence[BenchmarkLine]) -> float:
    from hwr_hf.metrics import edit_counts

    references = [line.text for line in lines[: measurement.lines]]
    return edit_counts(references, measurement.texts).cer


def _machine() -> str:
    """The processor's name and model, as Linux has them, or the machine's kind."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return platform.machine()
    return processor_of(cpuinfo.read_text(encoding="utf-8")) or platform.machine()


def processor_of(cpuinfo: str) -> str:
    """Name, family and model of the first processor: clouds give several kinds the same name.

    Args:
        cpuinfo: The text of Linux's /proc/cpuinfo.

    Returns:
        `""` where it has no names.
    """
    values: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        values.setdefault(name.strip(), value.strip())
    if "model name" not in values:
        return ""
    names = {"family": "cpu family", "model": "model"}
    details = [f"{label} {values[name]}" for label, name in names.items() if name in values]
    return ", ".join([values["model name"], *details])


def _rounded(value):
    """Floats to four significant digits, throughout."""
    if isinstance(value, dict):
        return {name: _rounded(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_rounded(entry) for entry in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
