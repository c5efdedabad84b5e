"""Text <-> ids of a BERT encoder-decoder, the same in training and in use.

The encoder reads `[CLS] line [SEP]`, or with the lines before it `[CLS] context [SEP] line [SEP]`;
the decoder starts from `[CLS]` and writes `text [SEP]`.
"""

from collections.abc import Sequence

import torch
from transformers import PreTrainedTokenizerBase

IGNORED = -100  # pads labels; the losses of PyTorch and transformers leave it out
UNKNOWN = "\ufffd"  # what the model writes for a word that its vocabulary cannot spell


def encode_lines(
    tokenizer: PreTrainedTokenizerBase,
    lines: Sequence[str],
    contexts: Sequence[str] | None = None,
    max_length: int | None = None,
) -> list[list[int]]:
    """What the encoder reads.

    Args:
        tokenizer: Of BERT.
        lines: Recognised texts.
        contexts: The text before each line; `""` for none.
        max_length: Most ids of a line; a longer one loses the start of its context.

    Returns:
        Ids of each line.
    """
    line_ids = _ids(tokenizer, lines)
    context_ids = [[]] * len(lines) if contexts is None else _ids(tokenizer, contexts)
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    encoded = []
    for line, context in zip(line_ids, context_ids, strict=True):
        if max_length is not None:
            context = context[max(0, len(context) + len(line) + 3 - max_length) :]
        encoded.append([start, *context, *([end] if context else []), *line, end])
    return encoded


def encode_targets(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """What the decoder is to write: the labels of each text."""
    return [[*ids, tokenizer.sep_token_id] for ids in _ids(tokenizer, texts)]


def decode_target(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str | None:
    """The text of what the decoder wrote, `UNKNOWN` for what has no spelling.

    Returns:
        None where it never came to an end.
    """
    ids = list(ids)
    if tokenizer.sep_token_id not in ids:
        return None
    ids = ids[: ids.index(tokenizer.sep_token_id)]
    left_out = {tokenizer.cls_token_id, tokenizer.pad_token_id, tokenizer.mask_token_id}
    text = tokenizer.decode(
        [id_ for id_ in ids if id_ not in left_out], clean_up_tokenization_spaces=False
    )
    return text.replace(tokenizer.unk_token, UNKNOWN)


def can_spell(tokenizer: PreTrainedTokenizerBase, text: str) -> bool:
    """Whether the vocabulary has pieces for all of a text."""
    return tokenizer.unk_token_id not in _ids(tokenizer, [text])[0]


def is_cased(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the vocabulary tells capitals from small letters."""
    capital, small = _ids(tokenizer, ["A", "a"])
    return capital != small


def pad(sequences: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    """One tensor, `(sequences, longest)`, filled up on the right."""
    longest = max(map(len, sequences))
    return torch.tensor([[*ids, *[value] * (longest - len(ids))] for ids in sequences])


def _ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    if not texts:  # which the tokenizer does not take
        return []
    # Text that happens to read "[SEP]" is text.
    return tokenizer(
        list(texts), add_special_tokens=False, split_special_tokens=True, verbose=False
    ).input_ids
