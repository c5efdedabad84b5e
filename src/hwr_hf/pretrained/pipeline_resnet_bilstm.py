"""`pipeline("image-to-text")` for handwriting: images of words or lines in, text out.

Out, for each image, is `[{"generated_text": str, "score": float}]`. The scores, of the text and of
each word, are exact CTC probabilities, see `ctc_resnet_bilstm`; they are no averages over frames.
A beam search's are too: what the n-gram thinks of a text is in its `fused_score` alone.
The configuration's `temperature`, fitted to the model, makes a score the share of texts it is given
to that are right.
"""

import importlib
import math
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import Pipeline
from transformers.image_utils import load_image
from transformers.pipelines.pt_utils import PipelineDataset, PipelineIterator

from .beam_resnet_bilstm import BeamSearchDecoder, check_settings, load_beam_decoder
from .ctc_resnet_bilstm import (
    check_finite,
    ctc_align,
    ctc_log_probability,
    ctc_segment_log_posteriors,
    greedy_decode,
)
from .hub_files_resnet_bilstm import HubFolderMixin
from .image_transforms_resnet_bilstm import UNREADABLE_IMAGE, has_ink, ink_mask, to_grey
from .ngram_resnet_bilstm import NGRAM_FILE, find_ngram
from .processing_resnet_bilstm import ResNetBiLstmProcessor
from .sorted_batches_resnet_bilstm import COLUMNS_PER_LINE, collate_lines, read_in_batches
from .views_resnet_bilstm import check_num_views, read_views

DECODERS = ("greedy", "beam")
CORRECTOR_FOLDER = "corrector"  # beside the model


