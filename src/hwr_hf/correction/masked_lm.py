"""How probable a text is to a masked language model: its pseudo-log-likelihood.

In: texts, such as the candidates of a recognised line. Out: of each the sum, over its word pieces,
of the log-probability of the piece given the others. `ranking` chooses a candidate by it.

The pieces after the one in question in the same word are hidden with it. Otherwise the pieces of
a misread word, "mor ##nl ##ng", would vouch for each other, and the rarest words seem likeliest.

Pseudo-log-likelihood: Salazar et al. (2020), https://aclanthology.org/2020.acl-main.240/
The rest of the word hidden too: Kauf & Ivanova (2023), https://aclanthology.org/2023.acl-short.80/
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import AutoConfig, AutoTokenizer, BertForMaskedLM, PreTrainedTokenizerBase

from .encoding import pad

MODEL_TYPE = "bert"
BATCH_PIECES = 4096  # pieces at once, padding counted


@dataclass(frozen=True)
class Pieces:
    """A text as BERT reads it.

    Attributes:
        ids: `[CLS] text [SEP]`.
        words: For each id the number of its word; None for `[CLS]` and `[SEP]`.
    """

    ids: tuple[int, ...]
    words: tuple[int | None, ...]

    @property
    def positions(self) -> list[int]:
        """Where the pieces of the text are."""
        return [place for place, word in enumerate(self.words) if word is not None]

    def hidden_positions(self, chosen: Collection[int]) -> list[int]:
        """The chosen positions, and all that come after one of them in the same word."""
        hidden: list[int] = []
        for place in self.positions:
            follows = bool(hidden) and hidden[-1] == place - 1
            if place in chosen or (follows and self.words[place] == self.words[place - 1]):
                hidden.append(place)
        return hidden

    def masked(self, hidden: Collection[int], mask_id: int) -> list[int]:
        """The ids with `mask_id` at the hidden positions."""
        return [mask_id if place in hidden else id_ for place, id_ in enumerate(self.ids)]


def split_into_pieces(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[Pieces]:
    """Word pieces of each text."""
    if not texts:  # which the tokenizer does not take
        return []
    # Text that happens to read "[MASK]" is text.
    encoded = tokenizer(list(texts), split_special_tokens=True, verbose=False)
    return [
        Pieces(tuple(ids), tuple(encoded.word_ids(row)))
        for row, ids in enumerate(encoded.input_ids)
    ]


def logits_at(
    model: BertForMaskedLM, where: torch.Tensor, input_ids: torch.Tensor, **inputs: torch.Tensor
) -> torch.Tensor:
    """Logits at some positions only: the head's vocabulary is the largest part of all computation.

    Args:
        model: With the head.
        where: Boolean, `(batch, length)`.
        input_ids: `(batch, length)`.
        **inputs: What else the encoder takes, such as `attention_mask`.

    Returns:
        `(positions, vocab_size)`, the batch's first row first.
    """
    hidden_states = model.bert(input_ids, **inputs).last_hidden_state  # (batch, length, hidden)
    return model.cls(hidden_states[where])


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, vocab_size: int) -> None:
    """Complains of a tokenizer that does not serve a BERT with `vocab_size` ids.

    Raises:
        ValueError: It lacks `[MASK]`, does not know words, or has more ids.
    """
    if tokenizer.mask_token_id is None or not tokenizer.is_fast:
        raise ValueError(
            f"The tokenizer {type(tokenizer).__name__} has no mask token or does not tell which "
            "pieces make a word. A masked language model needs BERT's (a folder with "
            "tokenizer.json)."
        )
    if len(tokenizer) > vocab_size:
        raise ValueError(
            f"The tokenizer has {len(tokenizer)} ids and the model {vocab_size}. Load both from "
            "the same folder."
        )


def check_model_type(place: str | os.PathLike) -> None:
    """Complains of a folder or Hub name with another model than a BERT.

    Raises:
        ValueError: It is of another type.
        OSError: There is no such model.
    """
    name = str(place)
    if not os.path.isdir(name) and (name.startswith((".", "~", os.sep)) or name.count("/") > 1):
        raise OSError(f"There is no folder {name}. Give a folder or a Hub name of a BERT.")
    model_type = AutoConfig.from_pretrained(place).model_type
    if model_type != MODEL_TYPE:
        raise ValueError(
            f"{place} is of type {model_type}, not {MODEL_TYPE}. Give a BERT such as "
            "bert-base-uncased."
        )


class MaskedLmScorer:
    """Tells how probable texts are.

    Args:
        model: BERT with its masked-LM head.
        tokenizer: BERT's, cased or not.
        batch_pieces: Most pieces at once, padding counted.

    Raises:
        ValueError: The tokenizer is not BERT's, or has more ids than the model.

    Example:
        ```python
        scorer = MaskedLmScorer.from_pretrained("runs/masked-lm")
        scorer.log_likelihoods(["in the morning", "in tbe morning"])  # the first is higher
        ```
    """

    def __init__(
        self,
        model: BertForMaskedLM,
        tokenizer: PreTrainedTokenizerBase,
        batch_pieces: int = BATCH_PIECES,
    ) -> None:
        check_tokenizer(tokenizer, model.config.vocab_size)
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.batch_pieces = batch_pieces

    @classmethod
    def from_pretrained(
        cls, folder_or_hub_id: str | os.PathLike, device: str | torch.device | None = None
    ) -> MaskedLmScorer:
        """Load model and tokenizer.

        Args:
            folder_or_hub_id: Such as what `scripts/train_masked_lm.py` left, or bert-base-uncased.
            device: To compute on; the CPU if None.

        Raises:
            OSError: There is no such folder or repository, or a file is missing in it.
            ValueError: It holds another kind of model, or one without a trained head.
        """
        check_model_type(folder_or_hub_id)
        model, loading = BertForMaskedLM.from_pretrained(
            folder_or_hub_id, dtype=torch.float32, output_loading_info=True
        )
        if missing := sorted(loading["missing_keys"]):
            raise ValueError(
                f"{folder_or_hub_id} has no weights for {', '.join(missing)}, so its answers would "
                "be random. Give a BERT with its masked-LM head, or train one: "
                "scripts/train_masked_lm.py."
            )
        tokenizer = AutoTokenizer.from_pretrained(folder_or_hub_id)
        return cls(model.to(device or "cpu"), tokenizer)

    @torch.inference_mode()
    def log_likelihoods(self, texts: Sequence[str]) -> list[float]:
        """Pseudo-log-likelihood of each text.

        Args:
            texts: In any order; what is the same in word pieces is computed once.

        Returns:
            Natural logarithms, in their order; 0.0 for a text without pieces. A longer text has a
            lower one, whatever it says.

        Raises:
            ValueError: `texts` is a single text, or one is longer than the model can read.
        """
        if isinstance(texts, str):
            raise ValueError("`texts` is a list of texts. Wrap a single one: [text].")
        encoded = split_into_pieces(self.tokenizer, texts)
        longest = self.model.config.max_position_embeddings
        for text, pieces in zip(texts, encoded, strict=True):
            if len(pieces.ids) > longest:
                raise ValueError(
                    f"A text of {len(pieces.ids)} word pieces is longer than the {longest} that "
                    f"the model can read: {text[:40]!r}... Give it in parts, such as its lines."
                )
        sums = dict.fromkeys(sorted(encoded, key=lambda pieces: len(pieces.ids)), 0.0)
        for batch in self._batches(sums):
            for question, log_probability in zip(batch, self._answers(batch), strict=True):
                sums[question.pieces] += log_probability
        return [sums[pieces] for pieces in encoded]

    def _batches(self, texts: Collection[Pieces]) -> Iterator[list[_Question]]:
        """A question for every piece of every text; the texts are sorted by length."""
        batch: list[_Question] = []
        for pieces in texts:
            for place in pieces.positions:
                if batch and (len(batch) + 1) * len(pieces.ids) > self.batch_pieces:
                    yield batch
                    batch = []
                batch.append(_Question(pieces, place))
        if batch:
            yield batch

    def _answers(self, questions: Sequence[_Question]) -> list[float]:
        """Log-probability of the piece that each question asks for."""
        mask_id = self.tokenizer.mask_token_id
        masked = [q.pieces.masked(q.pieces.hidden_positions([q.place]), mask_id) for q in questions]
        device = self.model.device
        input_ids = pad(masked, self.tokenizer.pad_token_id).to(device)  # (batch, length)
        attention_mask = pad([[1] * len(ids) for ids in masked], 0).to(device)
        places = torch.tensor([question.place for question in questions], device=device)
        where = torch.arange(input_ids.shape[1], device=device) == places[:, None]
        targets = torch.tensor([q.pieces.ids[q.place] for q in questions], device=device)
        logits = logits_at(self.model, where, input_ids, attention_mask=attention_mask)
        log_probabilities = logits.float().log_softmax(dim=-1)  # (batch, vocab_size)
        return log_probabilities.gather(1, targets[:, None])[:, 0].tolist()


@dataclass(frozen=True)
class _Question:
    """Which piece stands at `place`?"""

    pieces: Pieces
    place: int
