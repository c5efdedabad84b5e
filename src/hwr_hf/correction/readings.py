"""What a recogniser says of lines, read once: all that correct or rank start from the same.

In: a model's folder and lines of IAM. Out: `Readings`, with the logits of each line, from which
follow its greedy text, the texts of a beam search, and how probable any other text is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from hwr_hf.line_logits import cached_logits
from hwr_hf.resnet_bilstm.beam_resnet_bilstm import BeamSearchDecoder
from hwr_hf.resnet_bilstm.ctc_resnet_bilstm import greedy_decode
from hwr_hf.resnet_bilstm.ngram_resnet_bilstm import CharacterNgram
from hwr_hf.resnet_bilstm.pipeline_resnet_bilstm import text_scorer


@dataclass(frozen=True)
class Readings:
    """Lines that were read.

    Attributes:
        references: The true texts.
        writers: Who wrote each line.
        logits: Of each line, `(frames, vocab_size)`, divided by the model's temperature.
        tokenizer: The recogniser's.
    """

    references: Sequence[str]
    writers: Sequence[str]
    logits: Sequence[np.ndarray]
    tokenizer: PreTrainedTokenizerBase

    def greedy_texts(self) -> list[str]:
        """The text of the most probable label of each frame."""
        blank_id = self.tokenizer.pad_token_id
        return [self._text(greedy_decode(line, blank_id)) for line in self.logits]

    def beam_texts(
        self, ngram: CharacterNgram | None = None, settings: Mapping[str, float] | None = None
    ) -> list[str]:
        """The best text of a beam search, with an n-gram or without."""
        return [texts[0][0] for texts in self.n_best(1, ngram, settings)]

    def n_best(
        self,
        num_texts: int,
        ngram: CharacterNgram | None = None,
        settings: Mapping[str, float] | None = None,
    ) -> list[list[tuple[str, float]]]:
        """The best texts of a beam search for each line, with what the search ranks them by."""
        token_ids, blank_id = self.tokenizer.get_vocab(), self.tokenizer.pad_token_id
        decoder = BeamSearchDecoder(token_ids, blank_id, ngram, settings)
        return [
            [
                (self._text(hypothesis.labels), hypothesis.fused_score)
                for hypothesis in decoder.decode(line, num_texts)
            ]
            for line in self.logits
        ]

    def scorers(self) -> list[Callable[[str], float]]:
        """For each line: text -> natural logarithm of its probability given the image."""
        return [text_scorer(line, self.tokenizer) for line in self.logits]

    def _text(self, labels: Sequence[int]) -> str:
        return self.tokenizer.decode(labels, group_tokens=False)


def read_lines(model: str | Path, lines: datasets.Dataset, kept_logits: str | Path) -> Readings:
    """Reads lines of IAM; a line without ink or with a broken image is left out.

    Args:
        model: Folder of the recogniser.
        lines: As `load_iam` gives them, with writers.
        kept_logits: `.npz` file that keeps the logits; what is there is not computed again.

    Raises:
        ValueError: The lines have no writers.
    """
    logits, references, rows = cached_logits(kept_logits, model, lines)
    writers = lines["writer_id"][:]
    read = [place for place, line in enumerate(logits) if line is not None]
    if any(writers[rows[place]] is None for place in read):
        raise ValueError(
            "The lines have no writers, by whom the intervals are drawn. Put IAM's forms.txt (in "
            "ascii.tgz) into its folder."
        )
    temperature = AutoConfig.from_pretrained(model).temperature
    return Readings(
        [references[place] for place in read],
        [writers[rows[place]] for place in read],
        [logits[place] / temperature for place in read],
        AutoTokenizer.from_pretrained(model),
    )
