"""Text <-> label ids, one id a character; decoding collapses a CTC path into its text.

In: text. Out: ids without start, end or other marks. Id 0 is the padding and the CTC blank, id 1
the visible mark of an unknown character, the characters follow in the order given.
Collapse: Graves et al. (2006), https://doi.org/10.1145/1143844.1143891
"""

import logging
from collections import Counter

from tokenizers import Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import TokenizersBackend

from .ctc_resnet_bilstm import ctc_collapse

logger = logging.getLogger(__name__)

# The space and the 78 characters that occur in the transcriptions of the IAM database.
DEFAULT_CHARACTERS = (
    " !\"#&'()*+,-./0123456789:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)


class ResNetBiLstmTokenizer(TokenizersBackend):
    """Character tokenizer of a CTC model.

    Args:
        characters: The alphabet; a character's id is its place plus 2.
        vocab: Token -> id, as read from a saved `tokenizer.json`; replaces `characters`.
        pad_token: Padding, and the CTC blank.
        unk_token: What a character outside the alphabet becomes in ids and in decoded text.

    Attributes:
        unknown_characters: How often each character outside the alphabet was met; a warning is
            given for the first.

    Raises:
        ValueError: `characters` names a character twice.

    >>> tokenizer = ResNetBiLstmTokenizer()
    >>> tokenizer.decode(tokenizer("hello").input_ids, group_tokens=False)
    'hello'
    """

    model = WordLevel
    model_input_names = ["input_ids"]
    padding_side = "right"

    def __init__(
        self,
        characters: str = DEFAULT_CHARACTERS,
        vocab: dict[str, int] | None = None,
        pad_token: str = "<pad>",
        unk_token: str = "\ufffd",
        **kwargs,
    ):
        twice = sorted(c for c, count in Counter(characters).items() if count > 1)
        if twice:
            raise ValueError(
                f"`characters` names {', '.join(map(repr, twice))} more than once; every character "
                "needs one id. Remove the repeats."
            )
        if vocab is None:
            vocab = {
                token: id_
                for id_, token in enumerate([str(pad_token), str(unk_token), *characters])
            }
        self._tokenizer = Tokenizer(WordLevel(vocab, unk_token=str(unk_token)))
        self._tokenizer.pre_tokenizer = Split(Regex(r"[\s\S]"), "isolated")
        self._tokenizer.decoder = Fuse()
        # Text that happens to read '<pad>' is text: it must not put a blank among the labels.
        kwargs["split_special_tokens"] = True
        kwargs.setdefault("clean_up_tokenization_spaces", False)
        super().__init__(pad_token=pad_token, unk_token=unk_token, **kwargs)
        self.unknown_characters: Counter[str] = Counter()
        self._known_characters = frozenset(self.get_vocab())

    def _encode_plus(self, text, *args, **kwargs):
        self._count_unknown(text)
        return super()._encode_plus(text, *args, **kwargs)

    def _count_unknown(self, text) -> None:
        """Add the characters outside the alphabet to `unknown_characters`; warn of the first."""
        if isinstance(text, (list, tuple)):
            for part in text:
                self._count_unknown(part)
            return
        unknown = Counter(c for c in text if c not in self._known_characters)
        if unknown and not self.unknown_characters:
            character = next(iter(unknown))
            logger.warning(
                f"Character {character!r} (U+{ord(character):04X}) in {text!r} is outside the "
                f"alphabet of {len(self)} ids and becomes {self.unk_token!r}. Further ones are "
                "counted in `tokenizer.unknown_characters` without a warning."
            )
        self.unknown_characters.update(unknown)

    def _decode(
        self,
        token_ids: int | list[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        group_tokens: bool = True,
        **kwargs,
    ) -> str:
        """Text of a CTC path, or with `group_tokens=False` of labels, whose repeats are letters.

        Padding, blanks and the loss's ignored labels (below 0) are dropped; an unknown character
        stays visible whatever `skip_special_tokens` says.
        """
        blank_id = self.pad_token_id  # looked up once: the library's lookup is slow
        ids = [token_ids] if isinstance(token_ids, int) else list(token_ids)
        if group_tokens:
            ids = ctc_collapse(ids, blank_id)
        ids = [id_ for id_ in ids if id_ != blank_id and id_ >= 0]
        return super()._decode(
            ids, clean_up_tokenization_spaces=clean_up_tokenization_spaces, **kwargs
        )


__all__ = ["DEFAULT_CHARACTERS", "ResNetBiLstmTokenizer"]
