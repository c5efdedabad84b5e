"""The study's page: whether BERT helps in each regime, and all numbers behind the answer.

In: `results.json` as one object. Out: Markdown. What a partial run lacks is left out and named.

    data: name, split, validation_lines, test_lines, test_writers
    text: corpora [{name, words}]; overlap [{corpus, and the counts of `text_overlap`}]
    regimes: by name, {recogniser {description, parameters, validation_cer, ...},
        arms {by name, `measure_arm`'s numbers on the test lines and perhaps settings {...}},
        validation_arms {the same on the validation lines}}
    comparisons: [{regime, arm, against, question, difference, interval, p_value, p_holm}]
    verdicts: from `statistics.verdicts`
    correctors: how they were trained, {bert, steps, seeds [...], pairs_seen, ...}
    examples: by regime, what `examples` returns
"""

from collections.abc import Iterable, Mapping, Sequence

from .plan import (
    ARMS,
    BERT_GATED,
    COMPARISONS,
    DECISION_RULE,
    DECISIVE,
    NONE,
    ORACLE_DETECTOR,
    ORACLE_NBEST,
    REGIMES,
)
from .statistics import is_lost, is_won

FIGURE = "word_errors.png"
ANSWERS = {True: "yes, BERT helps", False: "no, BERT does not help", None: "not decided"}


