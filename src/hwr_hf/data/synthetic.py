"""Drawn training lines without end: pen strokes, their words in new sentences, handwriting fonts.

In: IAM-OnDB's lines (`hwr_hf.data.iam_ondb`), fonts (`hwr_hf.data.fonts`), English text
(`hwr_hf.data.corpus`). Out: examples `{"image": uint8 (height, width), "text": str, "kind": str}`,
0 = ink, 255 = paper. Example `n` depends on the seed and on `n` alone, so any number of worker
processes gives the same lines.
"""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import datasets
import numpy as np
import torch
from PIL import Image

from . import corpus, fonts, iam_ondb, paper, pen, pen_words
from .code_fingerprint import code_fingerprint
from .corpus import TextLines
from .fonts import HandwritingFonts
from .iam_ondb import PenLine, hold_out_forms, lines_that_may_be_seen, read_iam_ondb
from .iam_ondb_files import ARCHIVES
from .paper import Paper
from .pen import Pen, draw_strokes
from .pen_words import NORMAL_FRAME, PenWords

# Shares of the kinds, as far as there is data for them.
KIND_SHARES = {"strokes": 0.4, "sentences": 0.3, "fonts": 0.3}
MIN_SENTENCE_WORDS = 3
NUM_SHARDS = 16  # of a data set drawn by several processes


class SyntheticLines(torch.utils.data.IterableDataset):
    """Lines and words drawn with random hands, pens and papers.

    Args:
        pen_lines: Lines to draw as they were written (kind `"strokes"`), and to take words from
            for new sentences (kind `"sentences"`).
        handwriting_fonts: Fonts to set lines in (kind `"fonts"`); needs `texts`.
        texts: What fonts and sentences say; without it sentences are words of one hand in random
            order.
        papers: What the lines are written on.
        num_lines: Lines to draw; None for no end.
        word_share: Share of images with a single word.
        height: Of the images, in pixels.
        seed: Of everything random.

    Raises:
        ValueError: There is nothing to draw, or there are fonts and no text.
    """

    def __init__(
        self,
        pen_lines: Sequence[PenLine] = (),
        handwriting_fonts: HandwritingFonts | None = None,
        texts: TextLines | None = None,
        papers: Paper | None = None,
        num_lines: int | None = None,
        word_share: float = 0.2,
        height: int = 64,
        seed: int = 0,
    ):
        if not pen_lines and handwriting_fonts is None:
            raise ValueError("There is nothing to draw. Give pen strokes, fonts or both.")
        if handwriting_fonts is not None and texts is None:
            raise ValueError("Fonts have nothing to say. Give text files too.")
        if not 0 <= word_share <= 1:
            raise ValueError(f"word_share={word_share} is not allowed: use a number from 0 to 1.")
        self.pen_lines = pen_lines
        self.handwriting_fonts = handwriting_fonts
        self.texts = texts
        self.papers = papers or Paper()
        self.num_lines = num_lines
        self.word_share = word_share
        self.height = height
        self.seed = seed
        kinds = (["strokes", "sentences"] if pen_lines else []) + (
            ["fonts"] if handwriting_fonts is not None else []
        )
        shares = np.array([KIND_SHARES[kind] for kind in kinds])
        self.kinds, self.shares = kinds, shares / shares.sum()

    @cached_property
    def pen_words(self) -> PenWords:
        """The words of the pen lines."""
        return PenWords(self.pen_lines)

    def __iter__(self) -> Iterator[dict]:
        worker = torch.utils.data.get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        numbers = itertools.count() if self.num_lines is None else range(self.num_lines)
        for number in itertools.islice(numbers, first, None, step):
            yield self.line(number)

    def line(self, number: int) -> dict:
        """The example of this number."""
        rng = np.random.default_rng([self.seed, number])
        kind = str(rng.choice(self.kinds, p=self.shares))
        one_word = rng.random() < self.word_share
        if kind == "fonts":
            text = self.texts.sample(rng)
            if one_word:
                text = str(rng.choice(text.split()))
            image = self.handwriting_fonts.draw(text, rng, self.height)
        else:
            text, strokes, frame = self._written(kind, one_word, rng)
            image = draw_strokes(strokes, Pen.random(rng), self.height, rng, frame)
        return {"image": self.papers(image, rng), "text": text, "kind": kind}

    def _written(self, kind: str, one_word: bool, rng: np.random.Generator):
        """Text, strokes and, where it is known, the frame of a line or word of pen strokes."""
        if one_word:
            text, strokes = self.pen_words.shuffle(1, rng)
            return text, strokes, NORMAL_FRAME
        if kind == "strokes":
            line = self.pen_lines[rng.integers(len(self.pen_lines))]
            return line.text, line.strokes, line.frame
        words = self.pen_words.known_run(self.texts.sample(rng).split()) if self.texts else []
        if len(words) < MIN_SENTENCE_WORDS:
            text, strokes = self.pen_words.shuffle(int(rng.integers(4, 10)), rng)
        else:
            text, strokes = self.pen_words.compose(words, rng)
        return text, strokes, NORMAL_FRAME


