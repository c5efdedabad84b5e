"""Speed of one reader, measured in a process of its own.

In: the name of a reader and lines. Out: lines a second in batches, seconds a line one by one,
seconds from the start of the process to its first text, most memory held.
"""

import multiprocessing
import os
import re
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .lines import BenchmarkLine
from .readers import BATCH_SIZE, Read, ReaderMissingError, make_reader

LATENCY_LINES = 50
PASSES = 3  # over all lines; other work on the machine may slow one of them down


@dataclass(frozen=True)
class Measurement:
    """What a reader needed.

    Attributes:
        lines: Lines read in batches within the time allowed.
        passes: How often they were, once warm.
        lines_per_second: Of the median pass, from the image files to the texts.
        latency: Seconds for one line alone, `{"p50", "p95"}`.
        start_seconds: From the start of the process to the first text.
        peak_memory: Bytes, of the process.
        mapped_files: Bytes of it that at the end were pages of files, mostly the libraries' code:
            processes share them, and the kernel decides how much it holds. None where unknown.
        texts: What was read; None with random weights.
    """

    lines: int
    passes: int
    lines_per_second: float
    latency: dict[str, float]
    start_seconds: float
    peak_memory: int
    mapped_files: int | None
    texts: list[str] | None


def measure(
    name: str,
    lines: Sequence[BenchmarkLine],
    num_threads: int,
    models: dict[str, str],
    max_seconds: float = 60.0,
) -> Measurement:
    """Runs a reader in a new process.

    Args:
        name: One of `READERS`.
        lines: To read.
        num_threads: For it to compute with.
        models: As of `make_reader`.
        max_seconds: So many lines are read in batches as this is enough for one by one, at least
            a batch.

    Raises:
        ReaderMissingError: A competitor is not installed.
        RuntimeError: The reader failed; the message says how.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    arguments = (sender, time.time(), name, list(lines), num_threads, models, max_seconds)
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(num_threads)  # read when the process imports torch
    try:
        process = context.Process(target=_run, args=arguments)
        process.start()
    finally:
        os.environ.pop("OMP_NUM_THREADS")
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before
    sender.close()
    try:
        result = receiver.recv()
    except EOFError:
        result = RuntimeError(f"The process of {name} ended without an answer.")
    process.join()
    if isinstance(result, Exception):
        raise result
    return result


def _run(sender, started: float, name, lines, num_threads, models, max_seconds) -> None:
    try:
        sender.send(_measure_here(started, name, lines, num_threads, models, max_seconds))
    except ReaderMissingError as missing:
        sender.send(missing)
    except Exception as error:  # other readers are still to be measured
        sender.send(RuntimeError(f"{type(error).__name__}: {error}"))


def _measure_here(started, name, lines, num_threads, models, max_seconds) -> Measurement:
    read = make_reader(name, num_threads, models)
    read(lines[:1])
    start_seconds = time.time() - started

    latencies = [_seconds(read, lines[:1])]
    for line in lines[1:LATENCY_LINES]:
        if sum(latencies) > max_seconds / 4:
            break
        latencies.append(_seconds(read, [line]))
    median = float(np.median(latencies))
    # A batch takes at most as long as its lines one by one.
    count = min(len(lines), max(BATCH_SIZE, int(max_seconds / median)))
    # oneDNN prepares itself for every shape of a batch the first time, which many lines share.
    for warm_up in (count, BATCH_SIZE):
        if warm_up * median < max_seconds / 2:
            read(lines[:warm_up])
            break
    begin = time.perf_counter()
    texts = read(lines[:count])
    passes = [time.perf_counter() - begin]
    if PASSES * passes[0] < max_seconds:
        passes += [_seconds(read, lines[:count]) for _ in range(PASSES - 1)]
    return Measurement(
        lines=count,
        passes=len(passes),
        lines_per_second=count / float(np.median(passes)),
        latency={
            "p50": float(np.percentile(latencies, 50)),
            "p95": float(np.percentile(latencies, 95)),
        },
        start_seconds=start_seconds,
        peak_memory=_peak_memory(),
        mapped_files=_status_bytes("RssFile"),
        texts=texts,
    )


def _seconds(read: Read, lines: Sequence[BenchmarkLine]) -> float:
    begin = time.perf_counter()
    read(lines)
    return time.perf_counter() - begin


def _peak_memory() -> int:
    """Bytes that this process held at most."""
    peak = _status_bytes("VmHWM")  # getrusage counts on from the process that started this one
    if peak is not None:
        return peak
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _status_bytes(name: str) -> int | None:
    """What Linux says of this process under a name; None elsewhere."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    found = re.search(rf"^{name}:\s+(\d+) kB", status.read_text(encoding="utf-8"), flags=re.M)
    return 1024 * int(found.group(1))