def report_page(results: Mapping) -> str:
    """The page as Markdown.

    Args:
        results: In the form that the module's docstring gives.
    """
    parts = [
        _head(results),
        "## Verdict\n" + _verdict(results),
        *(_regime(results, name) for name in results["regimes"]),
        _comparisons(results),
        _text(results),
        _training(results),
        _examples(results),
        "## What would change the result\n" + _limits(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(results: Mapping) -> str:
    data = results["data"]
    lines = [
        "# Does BERT help handwriting recognition?",
        "A BERT encoder-decoder corrects what a recogniser has read. Two recognisers, one that "
        "reads well and one that reads badly, are each followed by the same ways of correction, "
        "the arms: none, other language models from the same text, and BERT in several places. "
        "Arms, comparisons and the rule that decides were fixed before any arm read the test "
        "lines.\n",
        f"- Data: {data['name']}, split `{data['split']}`: {data['test_lines']:,} test lines of "
        f"{data['test_writers']:,} writers. Weights and thresholds were chosen on "
        f"{data['validation_lines']:,} validation lines.",
        "- CER: edits over reference characters; WER: the same over words split on spaces, upper "
        "and lower case as they are. Both are pooled over the lines and averaged over the seeds. "
        "In brackets: 95 % interval of a bootstrap by writer.",
    ]
    missing = _missing(results)
    if missing:
        lines.append(f"- **Not complete**: there is no {'; no '.join(missing)}.")
    return "\n".join(lines)


def _missing(results: Mapping) -> list[str]:
    """What was planned and is not there."""
    missing = [f"regime `{name}`" for name in REGIMES if name not in results["regimes"]]
    for name, regime in results["regimes"].items():
        arms = [f"`{arm.name}`" for arm in ARMS if arm.name not in regime["arms"]]
        if arms:
            missing.append(f"arm {', '.join(arms)} with {name}")
    num_missing = _num_comparisons_missing(results)
    if num_missing > 0:
        missing.append(f"{num_missing} of {len(COMPARISONS) * len(REGIMES)} comparisons")
    return missing


def _verdict(results: Mapping) -> str:
    verdicts = results.get("verdicts", ())
    lines = [f"The rule: {DECISION_RULE}\n"]
    if not verdicts:
        lines.append("No verdict: the comparisons were not made.")
    for verdict in verdicts:
        name = verdict["regime"]
        recogniser = f"{REGIMES[name]}; " if name in REGIMES else ""
        lines.append(
            f"- **With {name}: {ANSWERS[verdict['bert_helps']]}** ({recogniser}"
            f"{_test_lines(results)})."
        )
        lines += [f"  - {reason}" for reason in verdict["reasons"]]
        lines += _gain_over_nothing(results, name)
    if any(verdict["bert_helps"] is False for verdict in verdicts):
        lines.append(
            "\nA difference that is not settled is no proof of equality: the test lines cannot "
            "tell it from chance."
        )
    if verdicts and _num_comparisons_missing(results):
        lines.append(
            "\nProvisional: comparisons are missing, and with all of them Holm's correction is "
            "stricter."
        )
    return "\n".join(lines)


def _gain_over_nothing(results: Mapping, regime: str) -> list[str]:
    """What the rule does not ask: whether gated BERT is better than no correction."""
    for entry in results.get("comparisons", ()):
        if (entry["regime"], entry["arm"], entry["against"]) == (
            regime,
            BERT_GATED.name,
            NONE.name,
        ):
            low, high = (100 * end for end in entry["interval"])
            outcome = "not settled"
            if is_won(entry):
                outcome = "it does help"
            elif is_lost(entry):
                outcome = "it harms"
            return [
                f"  - Beside no correction at all, {outcome}: {100 * entry['difference']:+.2f} "
                f"points of WER ({low:+.2f} to {high:+.2f})."
            ]
    return []


def _num_comparisons_missing(results: Mapping) -> int:
    return len(COMPARISONS) * len(REGIMES) - len(results.get("comparisons", ()))


def _regime(results: Mapping, name: str) -> str:
    regime = results["regimes"][name]
    num_validation = results["data"]["validation_lines"]
    validation = regime.get("validation_arms", {})
    rows = []
    for arm in ARMS:
        if arm.name not in regime["arms"]:
            continue
        measured = regime["arms"][arm.name]
        rows.append(
            [
                f"*{arm.name}*" if arm.is_oracle else arm.name,
                arm.description,
                _rate(measured, "cer"),
                _rate(measured, "wer"),
                f"{measured['word_accuracy']:.2%}",
                f"{measured['words_repaired']:.1f}",
                f"{measured['words_broken']:.1f}",
                _spread(measured["seeds"]),
                f"{validation[arm.name]['wer']:.2%}" if arm.name in validation else "",
            ]
        )
    header = [
        "arm",
        "what it does",
        "CER",
        "WER",
        "words right",
        "words repaired",
        "words broken",
        "WER of the seeds",
        f"WER, {num_validation:,} validation lines",
    ]
    return (
        f"## With {name}\nThe recogniser: {_recogniser(regime.get('recogniser', {}))}.\n\n"
        f"{_test_lines(results)}, but for the last column. Repaired: wrong in `none` and right "
        "here; broken: the reverse; both a mean over the seeds. Arms in italics look at the true "
        "text: bounds, not methods.\n\n" + _table(header, rows)
    )


def _comparisons(results: Mapping) -> str:
    comparisons = results.get("comparisons", ())
    if not comparisons:
        return ""
    deciding = {(planned.arm.name, planned.against.name) for planned in DECISIVE}
    rows = []
    for entry in comparisons:
        low, high = (100 * end for end in entry["interval"])
        pair = f"{entry['arm']} against {entry['against']}"
        is_deciding = (entry["arm"], entry["against"]) in deciding
        rows.append(
            [
                entry["regime"],
                entry["question"],
                f"**{pair}**" if is_deciding else pair,
                f"{100 * entry['difference']:+.2f} ({low:+.2f} to {high:+.2f})",
                f"{entry['p_value']:.4f}",
                f"{entry['p_holm']:.4f}",
                "yes" if is_won(entry) else "the other way round" if is_lost(entry) else "open",
            ]
        )
    header = ["regime", "question", "arms", "points of WER", "p", "p after Holm", "answer"]
    return (
        f"## Planned comparisons\n{_test_lines(results)}. Points of WER by which the first arm "
        "differs from the second: negative means fewer errors. Intervals and p-values: paired "
        f"bootstrap by writer; Holm's correction over these {len(rows)} comparisons. Those in "
        "bold decide.\n\n" + _table(header, rows)
    )


def _text(results: Mapping) -> str:
    text = results.get("text", {})
    parts = []
    if text.get("corpora"):
        rows = [[corpus["name"], f"{corpus['words']:,}"] for corpus in text["corpora"]]
        parts.append("What n-gram, lexicon and correctors learn from.\n")
        parts.append(_table(["corpus", "words"], rows))
    if text.get("overlap"):
        rows = [
            [
                entry["corpus"],
                str(entry["n"]),
                f"{entry['shared']:,} of {entry['ngrams']:,}",
                f"{entry['lines_touched']:,} of {entry['lines']:,}",
                f"{entry['lines_contained']:,}",
            ]
            for entry in text["overlap"]
        ]
        header = ["corpus", "words a run", "runs shared", "lines with a shared run", "all shared"]
        parts.append(
            f"\nRuns of words of the test lines that occur in each corpus ({_test_lines(results)}; "
            "shorter lines than a run are left out; case and punctuation do not count).\n"
        )
        parts.append(_table(header, rows))
    return "\n".join(["## Text", *parts]) if parts else ""


def _training(results: Mapping) -> str:
    lines = []
    correctors = results.get("correctors", {})
    if correctors:
        lines.append(
            "BERT and random init are trained alike but for the weights they begin with.\n"
        )
        lines += [f"- {_words(name)}: {_value(value)}" for name, value in correctors.items()]
        if correctors.get("seeds") == 1:
            lines.append(
                "- One seed only, for want of computing time. How much the seed matters is not "
                "known."
            )
    chosen = [
        [regime_name, arm.name, _pairs(regime["arms"][arm.name]["settings"])]
        for regime_name, regime in results["regimes"].items()
        for arm in ARMS
        if regime["arms"].get(arm.name, {}).get("settings")
    ]
    if chosen:
        data = results["data"]
        lines.append(
            f"\nChosen on {data['name']}, {data['validation_lines']:,} validation lines:\n"
        )
        lines.append(_table(["regime", "arm", "settings"], chosen))
    return "\n".join(["## How it was trained", *lines]) if lines else ""


def _examples(results: Mapping) -> str:
    parts = []
    for regime, lines_by_kind in results.get("examples", {}).items():
        for kind, lines in lines_by_kind.items():
            title = f"### Words {kind}, {regime}\n"
            rows = [
                [_code(line[key]) for key in ("true", "recognised", "corrected")] for line in lines
            ]
            shown = _table(["true", "recognised", "corrected"], rows) if rows else "None."
            parts.append(title + shown)
    if not parts:
        return ""
    note = (
        "## Examples\nSentences of the project's own with the recogniser's errors drawn at random, "
        "not lines of IAM, which may not be passed on. They are corrected without an image, the "
        "first that came up are shown, and they count in no table."
    )
    return "\n\n".join([note, *parts])


def _limits(results: Mapping) -> str:
    where = _test_lines(results)
    lines = [
        "- **More writers.** A difference smaller than about half of an interval's width cannot be "
        "seen."
    ]
    widths = [
        100 * (entry["interval"][1] - entry["interval"][0]) / 2
        for entry in results.get("comparisons", ())
    ]
    if widths:
        lines[0] += f" Here that is {min(widths):.2f} to {max(widths):.2f} points of WER ({where})."
    for name, regime in results["regimes"].items():
        lines += _headroom(name, regime["arms"], where)
    lines += [
        "- **Another BERT, or more training.** A larger one, more pairs or more steps may know "
        "more; the answer is for the correctors described above.",
        "- **Known text.** What BERT was pre-trained on is not at hand and was not searched for "
        "the test lines. Had it held them, that would flatter BERT.",
        "- **Random init, given time.** From random weights an encoder-decoder learns later to "
        "copy a line. As long as its validation CER above is far over that of BERT, the comparison "
        "says that BERT saves training, not that it cannot be replaced.",
        "- **Other writing.** One data set, one language, single lines: other hands, periods or "
        "whole pages may answer otherwise.",
    ]
    return "\n".join(lines) + f"\n\n![WER of every arm with its interval]({FIGURE})"


def _headroom(regime: str, arms: Mapping, where: str) -> list[str]:
    """How far the oracles are from gated BERT."""
    if BERT_GATED.name not in arms:
        return []
    wer = arms[BERT_GATED.name]["wer"]
    said = {
        ORACLE_DETECTOR: "**A better gate.** Were BERT's edits taken exactly where the text is "
        "wrong",
        ORACLE_NBEST: "**A better choice among the beam's texts.** Were the best always taken",
    }
    return [
        f"- {start}, with {regime}, WER would be {arms[arm.name]['wer']:.2%}, against {wer:.2%} of "
        f"gated BERT ({where})."
        for arm, start in said.items()
        if arm.name in arms
    ]


def _test_lines(results: Mapping) -> str:
    data = results["data"]
    return f"{data['name']}, {data['test_lines']:,} test lines"


def _rate(measured: Mapping, rate: str) -> str:
    low, high = measured[f"{rate}_interval"]
    return f"{measured[rate]:.2%} ({low:.2%} to {high:.2%})"


def _spread(seeds: Sequence[Mapping]) -> str:
    """From the lowest to the highest; nothing where there is one only."""
    rates = [seed["wer"] for seed in seeds]
    return f"{min(rates):.2%} to {max(rates):.2%}" if len(rates) > 1 else ""


def _recogniser(recogniser: Mapping) -> str:
    facts = {name: value for name, value in recogniser.items() if name != "description"}
    described = [recogniser["description"]] if "description" in recogniser else []
    return "; ".join([*described, *([_pairs(facts)] if facts else [])]) or "not described"


def _pairs(values: Mapping) -> str:
    return "; ".join(
        f"{_words(name)} {f'{value:.2%}' if name.endswith(('cer', 'wer')) else _value(value)}"
        for name, value in values.items()
    )


def _words(name: str) -> str:
    """A key as words: `validation CER`."""
    rates = {"cer": "CER", "wer": "WER", "bert": "BERT"}
    return " ".join(rates.get(word, word) for word in name.split("_"))


def _value(value) -> str:
    if isinstance(value, Mapping):
        return f"({_pairs(value)})"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_value, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _code(text: str) -> str:
    """As code in a table: a bar would end the cell, a backtick the code."""
    return f"`{text.replace('|', chr(92) + '|').replace('`', chr(39))}`"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
