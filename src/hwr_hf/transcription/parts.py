"""The output of a transcription: a folder with one file for every part of the source.

A part is a run of consecutive images, and its file appears complete or not at all. So a job that
is killed at any moment and started again does only the parts that are missing, and each image is
there exactly once. `job.json` says what the parts were made with, and a lock keeps two jobs from
writing at the same time. `load_dataset("json", data_files=f"{folder}/part-*.jsonl")` reads the
parts, or `"parquet"` those in `.parquet`; with `data_dir` it takes `job.json` for a part.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from hwr_hf.json_files import differences

logger = logging.getLogger(__name__)

FORMATS = ("jsonl", "parquet")
JOB_FILE = "job.json"
LOCK_FILE = ".lock"
_LEFT_OVER = re.compile(r"\.(?:part|job)-.*")
_PART = re.compile(r"part-(\d{6,})\.(?:jsonl|parquet)")


class Parts:
    """An output folder, locked against other jobs for as long as this object or its process lives.

    Args:
        folder: Where the parts are; made if it is not there.
        settings: All that changes the rows, of JSON types; with `format`, one of `FORMATS`.

    Raises:
        ValueError: The folder was made with other settings, holds something else, or another job
            is writing there.
        OSError: It cannot be made or written to.
    """

    def __init__(self, folder: str | Path, settings: dict):
        self.folder = Path(folder)
        self.format = settings["format"]
        if self.format == "parquet":
            _pyarrow()
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"{folder} is a file. Give a folder as --output.")
        self.folder.mkdir(parents=True, exist_ok=True)
        job_file = self.folder / JOB_FILE
        if not (job_file.is_file() and self.numbers()) and not all(
            _is_of_a_job(path) for path in self.folder.iterdir()
        ):
            raise ValueError(
                f"The folder {folder} holds other files. Give a new one as --output; nothing is "
                "overwritten."
            )
        self._lock = _locked(self.folder)
        if job_file.is_file() and self.numbers():
            _check_same(json.loads(job_file.read_text(encoding="utf-8")), settings, folder)
        else:  # also in place of that of a job that has come to nothing
            _write(job_file, (json.dumps(settings, indent=2) + "\n").encode())
        for path in self.folder.iterdir():
            if _is_left_over(path):  # of a job that was killed
                path.unlink(missing_ok=True)

    def is_complete(self, number: int) -> bool:
        """Whether a part is there."""
        return self._path(number).is_file()

    def numbers(self) -> list[int]:
        """The parts that are there."""
        matches = (_PART.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in matches if match)

    def write(self, number: int, rows: Sequence[dict]) -> None:
        """Writes a part, whole.

        Raises:
            OSError: The disk is full, or the folder cannot be written; no part is lost by it.
        """
        if self.format == "jsonl":
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            content = "".join(lines).encode()
        else:
            content = _parquet_bytes(rows)
        _write(self._path(number), content)

    def rows(self, number: int) -> Iterator[dict]:
        """The rows of a part that is there."""
        path = self._path(number)
        if self.format == "jsonl":
            with path.open(encoding="utf-8") as file:
                yield from map(json.loads, file)
        else:
            yield from _pyarrow()[1].read_table(path).to_pylist()

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:06}.{self.format}"


def _is_left_over(path: Path) -> bool:
    """Whether a file was left half written."""
    return _LEFT_OVER.fullmatch(path.name) is not None


def _is_of_a_job(path: Path) -> bool:
    """Whether a job that has written no part yet may have made a file."""
    return path.name in (JOB_FILE, LOCK_FILE) or _is_left_over(path)


def _locked(folder: Path) -> FileLock:
    """The folder's lock, which the end of the process releases, whatever ended it.

    A folder that cannot be locked, as where nothing may be written, is only warned of.
    """
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ValueError(
            f"Another process is writing to {folder}. Wait for its end, or give another --output."
        ) from error
    except (OSError, NotImplementedError) as error:
        logger.warning(
            "%s cannot be locked (%s): make sure that no other command writes there.", folder, error
        )
    return lock


def _check_same(made_with: dict, settings: dict, folder: str | Path) -> None:
    differing = differences(made_with, settings)
    if differing:
        raise ValueError(
            f"{folder} was made with {differing}. Repeat those to go on with it, or "
            "give another --output; nothing is overwritten."
        )


def _write(path: Path, content: bytes) -> None:
    """Writes a file that is there whole or not at all, even if the machine stops."""
    part = path.with_name(f".{path.stem}-{os.getpid()}")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(
            f"{path} could not be written: {error.strerror or error}. What was written before is "
            "complete; make room and start the same command again."
        ) from error


def _parquet_bytes(rows: Sequence[dict]) -> bytes:
    pyarrow, parquet = _pyarrow()
    word = pyarrow.struct(
        [
            ("text", pyarrow.string()),
            ("score", pyarrow.float64()),
            ("box", pyarrow.list_(pyarrow.int64())),
        ]
    )
    schema = pyarrow.schema(
        [
            ("id", pyarrow.string()),
            ("text", pyarrow.string()),
            ("score", pyarrow.float64()),
            ("words", pyarrow.list_(word)),
            ("error", pyarrow.string()),
            ("model", pyarrow.string()),
        ]
    )
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=schema), sink)
    return sink.getvalue().to_pybytes()


def _pyarrow():
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError as error:
        raise ValueError(
            "Parquet needs pyarrow. Run: pip install 'hwr_hf[train]', or choose --format jsonl."
        ) from error
    return pyarrow, pyarrow.parquet
