"""A BERT encoder-decoder that corrects recognised lines, behind a gate that keeps it harmless.

In: recognised texts, and of each, where there is an image, a function that tells how probable the
recogniser finds a text. Out: a `Correction` of each, with both texts and all edits.
The model writes the whole line anew; where it differs from what was recognised is an edit, in the
recogniser's spelling (`spelling`), and the gate takes or leaves each by itself (`gate`).
Whatever goes wrong, the recognised text stays.

BERT as encoder and decoder: Rothe et al. (2020), https://doi.org/10.1162/tacl_a_00313
"""

import copy
import math
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoTokenizer,
    EncoderDecoderModel,
    PreTrainedTokenizerBase,
)
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import cached_file

from ..resnet_bilstm.pipeline_resnet_bilstm import CORRECTOR_FOLDER
from .edits import Correction, Edit, apply_edits, edit_distance
from .encoding import (
    IGNORED,
    UNKNOWN,
    can_spell,
    decode_target,
    encode_lines,
    encode_targets,
    is_cased,
    pad,
)
from .gate import GATE_FILE, GateSettings
from .spelling import spelling_edits

MODEL_TYPE = "encoder-decoder"
MAX_PART = 128  # ids of a line that is corrected as one; correctors learn from lines shorter yet
# A corrected line may have this many times the ids of the recognised one, and some more.
GROWTH, EXTRA = 1.25, 8
MOST_CHANGED = 0.5  # of a part's characters; a text that differs more is no correction of it

Scorer = Callable[[str], float]


