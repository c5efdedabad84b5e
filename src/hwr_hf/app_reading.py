"""From a grey line to all that the app shows of it: pictures of the steps, texts, scores, words.

In: uint8 `(height, width)` from `app_input`. Out: a `LineReading`. Nothing here knows of gradio.
"""

import contextlib
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from transformers import pipeline

from . import DEFAULT_MODEL
from .app_input import InputError, count_text_lines, load_drawing
from .careful_reading import json_record
from .resnet_bilstm.image_transforms_resnet_bilstm import prepare_line, to_grey
from .resnet_bilstm.ngram_resnet_bilstm import find_ngram
from .resnet_bilstm.pipeline_resnet_bilstm import DECODERS

NUM_ALTERNATIVES = 5  # texts of a beam search, the best one included
STEP_HEIGHT = 96  # rows of the pictures of deskewed lines
STEP_WIDTH = 2400  # most columns of any picture

# Moments are made for words: on a line its slope, not its slant, makes most of what they find.
MAX_MOMENT_ASPECT = 6.0  # of the ink, width over height
# Deskewed how: caption, method and passes
DESKEWINGS = (
    ("Not deskewed", None, 0),
    ("Deskewed by line: baseline level, then strokes upright", "line", 1),
    ("Deskewed by moments, once", "moment", 1),
    ("Deskewed by moments, twice", "moment", 2),
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """A picture on the way from the image to the network.

    Attributes:
        caption: What was done.
        image: Grey.
        is_used: Whether the model reads this one; the other deskewings are shown to compare.
    """

    caption: str
    image: Image.Image
    is_used: bool = True


@dataclass(frozen=True)
class LineReading:
    """What was read in a line.

    Attributes:
        readings: The pipeline's answer with `return_words=True`, best first.
        decoder: `"greedy"` or `"beam"`.
        corrected_text: None without correction.
        notes: Hints for the visitor.
        steps: Pictures from the original to what the network sees.
        uses_ngram: Whether a beam search weighs in a language model here.
    """

    readings: list[dict]
    decoder: str
    corrected_text: str | None = None
    notes: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    uses_ngram: bool = True

    @property
    def text(self) -> str:
        """The final text: corrected where a correction was asked for."""
        if self.corrected_text is not None:
            return self.corrected_text
        return self.readings[0]["generated_text"]

    def record(self) -> dict:
        """What the JSON download holds: the fields of `hwr-hf read --json`, but for the edits."""
        record = {"decoder": self.decoder} | json_record(self.readings)
        if self.corrected_text is not None:
            record |= {"text": self.corrected_text, "recognised_text": record["text"]}
        return record


class LineReader:
    """Reads grey lines with one pipeline, loaded and warmed once.

    Args:
        model: Folder or Hub id. Without an n-gram beside it, the beam search goes without one.
        corrector: Function text -> text, or None.

    Attributes:
        has_ngram: Whether the beam search has a language model.
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, corrector: Callable[[str], str] | None = None
    ) -> None:
        self.corrector = corrector
        self._pipeline = pipeline("image-to-text", model=model, device="cpu")
        recogniser = self._pipeline.model
        self.has_ngram = find_ngram(recogniser.name_or_path, recogniser.revision) is not None
        self._warm_up()

    def read(self, grey: np.ndarray, decoder: str = "beam", correct: bool = False) -> LineReading:
        """Read one line.

        Args:
            grey: uint8 `(height, width)`.
            decoder: `"greedy"` or `"beam"`.
            correct: Also run the corrector on the text.

        Raises:
            InputError: There is no writing to see.
            ValueError: `decoder` is neither.
        """
        if decoder not in DECODERS:
            raise ValueError(f"decoder={decoder!r} is not one of {', '.join(DECODERS)}.")
        options = self._beam_options() if decoder == "beam" else {}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            readings = self._pipeline(grey, decoder=decoder, return_words=True, **options)
        if not readings[0]["generated_text"]:
            raise InputError(
                "No writing stands out in this picture. Is it dark ink on light paper?"
            )
        upright = to_grey(grey, self._pipeline.image_processor.do_correct_tones)
        notes = _hints(upright, is_squashed=bool(caught))
        corrected_text = None
        if correct and self.corrector is not None:
            try:
                corrected_text = self.corrector(readings[0]["generated_text"])
            except Exception:  # the text as it was read is worth more than no answer
                logger.exception("The corrector failed.")
                notes.append("The correction failed; this is the text as it was read.")
        steps = self._steps(grey, upright)
        return LineReading(readings, decoder, corrected_text, notes, steps, self.has_ngram)

    def _beam_options(self) -> dict:
        without = {} if self.has_ngram else {"lm_weight": 0}
        return {"num_return_sequences": NUM_ALTERNATIVES} | without

    def _steps(self, grey: np.ndarray, upright: np.ndarray) -> list[Step]:
        processor = self._pipeline.image_processor
        num_passes = processor.num_deskew_passes if processor.do_deskew else 0
        method = processor.deskew_method if num_passes else None
        used = (method, 1 if method == "line" else num_passes)
        steps = [Step("Original, in grey", _fit(Image.fromarray(grey)))]
        if not np.array_equal(upright, grey):
            steps.append(Step("Dark on evenly light paper", _fit(Image.fromarray(upright))))
        is_word = True
        for caption, *deskewing in DESKEWINGS:
            is_used = tuple(deskewing) == used
            if deskewing[0] == "moment" and not (is_word or is_used):
                continue
            line, _ = prepare_line(
                upright,
                height=STEP_HEIGHT,
                deskew_method=deskewing[0],
                num_deskew_passes=deskewing[1],
            )
            is_word = is_word and line.shape[1] <= MAX_MOMENT_ASPECT * line.shape[0]
            steps.append(Step(caption, _fit(Image.fromarray(line)), is_used))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            inputs = processor(grey, return_tensors="np")
        line = inputs["pixel_values"][0, 0][:, : int(inputs["pixel_mask"][0].sum())]
        span = max(float(np.ptp(line)), 1e-6)
        seen = Image.fromarray(np.rint(255 * (line - line.min()) / span).astype(np.uint8))
        caption = f"What the network sees: {seen.height} pixels high, {seen.width} wide"
        return [*steps, Step(caption, seen)]

    def _warm_up(self) -> None:
        """Read a drawn wave once with each decoder, so that no visitor waits for the loading."""
        x = np.linspace(0, 20 * np.pi, 800)
        stroke = np.stack([20 + x * 9, 60 + 20 * np.sin(x)], axis=1).round(1)
        drawing = f'{{"width": 620, "height": 120, "strokes": [{stroke.ravel().tolist()}]}}'
        for decoder in DECODERS:
            with contextlib.suppress(InputError):  # a model may see no letter in it
                self.read(load_drawing(drawing), decoder)


def _hints(upright: np.ndarray, is_squashed: bool) -> list[str]:
    """Notes on pictures that the model was not made for."""
    hints = []
    num_lines = count_text_lines(upright)
    if num_lines > 1:
        hints.append(
            f"This looks like {num_lines} lines of writing. The model reads one line at a time: "
            "cut the picture into lines and read each."
        )
    if is_squashed:
        hints.append(
            "This line is so long that it had to be squashed, which harms reading. "
            "Cut it into shorter pieces."
        )
    return hints


def _fit(image: Image.Image) -> Image.Image:
    image.thumbnail((STEP_WIDTH, STEP_WIDTH))
    return image