def load_synthetic(
    num_lines: int,
    iam_ondb_path: str | Path | None = None,
    fonts_dir: str | Path | None = None,
    text_paths: Sequence[str | Path] = (),
    unseen_texts: Sequence[str] = (),
    seed: int = 0,
    num_proc: int | None = None,
) -> datasets.Dataset:
    """So many synthetic lines as a cached data set.

    Of IAM-OnDB, the forms that `hold_out_forms` sets apart are not drawn from; nor are forms and
    lines of text that share five words in a row with `unseen_texts`. Lines are drawn anew when the
    size or the time of change of a source's file is another.

    Returns:
        Columns `image`, `text` and `kind`.

    Raises:
        ValueError, FileNotFoundError: From the readers of strokes, fonts and text.
    """
    sources = {
        "iam_ondb_path": iam_ondb_path and str(iam_ondb_path),
        "fonts_dir": fonts_dir and str(fonts_dir),
        "text_paths": [str(path) for path in text_paths],
        "unseen_texts": list(unseen_texts),
    }
    # What is wrong with the sources is said here and not by a worker process.
    SyntheticLines(**_source(**sources))
    modules = (corpus, fonts, iam_ondb, paper, pen, pen_words)
    paths = [path for path in (iam_ondb_path, fonts_dir, *text_paths) if path]
    return datasets.Dataset.from_generator(
        _examples,
        features=datasets.Features(
            {
                "image": datasets.Image(),
                "text": datasets.Value("string"),
                "kind": datasets.Value("string"),
            }
        ),
        gen_kwargs={
            "ranges": ranges_of(num_lines, NUM_SHARDS),
            "sources": sources,
            "seed": seed,
            "code": code_fingerprint(*modules, SyntheticLines),
            "files": hashlib.sha256(repr(_file_states(paths)).encode()).hexdigest(),
        },
        num_proc=num_proc,
    )


def load_plain_pen_lines(path: str | Path, height: int = 96) -> datasets.Dataset:
    """Lines of IAM-OnDB from the forms that `load_synthetic` leaves out, drawn plainly.

    Args:
        path: As of `read_iam_ondb`.
        height: Of the images, in pixels.

    Returns:
        Columns `id`, `form_id`, `image` (black strokes of even width on white) and `text`.

    Raises:
        FileNotFoundError, ValueError: From `read_iam_ondb`, or too few forms to leave any out.
    """
    _, lines = hold_out_forms(read_iam_ondb(path))
    if not lines:
        raise ValueError(f"{path} has too few forms to keep any out of training.")
    return datasets.Dataset.from_dict(
        {
            "id": [line.id for line in lines],
            "form_id": [line.form_id for line in lines],
            "image": [
                Image.fromarray(draw_strokes(line.strokes, height=height, frame=line.frame))
                for line in lines
            ],
            "text": [line.text for line in lines],
        },
        features=datasets.Features(
            {
                "id": datasets.Value("string"),
                "form_id": datasets.Value("string"),
                "image": datasets.Image(),
                "text": datasets.Value("string"),
            }
        ),
    )


def ranges_of(count: int, num_shards: int) -> list[tuple[int, int]]:
    """`range(count)` as `(start, end)` of about equal parts, one or more numbers in each.

    >>> ranges_of(5, 2)
    [(0, 2), (2, 5)]
    """
    bounds = np.linspace(0, count, min(num_shards, count) + 1).astype(int).tolist()
    return list(itertools.pairwise(bounds))


def _file_states(paths: Iterable[str | Path]) -> list[tuple[str, int, int]]:
    """Path, size and time of change of the files that are read at these paths."""
    states = []
    for path in map(Path, paths):
        downloads = (file for name in ARCHIVES for file in (path / name).rglob("*"))
        for file in sorted([path, *path.glob("*"), *downloads]):
            if file.is_file():
                status = file.stat()
                states.append((str(file), status.st_size, status.st_mtime_ns))
    return states


def _examples(
    ranges: list[tuple[int, int]], sources: dict, seed: int, code: str, files: str
) -> Iterator[dict]:
    lines = SyntheticLines(**_source(**sources), seed=seed)
    for number in itertools.chain.from_iterable(itertools.starmap(range, ranges)):
        line = lines.line(number)
        yield line | {"image": Image.fromarray(line["image"])}


def _source(
    iam_ondb_path: str | None, fonts_dir: str | None, text_paths: list[str], unseen_texts: list[str]
) -> dict:
    """What `SyntheticLines` draws from, read from its paths."""
    pen_lines = read_iam_ondb(iam_ondb_path) if iam_ondb_path else ()
    return {
        "pen_lines": lines_that_may_be_seen(hold_out_forms(pen_lines)[0], unseen_texts),
        "handwriting_fonts": HandwritingFonts(fonts_dir) if fonts_dir else None,
        "texts": TextLines(text_paths, unseen_texts=unseen_texts) if text_paths else None,
    }