class BertCorrector:
    """Corrects recognised lines of text.

    Args:
        model: BERT on both sides.
        tokenizer: BERT's, cased or not.
        gate: Which edits are taken.
        batch_size: Lines at once.

    Raises:
        ValueError: The tokenizer is not BERT's, or has more ids than the model.

    Example:
        ```python
        correct = BertCorrector.from_pretrained("path/or/id", subfolder="corrector")
        correct("Tbe hause")  # 'The house'
        correct.correct(["Tbe hause"])[0].edits
        ```
    """

    def __init__(
        self,
        model: EncoderDecoderModel,
        tokenizer: PreTrainedTokenizerBase,
        gate: GateSettings | None = None,
        batch_size: int = 32,
    ) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.gate = gate or GateSettings()
        self.batch_size = batch_size
        _check_vocabulary(model, tokenizer)
        special_ids = {
            "decoder_start_token_id": tokenizer.cls_token_id,
            "eos_token_id": tokenizer.sep_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        }
        for name, id_ in special_ids.items():
            setattr(model.config, name, id_)
            setattr(model.generation_config, name, id_)
        # Weights may be stored as float16, which a CPU computes slowly.
        if model.device.type == "cpu" and model.dtype == torch.float16:
            model.float()
        self._is_cased = is_cased(tokenizer)
        positions = model.config.encoder.max_position_embeddings
        self._max_encoded = positions
        self._max_decoded = model.config.decoder.max_position_embeddings - 1
        self._max_part = min(
            MAX_PART, positions - 2, math.floor((self._max_decoded - EXTRA) / GROWTH)
        )

    @classmethod
    def from_pretrained(
        cls,
        folder_or_hub_id: str | os.PathLike,
        subfolder: str = "",
        revision: str | None = None,
        device: str | torch.device | None = None,
    ) -> "BertCorrector":
        """Load what `save_pretrained` wrote.

        Args:
            folder_or_hub_id: With the encoder-decoder, its tokenizer and perhaps `gate.json`.
            subfolder: Of it, where they are.
            revision: Branch, tag or commit on the Hub.
            device: To compute on; the CPU if None.

        Raises:
            OSError: There is no such folder or repository, or a file is missing in it.
            ValueError: It holds another kind of model, or the files do not fit together.
        """
        place = str(folder_or_hub_id)
        _check_folder(place, subfolder)
        where = {"subfolder": subfolder, "revision": revision}
        if cached_file(place, "config.json", **where) is None:  # known not to be there
            raise OSError(
                f"The repository {place} has no {Path(subfolder, 'config.json').as_posix()}. Give "
                "one that a corrector was pushed to, and its sub-folder."
            )
        config = AutoConfig.from_pretrained(place, **where)
        if config.model_type != MODEL_TYPE:
            raise ValueError(
                f"{_name(place, subfolder)} holds a model of the type {config.model_type!r}. A "
                f"corrector is one of the type {MODEL_TYPE!r}: give the folder that was saved with "
                "BertCorrector.save_pretrained."
            )
        model, loading = EncoderDecoderModel.from_pretrained(
            place, config=config, use_safetensors=True, output_loading_info=True, **where
        )
        if loading["missing_keys"]:
            missing = sorted(loading["missing_keys"])
            raise ValueError(
                f"The weights of {_name(place, subfolder)} lack {len(missing)} of the model's "
                f"tensors, such as {missing[0]}. Save the model again."
            )
        tokenizer = AutoTokenizer.from_pretrained(place, **where)
        gate = cached_file(place, GATE_FILE, _raise_exceptions_for_missing_entries=False, **where)
        return cls(model.to(device), tokenizer, GateSettings.load(gate) if gate else None)

    def save_pretrained(self, folder: str | os.PathLike) -> None:
        """Write model (safetensors), generation settings, tokenizer and gate into a folder."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        self.gate.save(Path(folder, GATE_FILE))

    def __call__(self, text: str) -> str:
        """The corrected text of one line."""
        return self.correct([text])[0].corrected

    def correct(
        self,
        texts: Sequence[str],
        scorers: Sequence[Scorer | None] | None = None,
        contexts: Sequence[str] | None = None,
    ) -> list[Correction]:
        """Correct lines.

        A line longer than the model can read is corrected in parts, cut between words. What the
        vocabulary cannot spell stays as it was recognised, and so does a line whose correction
        fails, never ends, or leaves less than half of it.

        Args:
            texts: Recognised lines.
            scorers: Of each line: text -> natural logarithm of its probability given the image;
                None where only the text is known.
            contexts: The recognised text before each line, such as the line above; `""` for none.

        Returns:
            One for each line, in their order.

        Raises:
            ValueError: `texts` is a single text, or the lists differ in length.
        """
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            raise ValueError("`texts` is a list of texts. Wrap a single one: [text].")
        for name, given in (("scorers", scorers), ("contexts", contexts)):
            if given is not None and len(given) != len(texts):
                raise ValueError(
                    f"{len(texts)} texts and {len(given)} {name} are given. Give one for each text."
                )
        edits: list[list[Edit]] = [[] for _ in texts]
        parts = [part for line in range(len(texts)) for part in self._parts(line, texts, contexts)]
        parts.sort(key=lambda part: len(part.text))  # little padding
        for start in range(0, len(parts), self.batch_size):
            batch = parts[start : start + self.batch_size]
            for part, of_part in zip(batch, self._edits_or_none(batch), strict=True):
                edits[part.line] += of_part
        return [
            self._gated(text, sorted(of_line, key=lambda edit: edit.start), scorer)
            for text, of_line, scorer in zip(
                texts, edits, scorers or [None] * len(texts), strict=True
            )
        ]

    def _parts(
        self, line: int, texts: Sequence[str], contexts: Sequence[str] | None
    ) -> Iterator["_Part"]:
        """A line as one part, or as few as can be read; none of a blank one."""
        text = texts[line]
        context = "" if contexts is None else contexts[line]
        words = list(re.finditer(r"\S+", text))
        if not words:
            return
        sizes = [len(ids) - 1 for ids in encode_targets(self.tokenizer, [w[0] for w in words])]
        first, size = 0, 0
        for index in range(len(words) + 1):
            is_full = index < len(words) and size + sizes[index] > self._max_part
            if index > first and (index == len(words) or is_full):
                start, end = words[first].start(), words[index - 1].end()
                if size <= self._max_part:
                    yield _Part(line, start, text[start:end], context)
                else:
                    warnings.warn(
                        f"A word of {end - start} characters is longer than the corrector can "
                        f"read and stays as it is: {text[start : start + 20]!r}...",
                        stacklevel=3,
                    )
                context = text[start:end] if contexts is not None else ""
                first, size = index, 0
            if index < len(words):
                size += sizes[index]

    def _edits_or_none(self, parts: list["_Part"]) -> list[list[Edit]]:
        """Scored edits of each part; none of one whose correction fails."""
        try:
            return self._edits(parts)
        except Exception as error:  # the text as it was read is worth more than no answer
            if len(parts) > 1:  # one part must not cost the others their correction
                return [edits for part in parts for edits in self._edits_or_none([part])]
            _warn_of_failure(parts[0].text, error)
            return [[]]

    @torch.inference_mode()
    def _edits(self, parts: list["_Part"]) -> list[list[Edit]]:
        encoded = encode_lines(
            self.tokenizer,
            [part.text for part in parts],
            [part.context for part in parts],
            self._max_encoded,
        )
        input_ids = pad(encoded, self.tokenizer.pad_token_id).to(self.model.device)
        mask = pad([[1] * len(ids) for ids in encoded], 0).to(self.model.device)
        hidden_states = self.model.get_encoder()(  # (batch, ids, hidden_size)
            input_ids=input_ids, attention_mask=mask
        ).last_hidden_state
        edits = [
            [] if proposed is None else self._edits_to(part.text, proposed)
            for part, proposed in zip(parts, self._proposals(hidden_states, mask), strict=True)
        ]
        return self._scored(parts, edits, hidden_states, mask)

    def _edits_to(self, text: str, proposed: str) -> list[Edit]:
        """The edits from a text to a proposed one that can be taken seriously."""
        edits = spelling_edits(text, proposed, self._is_cased)
        changed = sum(edit_distance(edit.old, edit.new) for edit in edits)
        if changed > MOST_CHANGED * len(text):
            return []
        return [
            edit
            for edit in edits
            if UNKNOWN not in edit.new and can_spell(self.tokenizer, edit.old)
        ]

    def _proposals(self, hidden_states: torch.Tensor, mask: torch.Tensor) -> list[str | None]:
        """What the model writes for each part; None where it found no end."""
        settings = copy.deepcopy(self.model.generation_config)
        settings.update(
            max_new_tokens=None,
            # With the id that it starts from.
            max_length=1 + min(self._max_decoded, math.ceil(mask.shape[1] * GROWTH) + EXTRA),
            num_return_sequences=1,
            return_dict_in_generate=False,
        )
        written = self.model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=hidden_states),
            attention_mask=mask,
            generation_config=settings,
        )
        return [decode_target(self.tokenizer, ids) for ids in written.tolist()]

    def _scored(
        self,
        parts: list["_Part"],
        edits: list[list[Edit]],
        hidden_states: torch.Tensor,
        mask: torch.Tensor,
    ) -> list[list[Edit]]:
        """The edits with the corrector's change in log-probability, and placed in their lines."""
        texts = [
            (row, text)
            for row, (part, of_part) in enumerate(zip(parts, edits, strict=True))
            if of_part
            for text in (part.text, *(apply_edits(part.text, [edit]) for edit in of_part))
        ]
        targets = encode_targets(self.tokenizer, [text for _, text in texts])
        log_probabilities: list[float] = []
        for start in range(0, len(texts), self.batch_size):
            rows = [row for row, _ in texts[start : start + self.batch_size]]
            log_probabilities += self._log_probabilities(
                targets[start : start + self.batch_size], hidden_states[rows], mask[rows]
            )
        remaining = iter(log_probabilities)
        scored = []
        for part, of_part in zip(parts, edits, strict=True):
            unchanged = next(remaining) if of_part else 0.0
            scored.append(
                [
                    replace(
                        edit,
                        start=part.start + edit.start,
                        end=part.start + edit.end,
                        corrector_change=next(remaining) - unchanged,
                    )
                    for edit in of_part
                ]
            )
        return scored

    def _log_probabilities(
        self, targets: list[list[int]], hidden_states: torch.Tensor, mask: torch.Tensor
    ) -> list[float]:
        """Natural logarithm of the probability of each target, given its line."""
        labels = pad(targets, IGNORED).to(self.model.device)  # (batch, ids)
        logits = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=hidden_states),
            attention_mask=mask,
            decoder_input_ids=self.model.prepare_decoder_input_ids_from_labels(labels),
            decoder_attention_mask=(labels != IGNORED).long(),
            use_cache=False,
        ).logits  # (batch, ids, vocab_size)
        losses = F.cross_entropy(
            logits.transpose(1, 2).float(), labels, ignore_index=IGNORED, reduction="none"
        )
        return (-losses.sum(dim=1)).tolist()

    def _gated(self, text: str, edits: list[Edit], scorer: Scorer | None) -> Correction:
        try:
            if edits and scorer is not None:
                before = scorer(text)
                edits = [
                    replace(edit, recogniser_change=scorer(apply_edits(text, [edit])) - before)
                    for edit in edits
                ]
            judged = tuple(self.gate.judge(edit) for edit in edits)
        except Exception as error:  # as above
            _warn_of_failure(text, error)
            return Correction(text, text)
        accepted = [edit for edit in judged if edit.accepted]
        return Correction(text, apply_edits(text, accepted), judged)


