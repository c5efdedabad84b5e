"""How much of the test lines' wording stands in a corpus that an arm learned from.

In: the corpus as one text, and the test lines. Out: counts of shared runs of words. Long runs are
shared by copying and hardly by chance; a language model that has seen the test text looks better
than it is (Brown et al., 2020, appendix C, https://arxiv.org/abs/2005.14165).
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence

_WORD = re.compile(r"[^\W_]+")
_APOSTROPHES = re.compile("['’]")


def text_overlap(corpus_text: str, test_lines: Sequence[str], n: int = 7) -> dict:
    """Runs of `n` words of the test lines that occur in a corpus.

    Case and punctuation do not count: `Don't` is `dont`, `well-known` two words. A run does not
    go beyond its line.

    Args:
        corpus_text: The whole corpus; its words are read one after another.
        test_lines: True texts, one a line.
        n: Words in a run.

    Returns:
        `n`; `ngrams`, different runs in the test lines, and `shared`, those that the corpus has;
        `lines`, those of at least `n` words, `lines_touched`, those with a shared run, and
        `lines_contained`, those whose runs are all shared.

    Raises:
        ValueError: `n` is below 1.
    """
    if n < 1:
        raise ValueError(f"n={n} words are no run. Give 1 or more.")
    runs_by_line = [set(_runs(line, n)) for line in test_lines]
    runs_by_line = [runs for runs in runs_by_line if runs]
    wanted = set().union(*runs_by_line)
    # Only the test lines' runs are kept: those of a corpus would not fit into memory.
    shared = {run for run in _runs(corpus_text, n) if run in wanted}
    return {
        "n": n,
        "ngrams": len(wanted),
        "shared": len(shared),
        "lines": len(runs_by_line),
        "lines_touched": sum(not runs.isdisjoint(shared) for runs in runs_by_line),
        "lines_contained": sum(runs <= shared for runs in runs_by_line),
    }


def _runs(text: str, n: int) -> Iterator[tuple[str, ...]]:
    """All runs of `n` words, left to right."""
    latest: deque[str] = deque(maxlen=n)
    for word in _WORD.finditer(_APOSTROPHES.sub("", text.casefold())):
        latest.append(word[0])
        if len(latest) == n:
            yield tuple(latest)
