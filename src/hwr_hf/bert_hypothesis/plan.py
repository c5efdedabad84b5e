"""The arms that are compared, the planned comparisons and the rule that decides.

All of it was fixed before any arm read the test lines. Weights and thresholds of the arms come
from the validation lines.
"""

from dataclasses import dataclass

LOW_NOISE, HIGH_NOISE = "low noise", "high noise"
REGIMES = {
    LOW_NOISE: "the package's own model",
    HIGH_NOISE: "a small network trained briefly on half of the training writers",
}


@dataclass(frozen=True)
class Arm:
    """One way from the recogniser's output to a text.

    Attributes:
        name: As files, tables and figures call it.
        description: What it does, for the report.
        is_oracle: Looks at the true text: a bound, not a method.
    """

    name: str
    description: str
    is_oracle: bool = False


NONE = Arm("none", "the most probable label of each frame, nothing else")
BEAM = Arm("beam", "CTC prefix beam search without a language model")
CHAR_NGRAM = Arm("character n-gram", "beam search fused with a character n-gram")
LEXICON = Arm("lexicon", "beam search with a bonus for each word that the text knows")
SYMSPELL = Arm("SymSpell", "each unknown word replaced by its most frequent neighbour")
RANDOM = Arm("random init", "encoder-decoder trained from random weights, every edit taken")
RANDOM_GATED = Arm("random init, gated", "the same, edits taken by the gate")
BERT = Arm("BERT", "the same encoder-decoder begun from BERT, every edit taken")
BERT_GATED = Arm("BERT, gated", "the same, edits taken by the gate")
MASKED_LM = Arm("masked LM", "the beam's best texts ranked anew with BERT's pseudo-likelihood")
BERT_AFTER_NGRAM = Arm("BERT after n-gram", "gated BERT on the text of the character n-gram")
ORACLE_DETECTOR = Arm(
    "oracle: detector",
    "BERT's edits taken exactly where the text is wrong, good or bad",
    is_oracle=True,
)
ORACLE_NBEST = Arm("oracle: n-best", "the best of the beam's texts", is_oracle=True)

ARMS = (
    NONE,
    BEAM,
    CHAR_NGRAM,
    LEXICON,
    SYMSPELL,
    RANDOM,
    RANDOM_GATED,
    BERT,
    BERT_GATED,
    MASKED_LM,
    BERT_AFTER_NGRAM,
    ORACLE_DETECTOR,
    ORACLE_NBEST,
)


@dataclass(frozen=True)
class Comparison:
    """Whether an arm makes fewer word errors than another, and the question that this answers."""

    arm: Arm
    against: Arm
    question: str


COMPARISONS = (
    Comparison(BERT_GATED, NONE, "Does gated correction with BERT help at all?"),
    Comparison(BERT_GATED, RANDOM_GATED, "Is it BERT's knowledge that helps, behind the gate?"),
    Comparison(BERT, RANDOM, "Is it BERT's knowledge that helps, without a gate?"),
    Comparison(BERT_GATED, CHAR_NGRAM, "Does BERT help more than an n-gram of the same text?"),
    Comparison(BERT_AFTER_NGRAM, CHAR_NGRAM, "Does BERT add anything to the n-gram?"),
    Comparison(MASKED_LM, BEAM, "Does BERT rank the beam's texts better?"),
)
DECISIVE = (COMPARISONS[1], COMPARISONS[3])  # BERT helps in a regime if it wins both
DECISION_RULE = (
    "BERT helps in a regime if gated BERT makes fewer word errors on the test lines than gated "
    "random-init and than the character n-gram of the same text, each with a 95 % interval of the "
    "difference (paired bootstrap by writer) that excludes 0 and a p-value under 0.05 after Holm's "
    "correction over all planned comparisons."
)
