"""A transcription from its first to its last part, in this process.

In: a source, an output folder and a function from items to rows. Out: the folder's parts. Started
again it goes on, and it notices when the source is no longer the one it began with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from hwr_hf.transcription.parts import Parts
from hwr_hf.transcription.sources import Item, Source


@dataclass
class Counts:
    """What a job has come to.

    Attributes:
        images: Rows, those of an earlier start too.
        failed: Rows with an error among them.
        resumed: Rows that an earlier start had written.
    """

    images: int = 0
    failed: int = 0
    resumed: int = 0


@dataclass(frozen=True)
class Part:
    """Consecutive images of a source."""

    number: int
    items: list[Item]


def missing_parts(
    source: Source, parts: Parts, part_size: int, counts: Counts, advance: Callable[[int], object]
) -> Iterator[Part]:
    """The parts that are not written yet, in their order.

    Args:
        source: Of the images.
        parts: The output folder.
        part_size: Images of a part.
        counts: Gets what an earlier start has written.
        advance: Told of how many images that was.

    Raises:
        ValueError: The source has no image, or another one where a written part has it.
    """
    items = source.items()
    number = 0
    while of_part := list(islice(items, part_size)):
        if parts.is_complete(number):
            rows = list(parts.rows(number))
            _check_same_images(of_part, rows, source, number)
            counts.images += len(rows)
            counts.resumed += len(rows)
            counts.failed += sum(row["error"] is not None for row in rows)
            advance(len(rows))
        else:
            yield Part(number, of_part)
        number += 1
    if number == 0:
        raise ValueError(f"There is no image in {source.name}.")
    if (written := parts.numbers()) and written[-1] >= number:
        raise ValueError(
            f"{parts.folder} has {written[-1] + 1} parts, but {source.name} has images for "
            f"{number} only: it has changed since. Give another --output."
        )


def transcribe(
    source: Source,
    parts: Parts,
    read_rows: Callable[[Sequence[Item]], list[dict]],
    *,
    part_size: int,
    stop_at_error: bool = False,
    advance: Callable[[int], object] = lambda count: None,
) -> Counts:
    """Reads all images that are not in the folder yet.

    Args:
        source: Of the images.
        parts: The output folder.
        read_rows: From items to their rows, in the same order.
        part_size: Images of a part.
        stop_at_error: End at the first image that cannot be read, before its part is written.
        advance: Told of how many more images are done.

    Raises:
        ValueError: The source is empty, damaged or another one than before, or an image cannot be
            read and `stop_at_error`.
        OSError: A part cannot be written.
    """
    counts = Counts()
    for part in missing_parts(source, parts, part_size, counts, advance):
        rows = read_rows(part.items)
        finish_part(parts, part.number, rows, counts, stop_at_error)
        advance(len(rows))
    return counts


def finish_part(
    parts: Parts, number: int, rows: list[dict], counts: Counts, stop_at_error: bool
) -> None:
    """Writes a part's rows and counts them.

    Raises:
        ValueError: An image could not be read and `stop_at_error`.
        OSError: It cannot be written.
    """
    failed = [row for row in rows if row["error"] is not None]
    if failed and stop_at_error:
        raise ValueError(
            f"Cannot read {failed[0]['id']}: {failed[0]['error']} Leave out --on-error stop to "
            "have such images as rows with their error."
        )
    parts.write(number, rows)
    counts.images += len(rows)
    counts.failed += len(failed)


def _check_same_images(items: list[Item], rows: list[dict], source: Source, number: int) -> None:
    given, written = [item.id for item in items], [row["id"] for row in rows]
    if given != written:
        differing = (pair for pair in zip(given, written, strict=False) if pair[0] != pair[1])
        now, before = next(differing, (f"{len(given)} images", f"{len(written)}"))
        raise ValueError(
            f"{source.name} has changed since part {number} was written: {now} stands where "
            f"{before} was. Give another --output."
        )
