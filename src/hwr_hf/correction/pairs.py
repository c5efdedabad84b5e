"""Pairs of recognised and true text, for a corrector to learn from.

In: lines that a recogniser has read without having been trained on them, and running text with the
same recogniser's noise. Out: a `torch` data set of any length, and the batches of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from hwr_hf.correction.encoding import IGNORED, encode_lines, encode_targets, pad
from hwr_hf.correction.noise import ConfusionModel
from hwr_hf.data.corpus import TextLines


@dataclass(frozen=True)
class Pair:
    """A line as recognised and as written, and the recognised lines before it, if known."""

    recognised: str
    text: str
    context: str = ""


def pairs_of_lines(lines: Sequence[dict[str, str]], with_context: bool = False) -> list[Pair]:
    """Pairs of what `jackknife` wrote.

    Args:
        lines: `form_id`, `text` and `recognised` of each; a form's lines in their order.
        with_context: Give each line the recognised line before it of the same form.
    """
    pairs = []
    for before, line in zip([None, *lines], lines, strict=False):
        follows = before is not None and before["form_id"] == line["form_id"]
        context = before["recognised"] if with_context and follows else ""
        pairs.append(Pair(line["recognised"], line["text"], context))
    return pairs


class NoisyPairs(torch.utils.data.Dataset):
    """Pairs drawn at random: lines that were read, or pieces of text with noise.

    Pair number `i` is the same in every process and every start, so that a training can resume.

    Args:
        texts: Running text.
        noise: The recogniser's confusions.
        length: Number of pairs.
        read_pairs: Lines that were read.
        read_share: Share of the pairs that is taken from `read_pairs`.
        cer_range: Lowest and highest error rate of noisy pieces, as fractions, drawn
            logarithmically; a corrector for one recogniser and one for many differ in it.
        seed: Of everything that is drawn.

    Raises:
        ValueError: A share or the range is none, or there are no lines to take a share of.
    """

    def __init__(
        self,
        texts: TextLines,
        noise: ConfusionModel,
        length: int,
        read_pairs: Sequence[Pair] = (),
        read_share: float = 0.3,
        cer_range: tuple[float, float] = (0.02, 0.25),
        seed: int = 0,
    ):
        low, high = cer_range
        if not 0 < low <= high <= 1:
            raise ValueError(
                f"cer_range={cer_range} is no range of error rates. Give two fractions above 0, "
                "the lower first, such as 0.02 0.25."
            )
        if not 0 <= read_share <= 1:
            raise ValueError(f"read_share={read_share} is no share. Give a number from 0 to 1.")
        if read_share > 0 and not read_pairs:
            raise ValueError(
                f"read_share={read_share} of the pairs cannot be taken from no lines. Give lines "
                "that a recogniser has read, or a read_share of 0."
            )
        self.texts, self.noise, self.length, self.seed = texts, noise, length, seed
        self.read_pairs, self.read_share, self.cer_range = read_pairs, read_share, cer_range

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Pair:
        if not 0 <= index < self.length:
            raise IndexError(f"There is no pair {index} of {self.length}.")
        rng = np.random.default_rng([self.seed, index])
        if rng.random() < self.read_share:
            return self.read_pairs[rng.integers(len(self.read_pairs))]
        cer = float(np.exp(rng.uniform(*np.log(self.cer_range))))
        text = self.texts.sample(rng)
        return Pair(self.noise.corrupt(text, rng, cer), text)


@dataclass(frozen=True)
class PairCollator:
    """Batches of pairs as an encoder-decoder takes them.

    Attributes:
        tokenizer: Of the encoder and the decoder.
        max_length: Ids of a text; a longer one is cut.
    """

    tokenizer: PreTrainedTokenizerBase
    max_length: int = 128

    def __call__(self, pairs: Sequence[Pair]) -> dict[str, torch.Tensor]:
        """`input_ids`, `attention_mask` and `labels`, each `(batch, length)`."""
        lines = encode_lines(
            self.tokenizer,
            [pair.recognised for pair in pairs],
            [pair.context for pair in pairs],
            self.max_length,
        )
        targets = encode_targets(self.tokenizer, [pair.text for pair in pairs])
        return {
            "input_ids": pad(
                [ids[: self.max_length] for ids in lines], self.tokenizer.pad_token_id
            ),
            "attention_mask": pad([[1] * min(len(ids), self.max_length) for ids in lines], 0),
            "labels": pad([ids[: self.max_length] for ids in targets], IGNORED),
        }