class ResNetBiLstmPipeline(HubFolderMixin, Pipeline):
    """Reads images of handwritten words or lines.

    An image is a path, a URL, a PIL image, an array or a tensor. Lists, generators and
    `KeyDataset`s of them are read as well, `batch_size` of them at a time; a list comes back as a
    list, the others as an iterator. Where all images are at hand, batches are made of lines of like
    width, images are prepared while others are read, and answers come in the order of the images.

    Args:
        return_words: Also return `words`, each `{"text", "score", "box"}`.
        num_views: Read so many slightly changed views of each image and decode their mean, see
            `views_resnet_bilstm`; takes as many times as long. 1 reads the image as it is.
        decoder: `"greedy"`, the best label of every frame, or `"beam"`, a search for the text that
            image and language model together find best, see `beam_resnet_bilstm`. It needs
            `ngram.safetensors` beside the model.
        num_return_sequences: With `"beam"`: most texts returned for each image, best first.
        ngram: With `"beam"`: another n-gram file.
        lm_weight, length_bonus, word_bonus, beam_width, beam_margin, min_probability: With
            `"beam"`: instead of the n-gram's own settings, see `BeamSettings`; `lm_weight=0`
            searches without an n-gram.
        corrector: Corrects each text: an `hwr_hf.correction.BertCorrector` or another object with
            its method `correct`; a folder or Hub id of one; or True for the one in the sub-folder
            `corrector` beside the model. To load one needs the package `hwr_hf`.

    Returns:
        `[{"generated_text", "score"}]` for each image, several with `num_return_sequences`.
        `score` is the probability of the text, all its alignments summed; a beam search adds
        `fused_score`, the natural logarithm by which it ranks. A word is a run of characters
        without a space; its `score` is its probability given that the rest of the text is right,
        and `box` is `[x0, y0, x1, y1]` around it in pixels of the upright original image, `x1` and
        `y1` exclusive. An image without ink has the text `""` with score 1.
        With a corrector `generated_text` is the corrected text, `recognised_text` the one that was
        read, and `edits` all that lies between: `start` and `end` in the text that was read, `old`,
        `new`, `score` and its parts, and whether it was `accepted`. Scores and words stay those of
        the text that was read.

    Raises:
        ValueError: An image cannot be read (the message names it), the model has no CTC head or
            another vocabulary than the tokenizer, its weights are damaged, there is no n-gram to
            search with, the batch size is no number of images, or the corrector is none.
        OSError: There is no corrector, or it lacks a file.

    Example:
        ```python
        read = pipeline("image-to-text", model="path/or/id")
        read("line.png", return_words=True)
        read("line.png", decoder="beam", num_return_sequences=5)
        read("line.png", corrector="path/or/id/of/a/corrector")
        ```
    """

    # None is not an option: `pipeline()` would try it, and ask whether to trust the folder's code.
    _load_processor = False
    _load_image_processor = True
    _load_video_processor = False
    _load_feature_extractor = False
    _load_tokenizer = True

    def __init__(self, *args, **kwargs):
        _check_batch_size(kwargs.get("batch_size"))
        self._beam_searches: dict[tuple, BeamSearchDecoder] = {}
        self._correctors: dict[str, object] = {}
        super().__init__(*args, **kwargs)
        # By name: a class loaded from the Hub is another one than the installed package's.
        if not type(self.model).__name__.endswith("ForCTC"):
            raise ValueError(
                f"This pipeline decodes CTC; {type(self.model).__name__} has no CTC head. "
                "Use ResNetBiLstmForCTC, or decode the model's logits yourself."
            )
        if len(self.tokenizer) != self.model.config.vocab_size:
            raise ValueError(
                f"The tokenizer has {len(self.tokenizer)} ids and the model "
                f"{self.model.config.vocab_size} classes. Load both from the same folder."
            )
        if isinstance(self.model, torch.nn.Module):
            self.model.check_weights()
        if self.device.type == "cpu" and isinstance(self.model, torch.nn.Module):
            if self.model.dtype == torch.float16:  # published to be small; a CPU is slow with it
                self.model.float()
            # The order in which oneDNN's convolutions want their data: 1.1 times as fast.
            self.model.to(memory_format=torch.channels_last)
        if self._postprocess_params.get("decoder") == "beam":  # complain now, not at an image
            search = dict(self._postprocess_params)
            for name in ("decoder", "num_return_sequences", "return_words", "corrector"):
                search.pop(name, None)
            self._beam_search(**search)

    def __call__(self, inputs, **kwargs):
        _check_batch_size(kwargs.get("batch_size"))
        # A column of a data set is a sequence too; the library takes only lists for several images.
        if isinstance(inputs, Sequence) and not isinstance(inputs, (str, bytes)):
            inputs = list(inputs)
            if not inputs:
                return []
        return super().__call__(inputs, **kwargs)

    def _sanitize_parameters(
        self,
        return_words: bool | None = None,
        num_views: int | None = None,
        corrector=None,
        **decoding,
    ):
        forward, postprocess = {}, {name: v for name, v in decoding.items() if v is not None}
        decoder = decoding.get("decoder")
        if decoder not in (None, *DECODERS):
            raise ValueError(f"decoder={decoder!r} is not one of {', '.join(DECODERS)}.")
        known = ("decoder", "num_return_sequences", "ngram")
        check_settings(name for name in decoding if name not in known)
        # At the pipeline's making nothing is stored yet.
        stored = getattr(self, "_postprocess_params", {}).get("decoder", "greedy")
        usual = {"decoder": decoder, "num_return_sequences": 1}
        search = [name for name, value in postprocess.items() if usual.get(name) != value]
        if (decoder or stored) != "beam" and search:
            raise ValueError(f"{search[0]} is an option of the beam search. Add decoder='beam'.")
        if num_views is not None:
            check_num_views(num_views)
            forward["num_views"] = num_views
        if return_words is not None:
            postprocess["return_words"] = return_words
        if corrector is not None:
            postprocess["corrector"] = self._corrector(corrector)
        return {}, forward, postprocess

    def preprocess(self, image) -> dict[str, torch.Tensor]:
        """Model inputs of one image, each with a leading batch axis of 1."""
        try:
            # The image processor corrects the tones itself.
            grey = to_grey(_fetch(image), correct_tones=False)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                inputs = self.image_processor(grey, return_tensors="pt", return_to_original=True)
        except (*UNREADABLE_IMAGE, TypeError) as error:
            raise ValueError(f"Cannot read {_name(image)}: {error}") from error
        for warning in caught:  # with the image's name, each gets its own
            warnings.warn(f"{_name(image)}: {warning.message}", warning.category, stacklevel=2)
        return {
            **inputs,  # pixel_values, pixel_mask, to_original
            "has_ink": torch.tensor([has_ink(grey)]),
            "original_size": torch.tensor([grey.shape[::-1]]),  # width, height
        }

    def get_iterator(
        self, inputs, num_workers, batch_size, preprocess_params, forward_params, postprocess_params
    ):
        forward_params = forward_params | {
            "keep_pixels": bool(postprocess_params.get("return_words"))
        }
        # The stock collate concatenates images of one size; lines differ in width.
        if isinstance(inputs, Sized):
            dataset = PipelineDataset(inputs, self.preprocess, preprocess_params)
            lines = DataLoader(dataset, batch_size=None, num_workers=num_workers)
            if num_workers > 0:  # a worker's tensors hold open files until they are copied
                lines = ({name: t.clone() for name, t in line.items()} for line in lines)
            read_batch = partial(self.forward, **forward_params)
            # A CPU's threads read a batch each: they never wait for each other within one.
            num_threads = torch.get_num_threads() if self.device.type == "cpu" else 1
            columns = columns_per_line(self.model)
            outputs = read_in_batches(lines, read_batch, batch_size, num_threads, columns)
        else:
            # No image is asked for before its batch: of a stream there may be no other for a while.
            dataset = PipelineIterator(inputs, self.preprocess, preprocess_params)
            num_workers = min(num_workers, 1)  # two workers would each read the whole stream
            batches = DataLoader(
                dataset, batch_size=batch_size, num_workers=num_workers, collate_fn=collate_lines
            )
            outputs = PipelineIterator(
                batches, self.forward, forward_params, loader_batch_size=batch_size
            )
        if postprocess_params.get("corrector") is None:
            return PipelineIterator(outputs, self.postprocess, postprocess_params)
        read = partial(self._read_lines, **postprocess_params)
        return ReadInBatches(outputs, read, batch_size)

    def _forward(
        self, inputs: dict[str, torch.Tensor], num_views: int = 1, keep_pixels: bool = True
    ) -> dict[str, torch.Tensor]:
        pixel_values = inputs["pixel_values"].to(self.model.dtype)
        logits = read_views(self.model, pixel_values, inputs["pixel_mask"], num_views)
        outputs = {"logits": logits, **inputs}
        if not keep_pixels:  # of many lines they would wait in memory for their turn
            del outputs["pixel_values"]
        return outputs

    def postprocess(self, outputs: dict[str, torch.Tensor], **options) -> list[dict]:
        """Texts, scores and words of one line from its outputs with a batch axis of 1."""
        (readings,) = self._read_lines([outputs], **options)
        return readings

    def _read_lines(
        self, outputs: list[dict[str, torch.Tensor]], corrector=None, **options
    ) -> list[list[dict]]:
        """Readings of lines, corrected together."""
        lines = [{name: tensor[0] for name, tensor in line.items()} for line in outputs]
        readings = [self._readings(line, **options) for line in lines]
        if corrector is None:
            return readings
        corrections = iter(
            corrector.correct(
                [reading["generated_text"] for of_line in readings for reading in of_line],
                scorers=[
                    self._text_scorer(line)
                    for line, of_line in zip(lines, readings, strict=True)
                    for _ in of_line
                ],
            )
        )
        return [
            [with_correction(reading, next(corrections)) for reading in of_line]
            for of_line in readings
        ]

    def _readings(
        self,
        line: dict[str, torch.Tensor],
        return_words: bool = False,
        decoder: str = "greedy",
        num_return_sequences: int = 1,
        **search,
    ) -> list[dict]:
        """Texts, scores and words of one line, as they were recognised."""
        if decoder == "beam":
            beam_search = self._beam_search(**search)
        if not line["has_ink"]:
            reading = {"generated_text": "", "score": 1.0}
            fused = {"fused_score": 0.0} if decoder == "beam" else {}
            return [reading | fused | ({"words": []} if return_words else {})]
        check_finite(line["logits"])
        if decoder == "beam":
            hypotheses = beam_search.decode(line["logits"], num_return_sequences)
            readings = [(h.labels, {"fused_score": h.fused_score}) for h in hypotheses]
        else:
            readings = [(greedy_decode(line["logits"], self.tokenizer.pad_token_id), {})]
        return [self._reading(line, labels, return_words) | fused for labels, fused in readings]

    def _reading(
        self, line: dict[str, torch.Tensor], labels: list[int], return_words: bool
    ) -> dict:
        """Text, score and words of one labelling of a line."""
        blank_id = self.tokenizer.pad_token_id
        log_probability = ctc_log_probability(self._scaled(line["logits"]), labels, blank_id)
        reading = {"generated_text": self._text(labels), "score": math.exp(log_probability)}
        if return_words:
            reading["words"] = self._words(line, labels)
        return reading

    def _beam_search(self, **options) -> BeamSearchDecoder:
        """The decoder for these options, made once."""
        key = tuple(sorted((name, str(value)) for name, value in options.items()))
        if key not in self._beam_searches:
            self._beam_searches[key] = load_beam_decoder(
                self.model.name_or_path, self.tokenizer, revision=self.model.revision, **options
            )
        return self._beam_searches[key]

    def _corrector(self, corrector):
        """The corrector given, loaded once if a place is given."""
        if corrector is not True and not isinstance(corrector, (str, os.PathLike)):
            if not callable(getattr(corrector, "correct", None)):
                raise ValueError(
                    f"The corrector {corrector!r} has no method `correct`. Give a folder or Hub id "
                    "of one, True for the one beside the model, or a BertCorrector."
                )
            return corrector
        key = str(corrector)
        if key not in self._correctors:
            bert_corrector = _import_bert_corrector()
            if corrector is True:
                self._correctors[key] = bert_corrector.from_pretrained(
                    self.model.name_or_path,
                    subfolder=CORRECTOR_FOLDER,
                    revision=self.model.revision,
                )
            else:
                self._correctors[key] = bert_corrector.from_pretrained(key)
        return self._correctors[key]

    def _text_scorer(self, line: dict[str, torch.Tensor]) -> Callable[[str], float]:
        return text_scorer(self._scaled(line["logits"]), self.tokenizer)

    def _save_parts(self, save_directory, **kwargs) -> None:
        # As one processor, or AutoProcessor would not find its class in the folder.
        self.model.save_pretrained(save_directory, **kwargs)
        ResNetBiLstmProcessor(self.image_processor, self.tokenizer).save_pretrained(save_directory)
        ngram = self._postprocess_params.get("ngram")
        ngram = ngram or find_ngram(self.model.name_or_path, self.model.revision)
        target = Path(save_directory, NGRAM_FILE)
        if ngram and not (target.exists() and target.samefile(ngram)):
            shutil.copyfile(ngram, target)
        corrector = self._postprocess_params.get("corrector")
        if hasattr(corrector, "save_pretrained"):
            corrector.save_pretrained(Path(save_directory, CORRECTOR_FOLDER))

    def _scaled(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits to score with; what is read does not change, only how sure of it the score is."""
        return logits.double() / self.model.config.temperature

    def _text(self, labels: list[int]) -> str:
        return self.tokenizer.decode(labels, group_tokens=False)

    def _words(self, line: dict[str, torch.Tensor], labels: list[int]) -> list[dict]:
        """Words of a line with their scores and boxes."""
        blank_id = self.tokenizer.pad_token_id
        segments = word_segments(labels, self.tokenizer.convert_tokens_to_ids(" "))
        log_posteriors = ctc_segment_log_posteriors(
            self._scaled(line["logits"]), labels, segments, blank_id
        )
        frames = ctc_align(line["logits"], labels, blank_id)
        ink = line_ink(line["pixel_values"], line["pixel_mask"])  # (height, width)
        columns_per_frame = line["pixel_values"].shape[-1] / len(line["logits"])
        letters = [(start * columns_per_frame, end * columns_per_frame) for start, end in frames]
        boxes = word_boxes(ink, [(letters[start], letters[end - 1]) for start, end in segments])
        to_original = line["to_original"].double().numpy()
        return [
            {
                "text": self._text(labels[start:end]),
                "score": math.exp(log_posterior),
                "box": box_in_original(box, to_original, line["original_size"].tolist()),
            }
            for (start, end), log_posterior, box in zip(
                segments, log_posteriors, boxes, strict=True
            )
        ]


class ReadInBatches:
    """An iterable over readings, made of so many outputs at a time.

    Args:
        outputs: Of the model, one line each.
        read: Outputs -> readings.
        batch_size: Outputs at a time.
    """

    def __init__(self, outputs: PipelineIterator, read: Callable, batch_size: int) -> None:
        self.outputs, self.read, self.batch_size = outputs, read, batch_size

    def __len__(self) -> int:
        return len(self.outputs)

    def __iter__(self) -> Iterator[list[dict]]:
        batch = []
        for output in self.outputs:  # which may not be asked again once it has ended
            batch.append(output)
            if len(batch) == self.batch_size:
                yield from self.read(batch)
                batch = []
        if batch:
            yield from self.read(batch)


def with_correction(reading: dict, correction) -> dict:
    """A reading whose text is the corrected one, with the recognised one and the edits beside it.

    Args:
        reading: With `generated_text`, as recognised.
        correction: Its `corrected` text and its `edits`, which are dataclasses.
    """
    return reading | {
        "generated_text": correction.corrected,
        "recognised_text": reading["generated_text"],
        "edits": [asdict(edit) for edit in correction.edits],
    }


def text_scorer(logits: np.ndarray | torch.Tensor, tokenizer) -> Callable[[str], float]:
    """A function from a text to the natural logarithm of its probability under a line's logits.

    Args:
        logits: One line, `(frames, vocab_size)`, divided by the temperature.
        tokenizer: The recogniser's; a text with a character that it does not have gets `-inf`.
    """
    characters = set(tokenizer.get_vocab())

    def log_probability(text: str) -> float:
        if not characters.issuperset(text):
            return -math.inf
        return ctc_log_probability(logits, tokenizer(text).input_ids, tokenizer.pad_token_id)

    return log_probability


def word_segments(labels: list[int], space_id: int) -> list[tuple[int, int]]:
    """`(start, end)` of the runs without a space, `end` exclusive.

    >>> word_segments([5, 6, 2, 2, 7], space_id=2)
    [(0, 2), (4, 5)]
    """
    spaced = "".join(" " if label == space_id else "x" for label in labels)
    return [match.span() for match in re.finditer("x+", spaced)]


def line_ink(pixel_values: torch.Tensor, pixel_mask: torch.Tensor) -> np.ndarray:
    """Mask of the ink, `(height, width)` without the padding.

    Args:
        pixel_values: One line, `(channels, height, padded width)`, ink lower than paper.
        pixel_mask: Its real columns, `(padded width,)`.
    """
    line = pixel_values[:, :, : int(pixel_mask.sum())].float().mean(dim=0)
    grey = 255 * (line - line.min()) / (line.max() - line.min()).clamp(min=1e-6)
    return ink_mask(grey.round().byte().numpy())


def word_boxes(
    ink: np.ndarray, words: list[tuple[tuple[float, float], tuple[float, float]]]
) -> list[tuple[int, int, int, int]]:
    """Boxes around the ink of each word of a line.

    Neighbours are cut apart in the widest gap without ink between the last letter of the one and
    the first of the other, which the alignment finds; it finds letters, not their outlines.

    Args:
        ink: The line, `(height, width)`, True = ink.
        words: Columns `(start, end)` of the first and of the last letter of each word.

    Returns:
        `(left, top, right, bottom)` in pixels of the line, `right` and `bottom` exclusive; a word
        without ink has the height of the line.
    """
    height, width = ink.shape
    cuts = [0]
    for (_, last), (first, _) in pairwise(words):
        # From the middle of a letter to that of the next: CTC's spikes stand anywhere in one.
        start = min(round(sum(last) / 2), width - 1)
        end = max(start + 1, min(round(sum(first) / 2), width))
        cuts.append(start + _middle_of_widest_gap(ink[:, start:end].any(axis=0)))
    cuts.append(width)
    boxes = []
    for left, right in pairwise(cuts):
        columns = np.flatnonzero(ink[:, left:right].any(axis=0))
        rows = np.flatnonzero(ink[:, left:right].any(axis=1))
        if len(columns) == 0:
            boxes.append((left, 0, max(right, left + 1), height))
        else:
            ink_left, ink_right = left + int(columns[0]), left + int(columns[-1]) + 1
            boxes.append((ink_left, int(rows[0]), ink_right, int(rows[-1]) + 1))
    return boxes[: len(words)]


def _middle_of_widest_gap(has_ink: np.ndarray) -> int:
    """Middle of the longest run of False, or of the whole when there is none."""
    gaps = [match.span() for match in re.finditer(b"\0+", has_ink.astype(np.uint8).tobytes())]
    start, end = max(gaps, key=lambda gap: gap[1] - gap[0], default=(0, len(has_ink)))
    return (start + end) // 2


def box_in_original(
    box: tuple[int, int, int, int], to_original: np.ndarray, original_size: list[int]
) -> list[int]:
    """Smallest upright box in the original image around a box of the prepared line.

    Args:
        box: `(left, top, right, bottom)` in the line.
        to_original: Affine `(2, 3)` from the line to the original image.
        original_size: Width and height of the original image.

    Returns:
        `[x0, y0, x1, y1]`, inside the image and at least one pixel wide and high.
    """
    left, top, right, bottom = box
    corners = np.array([[left, top, 1], [right, top, 1], [left, bottom, 1], [right, bottom, 1]])
    corners = corners @ to_original.T  # (4, 2)
    # A thousandth of a pixel is rounding in the affine and does not reach into the next pixel.
    low = np.floor(corners.min(axis=0) + 1e-3).astype(int)
    high = np.ceil(corners.max(axis=0) - 1e-3).astype(int)
    low = np.clip(low, 0, np.array(original_size) - 1)
    high = np.clip(high, low + 1, original_size)
    return [int(low[0]), int(low[1]), int(high[0]), int(high[1])]


def _check_batch_size(batch_size: int | None) -> None:
    if batch_size is None:  # as at construction, or 1
        return
    if not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r} is not allowed: use an integer of at least 1.")


def columns_per_line(model) -> int:
    """Columns that a line of a batch may have on average for what computes the network."""
    if isinstance(model, torch.nn.Module) and model.device.type == "cpu":
        return COLUMNS_PER_LINE * 3 // 2  # it convolves a few of the lines at a time
    # Half as large numbers leave room for twice as many columns, which an LSTM likes.
    return COLUMNS_PER_LINE * torch.float32.itemsize // model.dtype.itemsize


def _import_bert_corrector():
    """The package's class; this file also works without the package."""
    try:
        return importlib.import_module("hwr_hf.correction").BertCorrector
    except ImportError as error:
        raise ValueError(
            f"Loading a corrector needs the package hwr_hf ({error}). Install it, or give an "
            "object with its own method `correct`."
        ) from error


def _fetch(image):
    """The image behind a URL; anything else as it is."""
    is_url = isinstance(image, str) and image.startswith(("http://", "https://"))
    return load_image(image) if is_url else image


def _name(image) -> str:
    """What an error calls an image."""
    if isinstance(image, (str, os.PathLike)):
        return f"the image {os.fspath(image)!r}"
    path = getattr(image, "filename", None)
    return f"the image {path!r}" if path else f"an image given as {type(image).__name__}"


__all__ = ["ResNetBiLstmPipeline"]
