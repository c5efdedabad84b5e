"""From images to rows: `id`, `text`, `score`, `words`, `error` and `model`.

An image that cannot be read has its reason in `error` and no text; it costs no other its text.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image, UnidentifiedImageError
from transformers import AutoConfig, pipeline

from hwr_hf.careful_reading import read_each
from hwr_hf.devices import default_batch_size
from hwr_hf.image_files import open_image
from hwr_hf.onnx_export import ONNX_FILE
from hwr_hf.resnet_bilstm.ngram_resnet_bilstm import NGRAM_FILE, CharacterNgram
from hwr_hf.transcription.sources import Item, printable
from hwr_hf.weights_files import files_sha256, weight_files

SETTINGS_FILES = ("config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class ReaderSettings:
    """How images are read.

    Attributes:
        model: Folder or Hub id.
        decoder: `"greedy"` or `"beam"`.
        words: Whether rows hold the words with scores and boxes.
        dtype: What the network computes in, `"float32"` or `"bfloat16"`.
        backend: What computes it, `"torch"` or `"onnx"`.
        batch_size: Images at once, None for as many as suit the device; the rows stay the same.
        device: `"cpu"`, `"cuda"`, ...; None lets the library choose.
        beam: Settings of the beam search instead of the n-gram's own, see `BeamSettings`, and
            `ngram`, the file of another one.
    """

    model: str
    decoder: str = "greedy"
    words: bool = True
    dtype: str = "float32"
    backend: str = "torch"
    batch_size: int | None = None
    device: str | None = None
    beam: Mapping[str, float | str] = field(default_factory=dict)

    def describe(self) -> dict:
        """What changes the rows.

        Raises:
            OSError: There is no such model or n-gram.
            ValueError: The n-gram is none.
        """
        beam = dict(self.beam)
        if "ngram" in beam:  # told by what is in it, as the model is
            beam["ngram"] = _digest([CharacterNgram.load(beam["ngram"]).path])
        return {
            "model": model_revision(self.model),
            "model_settings": settings_revision(self.model, self.decoder, self.backend),
            "decoder": self.decoder,
            "words": self.words,
            "dtype": self.dtype,
            "backend": self.backend,
            **beam,
        }


class RowReader:
    """Reads images with one model.

    Args:
        settings: Which model, and how.

    Raises:
        OSError, ValueError: The model cannot be loaded.
    """

    def __init__(self, settings: ReaderSettings):
        self.settings = settings
        self._pipeline = pipeline(
            "image-to-text",
            model=settings.model,
            device=settings.device,
            backend=settings.backend,
            dtype=getattr(torch, settings.dtype),
            decoder=settings.decoder,
            return_words=settings.words,
            **settings.beam,
        )
        self._batch_size = settings.batch_size or default_batch_size(self._pipeline.device)
        self._revision = model_revision(settings.model)

    def rows(self, items: Sequence[Item]) -> list[dict]:
        """One row for each item, in their order.

        Raises:
            Exception: The machine failed and not an image, as when memory is full.
        """
        outcomes = read_each(self._pipeline, items, _decoded, batch_size=self._batch_size)
        return [self._row(item, outcome) for item, outcome in zip(items, outcomes, strict=True)]

    def _row(self, item: Item, outcome: list[dict] | Exception) -> dict:
        error, reading = None, {}
        if isinstance(outcome, ValueError):
            error = _reason(outcome)
        elif isinstance(outcome, Exception):
            raise outcome
        else:
            reading = outcome[0]
        return {
            "id": item.id,
            "text": reading.get("generated_text"),
            "score": reading.get("score"),
            "words": reading.get("words"),
            "error": error,
            "model": self._revision,
        }


def _decoded(item: Item) -> Image.Image:
    """The image of an item.

    Raises:
        ValueError: It has none, or none that decodes.
    """
    if item.image is None:
        raise ValueError(item.missing)
    try:
        image = open_image(item.image)
        image.filename = item.id  # what the pipeline calls it
        return image
    except UnidentifiedImageError as error:
        raise ValueError(
            f"cannot identify image file {item.id!r}: it is broken or of an unknown format"
        ) from error
    except Exception as error:  # Pillow's plugins raise nearly anything on bad files
        raise ValueError(_reason(error)) from error


def model_revision(model: str) -> str | None:
    """What tells one state of a model from another.

    Returns:
        Of a folder the start of the SHA-256 of its weights, of a Hub model its commit.

    Raises:
        OSError: There is no such model.
    """
    if os.path.isdir(model):
        return _digest(weight_files(model))
    return AutoConfig.from_pretrained(model)._commit_hash


def settings_revision(model: str, decoder: str, backend: str) -> str | None:
    """What tells apart two states of a folder with the same weights.

    Args:
        model: Folder or Hub id.
        decoder: `"beam"` reads with the n-gram in the folder too.
        backend: `"onnx"` reads with the graph in the folder, where there is one.

    Returns:
        Of a folder the start of the SHA-256 of the other files that it reads with; None for a Hub
        model, whose commit stands for all of them.
    """
    if not os.path.isdir(model):
        return None
    names = list(SETTINGS_FILES)
    names += [NGRAM_FILE] if decoder == "beam" else []
    names += [ONNX_FILE] if backend == "onnx" else []
    return _digest(path for name in names if (path := Path(model, name)).is_file())


def _digest(files: Iterable[Path]) -> str:
    return files_sha256(files)[:16]


def _reason(error: Exception) -> str:
    return printable(" ".join(str(error).split())) or type(error).__name__
