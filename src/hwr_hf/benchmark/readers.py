"""What reads the lines of a benchmark: this package in several ways, and what else one could take.

A reader is made with a number of threads and reads a list of `BenchmarkLine`s to their texts; one
with random weights, which serves for its speed alone, reads them to None.
References: Li et al. (2021), https://arxiv.org/abs/2109.10282 (TrOCR); Tesseract 5,
https://github.com/tesseract-ocr/tesseract; RapidOCR, https://github.com/RapidAI/RapidOCR
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from PIL import Image

from .lines import BenchmarkLine

BATCH_SIZE = 16
TOKENS_PER_CHARACTER = 0.3  # of English in TrOCR's vocabulary: about 14 for a line of IAM

Read = Callable[[Sequence[BenchmarkLine]], list[str] | None]


class ReaderMissingError(Exception):
    """A competitor is not installed here; the message says what is missing."""


def ours(num_threads: int, model: str, **options) -> Read:
    """The pipeline of this package."""
    from transformers import pipeline
    from transformers.utils import logging

    import hwr_hf  # noqa: F401

    logging.disable_progress_bar()
    torch.set_num_threads(num_threads)
    read = pipeline("image-to-text", model=model, device="cpu", **options)

    def texts(lines: Sequence[BenchmarkLine]) -> list[str]:
        readings = read([line.path for line in lines], batch_size=BATCH_SIZE)
        return [reading["generated_text"] for (reading,) in readings]

    return texts


def trocr(num_threads: int, size: str, dtype: torch.dtype) -> Read:
    """TrOCR of the published sizes with random weights; generates as many tokens as a text has."""
    from transformers import (
        DeiTConfig,
        TrOCRConfig,
        VisionEncoderDecoderConfig,
        VisionEncoderDecoderModel,
        ViTConfig,
        ViTImageProcessor,
    )

    torch.set_num_threads(num_threads)
    if size == "small":
        encoder = DeiTConfig(
            hidden_size=384, num_attention_heads=6, intermediate_size=1536, image_size=384
        )
        decoder = TrOCRConfig(
            vocab_size=64044, d_model=256, decoder_layers=6, decoder_attention_heads=8,
            decoder_ffn_dim=1024, cross_attention_hidden_size=384,
        )  # fmt: skip
    else:
        encoder = ViTConfig(image_size=384)
        decoder = TrOCRConfig(cross_attention_hidden_size=768)  # its defaults are TrOCR-base's
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    torch.manual_seed(0)
    model = VisionEncoderDecoderModel(config).eval().to(dtype)
    processor = ViTImageProcessor(size={"height": 384, "width": 384})

    def read_batch(lines: Sequence[BenchmarkLine]) -> None:
        images = [Image.open(line.path).convert("RGB") for line in lines]
        pixel_values = processor(images, return_tensors="pt")["pixel_values"].to(dtype)
        longest = max(len(line.text) for line in lines)
        num_tokens = max(1, round(TOKENS_PER_CHARACTER * longest))
        model.generate(
            pixel_values,
            decoder_start_token_id=2,
            min_new_tokens=num_tokens,
            max_new_tokens=num_tokens,
            do_sample=False,
            num_beams=1,
        )

    def read(lines: Sequence[BenchmarkLine]) -> None:
        by_length = sorted(lines, key=lambda line: len(line.text))  # as kind as to our own
        for start in range(0, len(lines), BATCH_SIZE):
            read_batch(by_length[start : start + BATCH_SIZE])

    return read


def tesseract(num_threads: int) -> Read:
    """Tesseract 5 with its English model: a process a line, as many at once as there are threads.

    Its own threads are off: two of them read a line slower than one.
    """
    program = shutil.which("tesseract")
    if program is None:
        raise ReaderMissingError("the program tesseract (Debian: apt-get install tesseract-ocr)")
    environment = os.environ | {"OMP_THREAD_LIMIT": "1"}

    def text(line: BenchmarkLine) -> str:
        command = [program, line.path, "stdout", "--psm", "7", "-l", "eng"]
        run = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        return run.stdout.strip()

    pool = ThreadPoolExecutor(num_threads)
    return lambda lines: list(pool.map(text, lines))


def rapidocr(num_threads: int) -> Read:
    """RapidOCR's recogniser with the models in its wheel; finding and turning lines is off."""
    import numpy as np

    try:
        from rapidocr import RapidOCR
    except ModuleNotFoundError as error:
        raise ReaderMissingError(f"{error.name} (pip install rapidocr onnxruntime)") from error
    engine = RapidOCR(
        params={
            "Global.log_level": "error",
            "EngineConfig.onnxruntime.intra_op_num_threads": num_threads,
        }
    )

    def read(lines: Sequence[BenchmarkLine]) -> list[str]:
        texts = []
        for line in lines:
            image = np.asarray(Image.open(line.path).convert("RGB"))
            result = engine(image, use_det=False, use_cls=False)
            texts.append("".join(result.txts or ()))
        return texts

    return read


NARROW = {"beam_width": 8, "min_probability": 0.003}


@dataclass(frozen=True)
class Reader:
    """How a reader is made.

    Attributes:
        make: Function of this module.
        options: Beside the number of threads; ours get `model` too.
        precision: As the report names it.
    """

    make: Callable[..., Read]
    options: dict = field(default_factory=dict)
    precision: str = "float32"


READERS = {
    "ours": Reader(ours, {"dtype": "float32"}),
    "ours, bfloat16": Reader(ours, {"dtype": "bfloat16"}, "bfloat16"),
    "ours, beam": Reader(ours, {"dtype": "float32", "decoder": "beam"}),
    "ours, beam, bfloat16": Reader(ours, {"dtype": "bfloat16", "decoder": "beam"}, "bfloat16"),
    "ours, narrow beam, bfloat16": Reader(
        ours, {"dtype": "bfloat16", "decoder": "beam"} | NARROW, "bfloat16"
    ),
    "ours, onnx": Reader(ours, {"backend": "onnx"}),
    "ours, onnx int8": Reader(ours, {"backend": "onnx"}, "int8"),
    "TrOCR-small": Reader(trocr, {"size": "small", "dtype": torch.float32}),
    "TrOCR-small, bfloat16": Reader(trocr, {"size": "small", "dtype": torch.bfloat16}, "bfloat16"),
    "TrOCR-base": Reader(trocr, {"size": "base", "dtype": torch.float32}),
    "TrOCR-base, bfloat16": Reader(trocr, {"size": "base", "dtype": torch.bfloat16}, "bfloat16"),
    "Tesseract 5": Reader(tesseract, precision="its own"),
    "RapidOCR": Reader(rapidocr),
}


def is_own_process(name: str) -> bool:
    """Whether start and memory of a measured process are the reader's: not where it would not
    load PyTorch and this package by itself."""
    return READERS[name].make in (ours, trocr)


def make_reader(name: str, num_threads: int, models: dict[str, str]) -> Read:
    """A reader of `READERS`.

    Args:
        name: Which.
        num_threads: For it to compute with.
        models: Folder by precision, `"float32"` and `"int8"`, for our own.

    Raises:
        ReaderMissingError: A competitor is not installed.
    """
    reader = READERS[name]
    options = reader.options
    if reader.make is ours:
        options = options | {"model": models["int8" if reader.precision == "int8" else "float32"]}
    return reader.make(num_threads, **options)
