"""Estimates the character n-gram of the beam search from text.

In: text files and the training lines of IAM, each with a weight. Out: a `CharacterNgram`, small
enough to ship beside a model.

Counts are interpolated by the method of Witten & Bell (1991), https://doi.org/10.1109/18.87000,
which takes weighted counts and keeps its quality when n-grams are pruned, as Kneser-Ney smoothing
does not (Chelba et al., 2010, https://doi.org/10.21437/Interspeech.2010-40). What is kept are the
n-grams whose loss would cost the corpora most, after Seymore & Rosenfeld (1996),
https://doi.org/10.1109/ICSLP.1996.607084
"""

from __future__ import annotations

import lzma
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .data.iam_files import HOW_TO_GET_IAM, read_ascii_files
from .data.iam_splits import read_split_lists
from .data.iam_text import form_id, natural_texts, parse_rows
from .resnet_bilstm.ngram_resnet_bilstm import CharacterNgram
from .resnet_bilstm.tokenization_resnet_bilstm import DEFAULT_CHARACTERS

BITS = 7  # a character in a key: at most 127 of them, and 0 for none
MAX_ORDER = 64 // BITS
CHUNK = 1 << 23  # characters counted at once, which bounds the memory
BYTES_PER_NODE, BYTES_PER_BACKOFF, HEADER_BYTES = 4, 2, 4096  # of the stored file

