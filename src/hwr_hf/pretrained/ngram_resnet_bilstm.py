"""Character n-gram language model in one safetensors file: how likely a text is as English.

In: `ngram.safetensors`, written by `hwr_hf.language_model`. Out: log-probabilities of characters
given those before them, one state at a time, as a beam search asks for them.

The n-grams form a trie stored level by level, so that the children of a node lie side by side and
a node is known by its number alone. A state is the longest stored context of what was read; where
a character never followed it, the model backs off to the context without its first character:
Katz (1987), https://doi.org/10.1109/TASSP.1987.1165125
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from transformers.utils import cached_file

NGRAM_FILE = "ngram.safetensors"  # its name beside a model
FORMAT = "character n-gram 1"
TENSORS = ("tokens", "num_children", "log_probabilities", "log_backoffs", "words")
ROOT = 0
MEMO_SIZE = 100_000  # steps remembered, about 20 MB


class CharacterNgram:
    """Backoff n-gram over characters, with the words that its corpora know.

    A text is taken to stand between spaces: the first character follows a space. Log-probabilities
    are natural, stored as float16.

    Args:
        characters: The alphabet; a character's token is its place in it. At most 255, the space
            among them.
        tokens: Last character of every node's n-gram, `(nodes,)` uint8. Node 0 is the root, its
            children are the single characters, then come the pairs and so on, each level sorted.
        num_children: How many longer n-grams begin with a node's, `(nodes,)` uint8; trailing zeros
            may be left out.
        log_probabilities: Of the last character given those before it, `(nodes,)`.
        log_backoffs: What the shorter context's log-probability gets added where a character does
            not follow, one for each node with children, in their order.
        words: Vocabulary for the decoder's word bonus, lower case but for names.
        settings: Defaults of the decoder, such as `{"lm_weight": 0.5}`.
        about: What it was made of, for the file's header.

    Raises:
        ValueError: The arrays do not describe a trie over the alphabet.
    """

    def __init__(
        self,
        characters: str,
        tokens: np.ndarray,
        num_children: np.ndarray,
        log_probabilities: np.ndarray,
        log_backoffs: np.ndarray,
        words: Sequence[str] = (),
        settings: Mapping[str, float] | None = None,
        about: Mapping | None = None,
    ):
        num_nodes = len(tokens)
        is_trie = (
            len(log_probabilities) == num_nodes == 1 + int(num_children.sum(dtype=np.int64))
            and len(num_children) <= num_nodes
            and len(log_backoffs) == np.count_nonzero(num_children)
            and tokens[1 : len(characters) + 1].tolist() == list(range(len(characters)))
        )
        if not is_trie or " " not in characters:
            raise ValueError(
                f"{num_nodes} nodes, {len(num_children)} child counts and {len(log_backoffs)} "
                f"backoffs are no n-grams over {len(characters)} characters with the space. "
                "Train the n-gram again."
            )
        self.characters = characters
        self.token_of = {character: token for token, character in enumerate(characters)}
        self.words = frozenset(words)
        self.settings = dict(settings or {})
        self.about = dict(about or {})
        self.path: Path | None = None  # where it was loaded from
        self._tokens = tokens.astype(np.uint8).tobytes()
        self._num_children = num_children.astype(np.uint8)
        self._log_probabilities = np.asarray(log_probabilities)  # a file's are float16, and stay so
        self._log_backoffs = np.zeros(num_nodes, self._log_probabilities.dtype)
        self._log_backoffs[: len(num_children)][num_children > 0] = log_backoffs
        self._first_child = np.full(num_nodes + 1, num_nodes, np.uint32)
        self._first_child[0] = 1
        np.cumsum(num_children, out=self._first_child[1 : len(num_children) + 1])
        self._first_child[1 : len(num_children) + 1] += 1
        self._shorter: dict[int, int] = {}  # state -> state of the context without its first
        self._steps: dict[int, tuple[float, int]] = {}  # 256 * state + token -> step
        # A character outside the alphabet is as unlikely as the rarest inside it.
        self.unknown_log_probability = float(self._log_probabilities[1 : len(characters) + 1].min())
        _, self.start = self.step(ROOT, self.token_of[" "])

    def __len__(self) -> int:
        """Number of n-grams of all orders."""
        return len(self._tokens) - 1

    @property
    def order(self) -> int:
        """Length of the longest n-gram, in characters."""
        order, first = 0, 1
        while first < len(self._tokens):
            order, first = order + 1, int(self._first_child[first])
        return order

    def step(self, state: int, token: int | None) -> tuple[float, int]:
        """Log-probability of the next character, and the state after it.

        Args:
            state: `start`, or what an earlier step returned.
            token: Place of the character in `characters`, None for one that is not in it.
        """
        if token is None:
            return self.unknown_log_probability, ROOT
        key = 256 * state + token
        step = self._steps.get(key)
        if step is None:
            step = self._step(state, token)
            if len(self._steps) >= MEMO_SIZE:
                self._steps.clear()
            self._steps[key] = step
        return step

    def _step(self, state: int, token: int) -> tuple[float, int]:
        first, end = self._first_child[state], self._first_child[state + 1]
        node = self._tokens.find(token, first, end)
        if state == ROOT:
            shorter_log_probability, shorter = 0.0, ROOT
        else:
            shorter_log_probability, shorter = self.step(self._shorter[state], token)
        if node < 0:
            return float(self._log_backoffs[state]) + shorter_log_probability, shorter
        log_probability = float(self._log_probabilities[node])
        if self._first_child[node] == self._first_child[node + 1]:
            return log_probability, shorter
        self._shorter[node] = shorter
        return log_probability, node

    def log_probability(self, text: str) -> float:
        """Natural log-probability of a text that follows a space, without that of its end."""
        total, state = 0.0, self.start
        for character in text:
            log_probability, state = self.step(state, self.token_of.get(character))
            total += log_probability
        return total

    def knows_word(self, word: str) -> bool:
        """Whether a word is in the vocabulary, as it stands or in lower case."""
        return word in self.words or word.lower() in self.words

    def save(self, path: str | Path) -> None:
        """Write the n-gram as one safetensors file."""
        num_internal = int(np.max(np.flatnonzero(self._num_children), initial=-1)) + 1
        num_children = self._num_children[:num_internal]
        words = "\n".join(sorted(self.words)).encode()
        tensors = {
            "tokens": np.frombuffer(self._tokens, np.uint8),
            "num_children": num_children,
            "log_probabilities": self._log_probabilities.astype(np.float16),
            "log_backoffs": self._log_backoffs[np.flatnonzero(num_children)].astype(np.float16),
            "words": np.frombuffer(words, np.uint8),
        }
        header = {"characters": self.characters, "settings": self.settings, "about": self.about}
        # One entry: several would be written in any order, and the file have any checksum.
        save_file(tensors, path, {FORMAT: json.dumps(header, sort_keys=True)})

    @classmethod
    def load(cls, path: str | os.PathLike) -> "CharacterNgram":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is no character n-gram, or a damaged one.
        """
        path = Path(path)
        needed = (
            f"Needed: an {NGRAM_FILE} as `python scripts/train_ngram.py` writes it (ARPA and "
            "KenLM files are not read)."
        )
        if not path.is_file():
            raise FileNotFoundError(f"There is no character n-gram {path}. {needed}")
        try:
            with safe_open(path, framework="np") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys() if name in TENSORS}
        except (SafetensorError, ValueError, OSError) as error:
            raise ValueError(f"{path} is no character n-gram: {error}. {needed}") from error
        if FORMAT not in metadata or tensors.keys() != set(TENSORS):
            raise ValueError(
                f"{path} is no character n-gram: its header does not say {FORMAT!r}. {needed}"
            )
        header = json.loads(metadata[FORMAT])
        words = tensors.pop("words").tobytes().decode()
        try:
            ngram = cls(**header, words=words.split("\n") if words else (), **tensors)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} is a damaged character n-gram: {error}") from error
        ngram.path = path
        return ngram


def find_ngram(model: str | os.PathLike, revision: str | None = None) -> str | None:
    """The n-gram's file beside a model, see `find_beside`."""
    return find_beside(model, NGRAM_FILE, revision)


def find_beside(model: str | os.PathLike, name: str, revision: str | None = None) -> str | None:
    """Path of a file beside a model, None where there is none.

    Args:
        model: Folder or Hub id.
        name: The file's.
        revision: Commit of the Hub repository that the model was loaded from.
    """
    if not str(model):
        return None
    try:
        return cached_file(
            model,
            name,
            revision=revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    except OSError:  # no such folder or repository
        return None


__all__ = ["NGRAM_FILE", "CharacterNgram", "find_beside", "find_ngram"]
