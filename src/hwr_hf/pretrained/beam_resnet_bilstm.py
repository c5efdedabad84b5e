"""CTC prefix beam search with a character n-gram: the labels of the most probable texts of a line.

In: logits of one line, `(frames, vocab_size)`. Out: label ids, best first. The search keeps the
most promising prefixes of texts from frame to frame, sums all alignments of each, and ranks them by

    log p(text | image) + lm_weight * log p_ngram(text) + length_bonus * characters
                        + word_bonus * words of the vocabulary

which is shallow fusion. Without an n-gram it ranks by the first term alone.
References: Graves & Jaitly (2014), https://proceedings.mlr.press/v32/graves14.html; Hannun et al.
(2014), https://arxiv.org/abs/1408.2873
"""

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from heapq import nlargest

import numpy as np
import torch

from .ctc_resnet_bilstm import line_log_probabilities
from .ngram_resnet_bilstm import NGRAM_FILE, CharacterNgram, find_ngram

WITHOUT_NGRAM = {"lm_weight": 0.0, "length_bonus": 0.0, "word_bonus": 0.0}


@dataclass(frozen=True)
class BeamSettings:
    """How wide the beam is, and how its parts weigh.

    Args:
        lm_weight: Factor of the n-gram's log-probability; 0 leaves it out.
        length_bonus: Added for each character, against the n-gram's love of short texts.
        word_bonus: Added for each word that is in the n-gram's vocabulary.
        beam_width: Prefixes kept after each frame.
        beam_margin: A prefix this much worse than the best, in natural logarithm, is dropped too.
        min_probability: A character less probable than this in a frame does not begin there,
            unless it is the most probable.

    Raises:
        ValueError: A value is outside its range.
    """

    lm_weight: float = 0.5
    length_bonus: float = 0.8
    word_bonus: float = 0.0
    beam_width: int = 16
    beam_margin: float = 10.0
    min_probability: float = 1e-3

    def __post_init__(self):
        allowed = {
            "lm_weight": (self.lm_weight >= 0, "0 or more"),
            "beam_width": (self.beam_width >= 1, "1 or more"),
            "beam_margin": (self.beam_margin > 0, "more than 0"),
            "min_probability": (0 <= self.min_probability < 1, "at least 0 and below 1"),
        }
        for name, (holds, range_) in allowed.items():
            if not holds:
                raise ValueError(f"{name}={getattr(self, name)!r} is not allowed: use {range_}.")


@dataclass(frozen=True)
class Hypothesis:
    """A text that a line may read.

    Attributes:
        labels: Its label ids, without blanks.
        fused_score: What the search ranks by, a natural logarithm. Its first term sums the
            alignments that the search kept, so it is a little less than `ctc_log_probability`.
    """

    labels: list[int]
    fused_score: float