@dataclass(frozen=True)
class _Part:
    """Words of a line that are corrected as one.

    Attributes:
        line: Index of the line.
        start: Of the part in the line, in characters.
        text: As recognised.
        context: Text before it.
    """

    line: int
    start: int
    text: str
    context: str


def has_corrector(model: str | os.PathLike, revision: str | None = None) -> bool:
    """Whether a recogniser's folder or Hub repository has a corrector beside it."""
    try:
        return (
            cached_file(
                model,
                "config.json",
                subfolder=CORRECTOR_FOLDER,
                revision=revision,
                _raise_exceptions_for_missing_entries=False,
                _raise_exceptions_for_connection_errors=False,
            )
            is not None
        )
    except OSError:  # no such folder or repository
        return False


def load_corrector(
    model: str | os.PathLike,
    place: str | os.PathLike | None = None,
    device: str | torch.device | None = None,
) -> BertCorrector:
    """A corrector for a recogniser.

    Args:
        model: The recogniser's folder or Hub id.
        place: The corrector's; its sub-folder `corrector` if None.
        device: To compute on; the CPU if None.

    Raises:
        ValueError: There is none beside the recogniser.
        OSError, ValueError: As `BertCorrector.from_pretrained`.
    """
    if place is not None:
        return BertCorrector.from_pretrained(place, device=device)
    if not has_corrector(model):
        raise ValueError(
            f"The model {model} has no corrector beside it, in a sub-folder {CORRECTOR_FOLDER}. "
            "Name the folder or the Hub id of one: --corrector FOLDER_OR_ID."
        )
    return BertCorrector.from_pretrained(model, subfolder=CORRECTOR_FOLDER, device=device)