# IAM's lines have a single kind of quotation mark, and a free dash for any dash.
TYPOGRAPHY = {"‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "‐": "-"}
_DASH = re.compile(r"\s*(?:--+|—|–)\s*")
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*")


@dataclass
class Corpus:
    """A text to learn from.

    Attributes:
        name: For the report.
        text: Of the alphabet's characters alone, a single space between words.
        weight: Factor of its counts. Smaller ones for all corpora smooth more: the number of kinds
            that follow a context, which the counts are held against, is not weighted.
        dropped: How often each character outside the alphabet was left out.
    """

    name: str
    text: str
    weight: float = 1.0
    dropped: Counter[str] = field(default_factory=Counter)


def clean_corpus(
    name: str, text: str, weight: float = 1.0, characters: str = DEFAULT_CHARACTERS
) -> Corpus:
    """A corpus from any text: typography as in IAM, accents off, line ends as spaces.

    Raises:
        ValueError: Nothing is left, or the weight is not positive.
    """
    if not weight > 0:
        raise ValueError(f"The weight {weight} of {name} is not positive. Leave the corpus out.")
    text = "".join(TYPOGRAPHY.get(c, c) for c in _DASH.sub(" - ", text))
    counts = Counter(unicodedata.normalize("NFKD", text))
    dropped = Counter({c: n for c, n in counts.items() if c not in characters and not c.isspace()})
    keep = {ord(c): None for c in dropped}
    text = " ".join(unicodedata.normalize("NFKD", text).translate(keep).split())
    if not text:
        raise ValueError(
            f"The corpus {name} is empty: it has no character of the alphabet {characters!r}. "
            "Give a file of English text."
        )
    return Corpus(name, text, weight, dropped)


def read_corpus(
    path: str | Path, weight: float = 1.0, characters: str = DEFAULT_CHARACTERS
) -> Corpus:
    """A corpus from a file of UTF-8 text, `.txt` or packed `.txt.xz`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not text, or is empty.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no text file {path}. Give a .txt or .txt.xz file.")
    try:
        content = path.read_bytes()
        content = lzma.decompress(content) if path.suffix == ".xz" else content
        text = content.decode("utf-8")
    except (lzma.LZMAError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path} is no text: {error}. Give UTF-8 text, plain (.txt) or packed (.txt.xz)."
        ) from error
    return clean_corpus(path.name, text, weight, characters)


def iam_corpus(
    iam: str | Path,
    subset: str = "train",
    weight: float = 1.0,
    split: str = "aachen",
    characters: str = DEFAULT_CHARACTERS,
) -> Corpus:
    """The running text of IAM's lines of one subset, each text once.

    Several writers copied the same text; forms of one text share the id up to its last letter
    (`a01-000u`, `a01-000x`), and the longest is taken.

    Raises:
        FileNotFoundError: There is no `lines.txt`.
        ValueError: The subset is unknown or has no line.
    """
    files = read_ascii_files(Path(iam).expanduser(), ("lines.txt",))
    if "lines.txt" not in files:
        raise FileNotFoundError(f"No lines.txt in {iam}. {HOW_TO_GET_IAM}")
    rows = parse_rows(files["lines.txt"], "lines")
    texts = natural_texts(rows.values())
    ids_by_split = read_split_lists(Path(iam).expanduser(), split)
    if subset not in ids_by_split:
        raise ValueError(f"IAM has no subset {subset!r}, only {', '.join(ids_by_split)}.")
    forms: dict[str, list[str]] = {}
    for line in sorted(ids_by_split[subset]):
        if line in texts:
            forms.setdefault(form_id(line), []).append(texts[line])
    by_text: dict[str, str] = {}
    for form, lines in forms.items():
        key, text = form.rstrip("abcdefghijklmnopqrstuvwxyz"), " ".join(lines)
        by_text[key] = max(by_text.get(key, ""), text, key=len)
    return clean_corpus(f"IAM {split} {subset}", "\n".join(by_text.values()), weight, characters)


def estimate_ngram(
    corpora: Sequence[Corpus],
    order: int = 6,
    min_counts: Sequence[int] = (1, 1, 1, 3),
    max_megabytes: float = 5.0,
    num_words: int = 30_000,
    characters: str = DEFAULT_CHARACTERS,
) -> CharacterNgram:
    """Count, smooth and prune.

    Args:
        corpora: Texts over `characters`, with weights.
        order: Longest n-gram, in characters.
        min_counts: Fewest occurrences, unweighted and over all corpora, of an n-gram of order
            1, 2, ... that is kept; the last holds for all longer ones.
        max_megabytes: Size of the n-grams; the least useful are left out.
        num_words: Size of the vocabulary: the most frequent words, by weighted count.
        characters: The alphabet.

    Raises:
        ValueError: There is no corpus, or the order or the alphabet does not fit the keys.
    """
    if not corpora:
        raise ValueError("No corpus was given. Give IAM's folder, or a file of English text.")
    if not 1 <= order <= MAX_ORDER:
        raise ValueError(f"Order {order} was asked for; choose one from 1 to {MAX_ORDER}.")
    if len(characters) >= 1 << BITS:
        raise ValueError(f"The alphabet has {len(characters)} characters; 127 are the most.")
    levels = _smoothed_levels(_counts_by_order(corpora, order, characters), len(characters))
    for number, level in enumerate(levels):
        level.kept = level.counts >= min_counts[min(number, len(min_counts) - 1)]
    levels[0].kept[:] = True
    words = vocabulary(corpora, num_words)
    _prune(levels, max_megabytes * 1e6 - sum(len(word) + 1 for word in words) - HEADER_BYTES)
    ngram = _as_trie(levels, characters, words)
    ngram.about = {
        "corpora": {corpus.name: corpus.weight for corpus in corpora},
        "order": order,
        "min_counts": list(min_counts),
    }
    return ngram


def vocabulary(corpora: Sequence[Corpus], num_words: int, min_count: int = 3) -> list[str]:
    """The most frequent words, in lower case unless they occur mostly with capitals.

    Args:
        corpora: Texts, with weights.
        num_words: Most words.
        min_count: Fewest occurrences, unweighted.
    """
    occurrences, weights = Counter(), Counter()
    for corpus in corpora:
        counts = Counter(_WORD.findall(corpus.text))
        occurrences.update(counts)
        for word, count in counts.items():
            weights[word] += corpus.weight * count
    merged, common = Counter(), Counter()
    for word, weight in weights.items():
        # Sentences begin with capitals too: 'The' is the word 'the', 'London' is itself.
        form = word.lower() if weights[word.lower()] * 4 >= weight else word
        merged[form] += weight
        common[form] += occurrences[word]
    frequent = [word for word, _ in merged.most_common() if common[word] >= min_count]
    return sorted(frequent[:num_words])


def bits_per_character(ngram: CharacterNgram, text: str) -> float:
    """Cross-entropy of a text, its perplexity being 2 to its power."""
    return -ngram.log_probability(text) / len(text) / math.log(2)


def ngram_report(
    ngram: CharacterNgram,
    corpora: Sequence[Corpus],
    path: str | Path,
    validation: Corpus | None = None,
) -> dict:
    """What an n-gram was made of, its size, and how well it foretells a text it has not seen."""
    report = {
        **ngram.about,
        "ngrams": len(ngram),
        "words": len(ngram.words),
        "megabytes": round(Path(path).stat().st_size / 1e6, 3),
        "corpora": [
            {
                "name": corpus.name,
                "characters": len(corpus.text),
                "weight": corpus.weight,
                "dropped_characters": sum(corpus.dropped.values()),
            }
            for corpus in corpora
        ],
    }
    if validation is not None:
        bits = bits_per_character(ngram, validation.text)
        report |= {
            "validation": validation.name,
            "validation_characters": len(validation.text),
            "bits_per_character": round(bits, 4),
            "perplexity": round(2**bits, 3),
        }
    return report


@dataclass
class _Level:
    """All n-grams of one order, sorted by key; every field an array of shape `(ngrams,)`."""

    keys: np.ndarray  # the characters, 7 bits each, the first one highest; 0 stands for none
    counts: np.ndarray  # unweighted
    weights: np.ndarray  # weighted counts
    parents: np.ndarray  # index, one order lower, of the n-gram without its last character
    suffixes: np.ndarray  # ... and without its first
    probabilities: np.ndarray  # of the last character given the others
    shares: np.ndarray  # what the context leaves to its shorter one
    kept: np.ndarray


def _counts_by_order(
    corpora: Sequence[Corpus], order: int, characters: str
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Sorted keys, counts and weighted counts of the n-grams of order 1 to `order`."""
    keys, counts, weights = np.empty(0, np.uint64), np.empty(0), np.empty(0)
    for corpus in corpora:
        ids = _encode(corpus.text, characters)
        ids = np.concatenate((ids, np.zeros(order - 1, np.uint8)))
        num_starts = len(ids) - order + 1
        for start in range(0, num_starts, CHUNK):
            end = min(start + CHUNK, num_starts)
            windows = np.zeros(end - start, np.uint64)
            for place in range(order):
                windows = windows << np.uint64(BITS) | ids[start + place : end + place]
            found, found_counts = np.unique(windows, return_counts=True)
            keys, counts, weights = _merge(
                np.concatenate((keys, found)),
                np.concatenate((counts, found_counts)),
                np.concatenate((weights, corpus.weight * found_counts)),
            )
    by_order = []
    for _ in range(order):
        whole = keys & np.uint64((1 << BITS) - 1) > 0  # shorter ones end the corpus
        by_order.insert(0, (keys[whole], counts[whole], weights[whole]))
        keys, counts, weights = _merge_sorted(keys >> np.uint64(BITS), counts, weights)
    return by_order


def _encode(text: str, characters: str) -> np.ndarray:
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    table = np.zeros(max(map(ord, characters)) + 1, np.uint8)
    table[[ord(c) for c in characters]] = np.arange(1, len(characters) + 1)
    return table[codes]


def _merge(keys, counts, weights):
    order = np.argsort(keys, kind="stable")
    return _merge_sorted(keys[order], counts[order], weights[order])


def _merge_sorted(keys, counts, weights):
    """Equal keys as one, their counts summed."""
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return keys[starts], np.add.reduceat(counts, starts), np.add.reduceat(weights, starts)


def _smoothed_levels(by_order, num_characters: int) -> list[_Level]:
    """Witten & Bell: a context's new characters share the mass of as many events as it had kinds.

    p(w | h) = (c(hw) + t(h) p(w | h')) / (c(h) + t(h)), with t(h) the number of different
    characters seen after h and h' the context without its first character.
    """
    # All characters are there at the first level, and nothing before them.
    keys, counts, weights = by_order[0]
    every = np.arange(1, num_characters + 1, dtype=np.uint64)
    present = keys.astype(int) - 1
    all_counts, all_weights = np.zeros(num_characters), np.zeros(num_characters)
    all_counts[present], all_weights[present] = counts, weights
    by_order = [(every, all_counts, all_weights), *by_order[1:]]

    levels: list[_Level] = []
    shorter_probabilities = np.full(1, 1 / num_characters)
    for number, (keys, counts, weights) in enumerate(by_order):
        if number == 0:
            parents = suffixes = np.zeros(len(keys), int)
        else:
            parents = np.searchsorted(levels[-1].keys, keys >> np.uint64(BITS))
            mask = np.uint64((1 << BITS * number) - 1)
            suffixes = np.searchsorted(levels[-1].keys, keys & mask)
        kinds = np.bincount(parents, weights=counts > 0)[parents]
        totals = np.bincount(parents, weights=weights)[parents]
        shares = kinds / (totals + kinds)
        probabilities = weights / (totals + kinds) + shares * shorter_probabilities[suffixes]
        kept = np.ones(len(keys), bool)
        levels.append(_Level(keys, counts, weights, parents, suffixes, probabilities, shares, kept))
        shorter_probabilities = probabilities
    return levels


def _prune(levels: list[_Level], max_bytes: float) -> None:
    """Keep what fits, by the corpora's log-likelihood lost where an n-gram is left out."""
    # Leaving an n-gram out takes those that begin with it along: it is worth its best one.
    worth_of_children = [np.zeros(len(level.keys)) for level in levels]
    worths = [np.full(len(levels[0].keys), np.inf)]
    for number in range(len(levels) - 1, 0, -1):
        level, shorter = levels[number], levels[number - 1]
        backed_off = level.shares * shorter.probabilities[level.suffixes]
        loss = level.weights * np.log(level.probabilities / backed_off)
        worth = np.maximum(np.where(level.kept, loss, 0), worth_of_children[number])
        np.maximum.at(worth_of_children[number - 1], level.parents, worth)
        worths.insert(1, worth)

    def size(threshold: float) -> int:
        num_nodes = sum(np.count_nonzero(worth > threshold) for worth in worths)
        num_contexts = sum(np.count_nonzero(worth > threshold) for worth in worth_of_children)
        return BYTES_PER_NODE * num_nodes + BYTES_PER_BACKOFF * num_contexts

    low, high = 0.0, max(float(worth.max(initial=0)) for worth in worth_of_children)
    if size(low) <= max_bytes:
        high = low
    for _ in range(40 if high else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if size(middle) > max_bytes else (low, middle)
    for level, worth in zip(levels, worths, strict=True):
        level.kept = worth > high


def _as_trie(levels: list[_Level], characters: str, words: list[str]) -> CharacterNgram:
    """Number what is kept level by level, and give every context the backoff that sums to 1."""
    tokens, num_children, log_probabilities, log_backoffs = [[0]], [], [[0.0]], []
    shorter = np.zeros(1)  # probabilities one order lower, as the pruned n-gram gives them
    contexts = np.zeros(1, int)
    for level in levels:
        kept = np.flatnonzero(level.kept)
        backed_off = shorter[level.suffixes]
        parents = level.parents[kept]
        children = np.bincount(parents, minlength=len(shorter))
        left = 1 - np.bincount(parents, level.probabilities[kept], len(shorter))
        left_shorter = 1 - np.bincount(parents, backed_off[kept], len(shorter))
        # Where every character follows, nothing is left and the backoff is never asked for.
        backoffs = np.maximum(left, 1e-12) / np.maximum(left_shorter, 1e-12)
        tokens.append((level.keys[kept] & np.uint64((1 << BITS) - 1)).astype(int) - 1)
        log_probabilities.append(np.log(level.probabilities[kept]))
        num_children.append(children[contexts])
        log_backoffs.append(np.log(backoffs[contexts][children[contexts] > 0]))
        shorter = np.where(level.kept, level.probabilities, backoffs[level.parents] * backed_off)
        contexts = kept
    return CharacterNgram(
        characters,
        np.concatenate(tokens).astype(np.uint8),
        np.concatenate(num_children).astype(np.uint8),
        np.concatenate(log_probabilities).astype(np.float16),
        np.concatenate(log_backoffs).astype(np.float16),
        words,
    )