class BeamSearchDecoder:
    """Decodes lines one by one; what the n-gram was asked is remembered from line to line.

    Args:
        token_ids: Label id of each character.
        blank_id: Id of the CTC blank.
        ngram: The language model, or None to search without.
        settings: Options that replace the n-gram's own (`ngram.settings`), as `BeamSettings` has.

    Raises:
        ValueError: An option is unknown or outside its range.
    """

    def __init__(
        self,
        token_ids: Mapping[str, int],
        blank_id: int = 0,
        ngram: CharacterNgram | None = None,
        settings: Mapping[str, float] | None = None,
    ):
        check_settings(settings or {})
        defaults = WITHOUT_NGRAM if ngram is None else ngram.settings
        self.settings = BeamSettings(**{**defaults, **(settings or {})})
        if ngram is None and (self.settings.lm_weight > 0 or self.settings.word_bonus != 0):
            raise ValueError(
                "lm_weight and word_bonus need an n-gram, and none was given. Give one, or leave "
                "both at 0."
            )
        self.ngram = ngram
        self.blank_id = blank_id
        self.character_of = {id_: character for character, id_ in token_ids.items()}
        # What ends a word: any character that none contains.
        self._in_words = {id_ for c, id_ in token_ids.items() if c.isalpha() or c == "'"}
        tokens = ngram.token_of if ngram else {}
        self._tokens = {id_: tokens.get(character) for id_, character in self.character_of.items()}

    def decode(
        self, logits: np.ndarray | torch.Tensor, num_return_sequences: int = 1
    ) -> list[Hypothesis]:
        """The best texts of a line, best first.

        Args:
            logits: One line, `(frames, vocab_size)`.
            num_return_sequences: Most texts returned; there may be fewer.

        Raises:
            ValueError: `logits` is not two-dimensional, or no text is asked for.
        """
        if num_return_sequences < 1:
            raise ValueError(
                f"num_return_sequences={num_return_sequences} is not allowed: use 1 or more."
            )
        beam, log_scale = self._search(line_log_probabilities(logits).exp().numpy())
        hypotheses = [
            Hypothesis(prefix.labels(), log_scale + prefix.log_mass() + self._final_bonus(prefix))
            for prefix in beam
        ]
        hypotheses.sort(key=lambda hypothesis: -hypothesis.fused_score)
        return hypotheses[:num_return_sequences]

    def _search(self, probabilities: np.ndarray) -> tuple[list["_Prefix"], float]:
        """Prefixes alive after the last frame, and the logarithm their mass is to be scaled by."""
        settings, blank_id = self.settings, self.blank_id
        root = _Prefix(None, None, self.ngram.start if self.ngram else None, 0.0)
        root.ends_blank = 1.0
        beam, log_scale = [root], 0.0
        blanks = probabilities[:, blank_id].tolist()
        candidates = probabilities > settings.min_probability  # (frames, vocab_size)
        candidates[np.arange(len(candidates)), probabilities.argmax(axis=1)] = True
        candidates[:, blank_id] = False
        labels = [[] for _ in probabilities]
        for frame, id_ in zip(*candidates.nonzero(), strict=True):
            labels[frame].append(int(id_))
        for frame, row in enumerate(probabilities.tolist()):
            ids = labels[frame]
            if ids:
                beam, best = self._advance(beam, row, blanks[frame], ids)
            else:  # a blank for all: it separates letters and does nothing else
                best = blanks[frame]
                for prefix in beam:
                    prefix.ends_blank += prefix.ends_label
                    prefix.ends_label = 0.0
            log_scale += math.log(best)
        return beam, log_scale

    def _advance(
        self, beam: list["_Prefix"], row: list[float], blank: float, ids: list[int]
    ) -> tuple[list["_Prefix"], float]:
        """The beam after one more frame, and the mass that has become 1 in it.

        Args:
            row: The frame's probability of each label.
            blank: That of the blank.
            ids: The labels that may begin in this frame.
        """
        alive = {}  # in the order of arrival, so that equal scores keep it
        for prefix in beam:
            ends_blank, ends_label, last = prefix.ends_blank, prefix.ends_label, prefix.label
            total = ends_blank + ends_label
            prefix.next_blank += total * blank
            if last is not None:
                prefix.next_label += ends_label * row[last]
            alive[prefix] = None
            if prefix.children is None:
                prefix.children = {}
            children = prefix.children
            for id_ in ids:
                child = children.get(id_)
                if child is None:
                    child = children[id_] = self._extend(prefix, id_)
                # A letter after itself needs a blank between, else it is the same letter.
                child.next_label += row[id_] * (ends_blank if id_ == last else total)
                alive[child] = None
        best = 0.0
        for prefix in alive:
            prefix.ends_blank, prefix.ends_label = prefix.next_blank, prefix.next_label
            prefix.next_blank = prefix.next_label = 0.0
            best = max(best, prefix.ends_blank + prefix.ends_label)
        for prefix in alive:  # a share of the best, lest long lines vanish in the rounding
            prefix.ends_blank /= best
            prefix.ends_label /= best
            prefix.score = prefix.log_mass() + prefix.bonus
        kept = nlargest(self.settings.beam_width, alive, key=_score)
        worst = kept[0].score - self.settings.beam_margin
        return [prefix for prefix in kept if prefix.score >= worst], best

    def _extend(self, prefix: "_Prefix", id_: int) -> "_Prefix":
        """The prefix with one character more, and what the n-gram and the vocabulary say of it."""
        settings = self.settings
        if self.ngram is None:
            return _Prefix(prefix, id_, None, prefix.bonus + settings.length_bonus)
        log_probability, state = self.ngram.step(prefix.state, self._tokens.get(id_))
        bonus = prefix.bonus + settings.lm_weight * log_probability + settings.length_bonus
        child = _Prefix(prefix, id_, state, bonus)
        if settings.word_bonus:
            if id_ in self._in_words:
                child.word = prefix.word + self.character_of[id_]
            elif self._knows(prefix.word):
                child.bonus += settings.word_bonus
        return child

    def _final_bonus(self, prefix: "_Prefix") -> float:
        """A line ends where a word does: with what the space after it would add."""
        if self.ngram is None:
            return prefix.bonus
        space = self.ngram.token_of[" "]
        bonus = prefix.bonus + self.settings.lm_weight * self.ngram.step(prefix.state, space)[0]
        return bonus + self.settings.word_bonus if self._knows(prefix.word) else bonus

    def _knows(self, word: str) -> bool:
        return self.ngram.knows_word(word.strip("'"))

    def describe(self) -> dict:
        """The settings and the n-gram's fingerprint, for a report."""
        path = self.ngram.path if self.ngram else None
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if path else None
        return {**asdict(self.settings), "ngram_sha256": sha256}