def _check_vocabulary(model: EncoderDecoderModel, tokenizer: PreTrainedTokenizerBase) -> None:
    names = ("cls_token", "sep_token", "pad_token", "unk_token")
    missing = [name for name in names if getattr(tokenizer, f"{name}_id", None) is None]
    if missing:
        raise ValueError(
            f"The tokenizer {type(tokenizer).__name__} has no {', '.join(missing)}. A corrector "
            "needs BERT's tokenizer."
        )
    sizes = {side: getattr(model.config, side).vocab_size for side in ("encoder", "decoder")}
    for side, size in sizes.items():
        if len(tokenizer) > size:
            raise ValueError(
                f"The tokenizer has {len(tokenizer)} ids and the {side} {size}. Load both from "
                "the same folder."
            )


def _check_folder(place: str, subfolder: str) -> None:
    """Complains of an incomplete folder; the library's own errors speak of the Hub."""
    if not os.path.isdir(place):
        if place.startswith((".", "~", os.sep)) or place.count("/") != 1:
            raise OSError(
                f"There is no folder {place}. Give a corrector's folder or a Hub id (user/name)."
            )
        return
    folder = Path(place, subfolder)
    if not folder.is_dir():
        raise OSError(f"There is no folder {folder}. Train a corrector, or name its folder.")
    missing = [] if (folder / "config.json").is_file() else ["config.json"]
    missing += [] if any(folder.glob("model*.safetensors")) else ["model.safetensors"]
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.txt")):
        missing.append("tokenizer.json")
    if missing:
        raise OSError(
            f"{folder} holds no complete corrector: {', '.join(missing)} is missing. Give the "
            "folder that was saved with BertCorrector.save_pretrained."
        )


def _name(place: str, subfolder: str) -> str:
    return f"{place}/{subfolder}" if subfolder else place


def _warn_of_failure(text: str, error: Exception) -> None:
    reason = " ".join(str(error).split()) or type(error).__name__
    warnings.warn(
        f"The correction of {text[:40]!r} failed, which stays as it was recognised: {reason}",
        stacklevel=2,
    )
