"""A transcription on many machines, with Ray: https://docs.ray.io

Workers on any machine of the cluster each hold a model and read one part at a time; this process
deals the parts out and writes what comes back, so that the output is the same folder as without
Ray. A worker that dies with its machine is replaced, and its part is read again. Plain actors are
used and not Ray Data. That reads its input in tasks on the cluster, out of reach of an archive or a
stream that this process goes through; and a part has to be written whole or not at all whoever has
read it, which its sinks do not promise.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from hwr_hf.transcription.job import Counts, Part, finish_part, missing_parts
from hwr_hf.transcription.parts import Parts
from hwr_hf.transcription.reading import ReaderSettings, RowReader
from hwr_hf.transcription.sources import Item, Source

PARTS_PER_WORKER = 2  # one at work and one waiting: all that is held of the source at a time
MAX_FAILURES = 20  # of workers, one after another without a part read
START_TIMEOUT = 600  # seconds in which some worker has to load its model
CONNECT_TIMEOUT = 10  # seconds in which the cluster's head has to answer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RayOptions:
    """How much of a cluster to use.

    Attributes:
        num_workers: Models at work; None: one for each CPU, or as many as the GPUs hold.
        num_gpus_per_worker: May be a fraction, for several models on one GPU.
        address: Of a running cluster; None starts one on this machine.
    """

    num_workers: int | None = None
    num_gpus_per_worker: float = 0
    address: str | None = None


def transcribe_with_ray(
    source: Source,
    parts: Parts,
    settings: ReaderSettings,
    options: RayOptions,
    *,
    part_size: int,
    stop_at_error: bool = False,
    advance: Callable[[int], object] = lambda count: None,
) -> Counts:
    """Reads all images that are not in the folder yet; the arguments are those of `transcribe`.

    Raises:
        ValueError: As `transcribe`, or Ray is not installed.
        ConnectionError: There is no cluster at the address, or its workers die again and again.
    """
    ray = _ray()
    is_ours = not ray.is_initialized()
    if is_ours:
        _check_answers(options.address)
        ray.init(address=options.address, log_to_driver=False, include_dashboard=False)
    try:
        counts = Counts()
        pool = _Pool(ray, settings, options)
        waiting = missing_parts(source, parts, part_size, counts, advance)
        for number, rows in pool.read(waiting):
            finish_part(parts, number, rows, counts, stop_at_error)
            advance(len(rows))
        return counts
    finally:
        if is_ours:
            ray.shutdown()


def with_absolute_paths(settings: ReaderSettings) -> ReaderSettings:
    """Settings that name the same files for a worker that was started in another folder."""

    def absolute(path: str) -> str:
        return os.path.abspath(path) if os.path.exists(path) else path  # else a Hub id

    beam = dict(settings.beam)
    if "ngram" in beam:
        beam["ngram"] = absolute(beam["ngram"])
    return replace(settings, model=absolute(settings.model), beam=beam)


class _Pool:
    """Workers that are starting or ready, and the parts that each ready one is reading."""

    def __init__(self, ray, settings: ReaderSettings, options: RayOptions):
        self._ray = ray
        self._settings = with_absolute_paths(settings)
        num_gpus = options.num_gpus_per_worker
        self._actor = ray.remote(num_cpus=0 if num_gpus else 1, num_gpus=num_gpus)(_Worker)
        self._starting: dict = {}  # reference of the answer -> worker
        self._ready: list = []
        self._reading: dict = {}  # reference of the answer -> (worker, part)
        self._waiting: list[Part] = []  # of workers that have died
        self._failures = 0
        for _ in range(options.num_workers or _num_fitting(ray, num_gpus)):
            self._start()

    def read(self, parts: Iterator[Part]) -> Iterator[tuple[int, list[dict]]]:
        """Number and rows of each part, in the order in which they are done.

        Raises:
            ConnectionError: No worker can be started, or they die again and again.
        """
        errors = self._ray.exceptions
        self._give(parts)
        while self._reading or self._waiting or not self._ready:
            done = self._next_answer()
            if worker := self._starting.pop(done, None):
                try:
                    self._ray.get(done)
                    self._ready.append(worker)
                except errors.RayError as error:
                    self._replace(worker, error)
            else:
                worker, part = self._reading.pop(done)
                try:
                    rows = self._ray.get(done)
                except errors.RayTaskError as error:
                    raise error.as_instanceof_cause() from None
                except errors.RayError as error:  # of the worker, its machine, or the way from it
                    self._waiting.append(part)
                    if worker in self._ready:  # the first of its parts to tell
                        self._replace(worker, error)
                else:
                    self._failures = 0
                    yield part.number, rows
            self._give(parts)
            if not self._reading and not self._waiting and self._ready:
                return

    def _give(self, parts: Iterator[Part]) -> None:
        """Parts to the workers that are ready and have room."""
        loads = {worker: 0 for worker in self._ready}
        for worker, _ in self._reading.values():
            if worker in loads:
                loads[worker] += 1
        while loads and min(loads.values()) < PARTS_PER_WORKER:
            part = self._waiting.pop() if self._waiting else next(parts, None)
            if part is None:
                return
            worker = min(loads, key=loads.get)
            self._reading[worker.rows.remote(part.items)] = (worker, part)
            loads[worker] += 1

    def _next_answer(self):
        references = [*self._reading, *self._starting]
        done, _ = self._ray.wait(references, num_returns=1, timeout=START_TIMEOUT)
        if not done and not self._reading:
            raise ConnectionError(
                f"No worker could start within {START_TIMEOUT} seconds. The cluster has "
                f"{self._ray.cluster_resources()}. Ask for fewer or smaller workers."
            )
        return done[0] if done else self._next_answer()

    def _start(self) -> None:
        worker = self._actor.remote(self._settings)
        self._starting[worker.is_ready.remote()] = worker

    def _replace(self, worker, error: Exception) -> None:
        """Starts another worker for one that has died."""
        self._failures += 1
        if self._failures > MAX_FAILURES:
            raise ConnectionError(
                f"{self._failures} workers died one after another, the last with: {error} What "
                "was read is kept; see to the cluster and start the same command again."
            ) from error
        logger.warning("A worker died; what it was to read is read again. %s", _first_line(error))
        if worker in self._ready:
            self._ready.remove(worker)
        self._ray.kill(worker)  # one that only cannot be reached would keep its place
        self._start()


def _check_answers(address: str | None) -> None:
    """Ray itself takes minutes to notice that nothing listens at `host:port`."""
    if address is None or not (found := re.fullmatch(r"(?:ray://)?(.+):(\d+)", address)):
        return
    host, port = found.groups()
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT).close()
    except (OSError, OverflowError) as error:  # a port above 65535 overflows
        raise ConnectionError(
            f"No Ray cluster answers at {address} ({error}). Start one with `ray start --head` "
            "and give the address it prints, or leave out --ray-address to use this machine."
        ) from error


def _num_fitting(ray, num_gpus: float) -> int:
    """Workers that the cluster has room for."""
    resources = ray.cluster_resources()
    return max(1, int(resources.get("GPU", 0) / num_gpus if num_gpus else resources["CPU"]))


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


class _Worker:
    """A model on some machine."""

    def __init__(self, settings: ReaderSettings):
        import torch

        if settings.device in (None, "cpu"):  # there are as many workers as cores
            torch.set_num_threads(1)
        self._reader = RowReader(settings)

    def is_ready(self) -> bool:
        """Answers when the model is loaded."""
        return True

    def rows(self, items: list[Item]) -> list[dict]:
        return self._reader.rows(items)


def _ray():
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ValueError("--engine ray needs Ray. Run: pip install 'hwr_hf[ray]'") from error
    return ray
