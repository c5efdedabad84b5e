"""An n-gram of a few sentences of the tests' own."""

from hwr_hf.language_model import clean_corpus, estimate_ngram

SENTENCES = """
The cat sat on the mat and the dog sat on the rug. Hello there, said the cat to the dog.
A house is a house, and a mouse is a mouse; the mouse lives in the house by the river.
"""


def save_ngram(path, settings=None):
    """Write a small n-gram and return its path."""
    ngram = estimate_ngram([clean_corpus("sentences", SENTENCES)], order=4, min_counts=(1,))
    ngram.settings = dict(settings or {"lm_weight": 0.5, "length_bonus": 0.5})
    ngram.save(path)
    return path