def check_settings(names) -> None:
    """Raises ValueError for a name that is no setting of the beam search."""
    known = [field.name for field in fields(BeamSettings)]
    for name in names:
        if name not in known:
            raise ValueError(
                f"{name!r} is no setting of the beam search. It has {', '.join(known)}."
            )


def load_beam_decoder(
    model: str | os.PathLike,
    tokenizer,
    ngram: str | os.PathLike | None = None,
    revision: str | None = None,
    **settings: float,
) -> BeamSearchDecoder:
    """Decoder for a model, with the n-gram that lies beside it.

    Args:
        model: Folder or Hub id.
        tokenizer: The model's `ResNetBiLstmTokenizer`.
        ngram: Another n-gram file.
        revision: Commit of the Hub repository that the model was loaded from.
        **settings: As `BeamSettings`; `lm_weight=0` searches without an n-gram.

    Raises:
        FileNotFoundError: `ngram` is not there.
        ValueError: There is no n-gram beside the model, the file is none, or a setting is wrong.
    """
    check_settings(settings)
    model_ngram = None
    if settings.get("lm_weight") != 0:
        path = ngram or find_ngram(model, revision)
        if path is None:
            raise ValueError(
                f"decoder='beam' needs {NGRAM_FILE} beside the model, and {str(model)!r} has "
                "none. Give one with ngram=..., or search without by lm_weight=0."
            )
        model_ngram = CharacterNgram.load(path)
    return BeamSearchDecoder(tokenizer.get_vocab(), tokenizer.pad_token_id, model_ngram, settings)


class _Prefix:
    """A beginning of a text, with the probability mass of its alignments so far.

    `ends_blank` and `ends_label` are the shares of those whose last frame is a blank and of those
    whose last frame is the prefix's last label; `next_*` gather the same for the next frame.
    """

    __slots__ = (
        "bonus", "children", "ends_blank", "ends_label", "label", "next_blank", "next_label",
        "parent", "score", "state", "word",
    )  # fmt: skip

    def __init__(self, parent: "_Prefix | None", label: int | None, state, bonus: float):
        self.parent = parent
        self.label = label
        self.state = state
        self.bonus = bonus
        self.word = ""  # letters since the last character that is none
        self.children: dict[int, _Prefix] | None = None  # most prefixes never have any
        self.ends_blank = self.ends_label = self.next_blank = self.next_label = 0.0
        self.score = bonus

    def log_mass(self) -> float:
        mass = self.ends_blank + self.ends_label
        return math.log(mass) if mass > 0 else -math.inf

    def labels(self) -> list[int]:
        labels, prefix = [], self
        while prefix.parent is not None:
            labels.append(prefix.label)
            prefix = prefix.parent
        return labels[::-1]


def _score(prefix: _Prefix) -> float:
    return prefix.score


__all__ = [
    "BeamSearchDecoder",
    "BeamSettings",
    "Hypothesis",
    "check_settings",
    "load_beam_decoder",
]
