"""A transcription on many machines, with Ray: https://docs.ray.io

Workers on any machine of the cluster each hold a model and read one part at a time; this process
deals the parts out and writes what comes back, so that the output is the same folder as without
Ray. A worker that dies with its machine is replaced, and its part is read again. Plain actors are
used and not Ray Data: a part is written whole or not at all whoever has read it, which Ray Data's
sinks do not promise.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from hwr_hf.transcription.job import Counts, Part, finish_part, missing_parts
from hwr_hf.transcription.parts import Parts
from hwr_hf.transcription.reading import ReaderSettings, RowReader
from hwr_hf.transcription.sources import Item, Source

PARTS_PER_WORKER = 2  # one at work and one waiting: all that is held of the source at a time
MAX_FAILURES = 20  # of workers, one after another without a part read

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
        ConnectionError: There is no cluster at the address.
        RuntimeError: Workers die again and again.
    """
    ray = _ray()
    is_ours = not ray.is_initialized()
    if is_ours:
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


class _Pool:
    """Workers, and the parts that each is reading."""

    def __init__(self, ray, settings: ReaderSettings, options: RayOptions):
        self._ray = ray
        self._settings = settings
        self._options = options
        num_cpus = 0 if options.num_gpus_per_worker else 1
        self._actor = ray.remote(num_cpus=num_cpus, num_gpus=options.num_gpus_per_worker)(_Worker)
        self._workers = [self._start() for _ in range(options.num_workers or self._fitting())]
        self._reading: dict = {}  # reference of the answer -> (worker, part)
        self._failures = 0

    def read(self, parts):
        """`(number, rows)` of each part, in the order in which they are done."""
        waiting: list[Part] = []  # parts whose worker has died
        parts = iter(parts)
        while True:
            while len(self._reading) < PARTS_PER_WORKER * len(self._workers):
                part = waiting.pop() if waiting else next(parts, None)
                if part is None:
                    break
                self._give(part)
            if not self._reading:
                return
            done, _ = self._ray.wait(list(self._reading), num_returns=1)
            worker, part = self._reading.pop(done[0])
            try:
                rows = self._ray.get(done[0])
            except self._ray.exceptions.RayActorError as error:
                waiting.append(part)
                self._replace(worker, error)
                continue
            except self._ray.exceptions.RayTaskError as error:
                raise error.as_instanceof_cause() from None
            self._failures = 0
            yield part.number, rows

    def _give(self, part: Part) -> None:
        """To the worker with the fewest parts."""
        loads = {id(worker): 0 for worker in self._workers}
        for worker, _ in self._reading.values():
            if id(worker) in loads:
                loads[id(worker)] += 1
        worker = min(self._workers, key=lambda worker: loads[id(worker)])
        self._reading[worker.rows.remote(part.items)] = (worker, part)

    def _replace(self, worker, error: Exception) -> None:
        if worker not in self._workers:  # its other part has told already
            return
        self._failures += 1
        if self._failures > MAX_FAILURES:
            raise RuntimeError(
                f"{self._failures} workers died one after another, the last with: {error}. What "
                "was read is kept; see to the cluster and start the same command again."
            ) from error
        logger.warning("A worker died; its part is read again. %s", str(error).splitlines()[0])
        self._workers[self._workers.index(worker)] = self._start()

    def _start(self):
        return self._actor.remote(self._settings)

    def _fitting(self) -> int:
        resources = self._ray.cluster_resources()
        if self._options.num_gpus_per_worker:
            return max(1, int(resources.get("GPU", 0) / self._options.num_gpus_per_worker))
        return max(1, int(resources.get("CPU", 1)))


class _Worker:
    """A model on some machine."""

    def __init__(self, settings: ReaderSettings):
        import torch

        if settings.device in (None, "cpu"):  # there are as many workers as cores
            torch.set_num_threads(1)
        self._reader = RowReader(settings)

    def rows(self, items: list[Item]) -> list[dict]:
        return self._reader.rows(items)


def _ray():
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ValueError("--engine ray needs Ray. Run: pip install 'hwr_hf[ray]'") from error
    return ray
