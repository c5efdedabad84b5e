"""Small JSON files: reports, and what a folder of unfinished work was begun with.

In: values of JSON types. Out: files in UTF-8 that are there whole or not at all, as files of other
kinds are with `complete_file`.
"""

import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

INPUTS_FILE = "inputs.json"


def write_json(path: str | Path, content: object) -> None:
    """Writes a file that people read too; its folder is made.

    Raises:
        OSError: The folder cannot be written or the disk is full; what was there stays.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    with complete_file(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


@contextmanager
def complete_file(path: str | Path) -> Iterator[Path]:
    """Where to write a file, which takes its own name when all of it is there; its folder is made.

    An error leaves what was there before::

        with complete_file("lines.txt") as unfinished:
            unfinished.write_text("all of it")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _unfinished(path)
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def made_with(*libraries: str) -> dict:
    """What a report says of its making: `versions`, as `library_versions`, and `date`."""
    return {"versions": library_versions(*libraries), "date": utc_now()}


def library_versions(*libraries: str) -> dict[str, str]:
    """The versions of Python and of those of the libraries that are installed."""
    versions = {"python": platform.python_version()}
    for name in libraries:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def utc_now() -> str:
    """Date and time to the second, as in 2026-11-30T18:52:35+00:00."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def check_writable(path: str | Path) -> None:
    """Makes sure, before long work, that its result can be written; the file's folder is made.

    Raises:
        OSError: The path is a folder's, or lies where no file can be made.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        _unfinished(path).touch()
        _unfinished(path).unlink()
    except OSError as error:
        raise OSError(f"Cannot write {path}: {error}. Give another path.") from error


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def check_inputs(folder: str | Path, inputs: Mapping) -> None:
    """Notes what the work in a folder is begun with, lest it goes on with something else.

    Args:
        folder: Made if it is not there.
        inputs: All that the files in it depend on.

    Raises:
        ValueError: The folder was begun with other inputs; the message says which.
    """
    path = Path(folder, INPUTS_FILE)
    inputs = json.loads(json.dumps(inputs))  # as the file gives them back
    if not path.is_file():
        write_json(path, inputs)
        return
    differing = differences(json.loads(path.read_text(encoding="utf-8")), inputs)
    if differing:
        raise ValueError(
            f"{folder} was begun with {differing}. Repeat those to go on with it, give another "
            "folder, or delete this one."
        )


def differences(before: Mapping, now: Mapping) -> str:
    """What an error says of settings that are not those of before; `""` where all agree."""
    return "; ".join(
        f"{name} {before.get(name)!r} and not {now.get(name)!r}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    )


def short_path(text: str) -> str:
    """A path as a report shows it: its name, or where it lies under the working folder."""
    path = Path(text)
    if not path.is_absolute():
        return text
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name
