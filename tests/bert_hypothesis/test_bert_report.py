"""The page says what the numbers say, and what is missing."""

import copy

import pytest

from hwr_hf.bert_hypothesis.plan import ARMS, BERT_GATED, COMPARISONS, NONE, REGIMES
from hwr_hf.bert_hypothesis.report import FIGURE, report_page
from hwr_hf.bert_hypothesis.statistics import verdicts

LINES = "IAM subset, 681 test lines"

TRAINED = ("random init", "BERT", "oracle: detector")  # arms of several seeds begin so


def arm(wer, num_seeds):
    return {
        "cer": wer / 3,
        "cer_interval": [wer / 3 - 0.01, wer / 3 + 0.01],
        "wer": wer,
        "wer_interval": [wer - 0.02, wer + 0.02],
        "word_accuracy": 1 - wer,
        "words_repaired": 12.0,
        "words_broken": 3.5,
        "seeds": [{"cer": wer / 3, "wer": wer + 0.001 * seed} for seed in range(num_seeds)],
        "settings": {"beam_width": 8, "weight": 0.35},
    }


def results(points=-1.0):
    """All arms of both regimes; the first of every pair differs by so many points of WER."""
    arms = {a.name: arm(0.2, 3 if a.name.startswith(TRAINED) else 1) for a in ARMS}
    comparisons = [
        {
            "regime": regime,
            "arm": c.arm.name,
            "against": c.against.name,
            "question": c.question,
            "difference": points / 100,
            "interval": [(points - 0.5) / 100, (points + 0.5) / 100],
            "p_value": 0.001,
            "p_holm": 0.012,
        }
        for regime in REGIMES
        for c in COMPARISONS
    ]
    return {
        "data": {
            "name": "IAM subset",
            "split": "aachen",
            "validation_lines": 327,
            "test_lines": 681,
            "test_writers": 41,
        },
        "text": {
            "corpora": [{"name": "brown", "words": 1_000_000}],
            "overlap": [
                {
                    "corpus": "brown",
                    "n": 7,
                    "ngrams": 1500,
                    "shared": 2,
                    "lines": 600,
                    "lines_touched": 1,
                    "lines_contained": 0,
                }
            ],
        },
        "regimes": {
            name: {
                "recogniser": {"description": description, "validation_cer": 0.05},
                "arms": copy.deepcopy(arms),
                "validation_arms": {"none": {"wer": 0.1234}},
            }
            for name, description in REGIMES.items()
        },
        "comparisons": comparisons,
        "verdicts": verdicts(comparisons),
        "correctors": {"bert": "a small BERT", "steps": 20000, "seeds": [0, 1, 2]},
        "examples": {
            "low noise": {
                "repaired": [{"true": "a | b", "recognised": "a | d", "corrected": "a | b"}],
                "broken": [],
            }
        },
    }


def section(page, title):
    return page.split(f"## {title}\n")[1].split("\n## ")[0]


def test_every_arm_is_in_the_table_of_each_regime():
    page = report_page(results())
    for name in REGIMES:
        rows = [row for row in section(page, f"With {name}").splitlines() if row.startswith("| ")]
        names = [row.split(" | ")[0].strip("| *") for row in rows[2:]]
        assert names == [a.name for a in ARMS]


def test_a_row_has_rates_intervals_words_seeds_and_validation():
    table = section(report_page(results()), "With low noise")
    none = "6.67% (5.67% to 7.67%) | 20.00% (18.00% to 22.00%) | 80.00% | 12.0 | 3.5 |  | 12.34% |"
    assert f"| none | {NONE.description} | {none}" in table
    (row,) = (row for row in table.splitlines() if row.startswith(f"| {BERT_GATED.name} |"))
    assert row.endswith("| 12.0 | 3.5 | 20.00% to 20.20% |  |")


def test_oracles_are_told_apart():
    table = section(report_page(results()), "With low noise")
    assert "| *oracle: n-best* |" in table
    assert "bounds, not methods" in table


@pytest.mark.parametrize(
    "title", ["Verdict", "With low noise", "With high noise", "Planned comparisons", "Text"]
)
def test_numbers_have_the_data_and_its_line_count_beside_them(title):
    assert LINES in section(report_page(results()), title)


@pytest.mark.parametrize(
    ("points", "answer"),
    [
        pytest.param(-1.0, "yes, BERT helps", id="better"),
        pytest.param(1.0, "no, BERT does not help", id="worse"),
        pytest.param(0.2, "no, BERT does not help", id="not-settled"),
    ],
)
def test_the_verdict_comes_first_for_each_regime(points, answer):
    page = report_page(results(points))
    for name in REGIMES:
        assert f"- **With {name}: {answer}**" in section(page, "Verdict")
    assert page.index("## Verdict") < page.index("## With low noise")


def test_a_no_is_not_called_a_proof_of_equality():
    assert "no proof of equality" in section(report_page(results(0.2)), "Verdict")
    assert "no proof of equality" not in report_page(results(-1.0))


@pytest.mark.parametrize(
    ("points", "answer"), [(-1.0, "yes"), (1.0, "the other way round"), (0.2, "open")]
)
def test_comparisons_have_difference_interval_and_both_p_values(points, answer):
    table = section(report_page(results(points)), "Planned comparisons")
    numbers = f"{points:+.2f} ({points - 0.5:+.2f} to {points + 0.5:+.2f}) | 0.0010 | 0.0120"
    assert table.count(f"{numbers} | {answer} |") == len(COMPARISONS) * len(REGIMES)
    assert "over these 12 comparisons" in table


def test_overlap_and_training_are_told():
    page = report_page(results())
    assert "| brown | 7 | 2 of 1,500 | 1 of 600 | 0 |" in section(page, "Text")
    training = section(page, "How it was trained")
    assert "- steps: 20,000" in training and "- seeds: 0, 1, 2" in training
    assert "| low noise | none | beam width 8; weight 0.35 |" in training
    assert "IAM subset, 327 validation lines" in training


def test_examples_are_said_to_be_our_own():
    shown = section(report_page(results()), "Examples")
    assert "not lines of IAM" in shown
    assert r"| `a \| b` | `a \| d` | `a \| b` |" in shown
    assert shown.rstrip().endswith("### Words broken, low noise\nNone.")


def test_limits_give_what_could_be_seen_and_what_the_oracles_reach():
    limits = section(report_page(results()), "What would change the result")
    assert f"0.50 to 0.50 points of WER ({LINES})" in limits
    assert f"with low noise, WER would be 20.00%, against 20.00% of gated BERT ({LINES})" in limits
    assert f"]({FIGURE})" in limits


def test_the_recogniser_of_each_regime_is_described():
    page = report_page(results())
    for name, description in REGIMES.items():
        assert f"The recogniser: {description}; validation CER 5.00%." in section(
            page, f"With {name}"
        )


def test_a_verdict_on_a_part_of_the_comparisons_is_provisional():
    partial = results()
    partial["comparisons"] = partial["comparisons"][: len(COMPARISONS)]
    partial["verdicts"] = verdicts(partial["comparisons"])
    assert "Provisional" in section(report_page(partial), "Verdict")
    assert "Provisional" not in report_page(results())


def test_a_complete_run_is_not_called_incomplete():
    assert "Not complete" not in report_page(results())


def test_a_partial_run_names_what_is_missing():
    partial = results()
    del partial["regimes"]["high noise"]
    del partial["regimes"]["low noise"]["arms"][BERT_GATED.name]
    partial["comparisons"] = partial["comparisons"][1:2]
    page = report_page(partial)
    assert "no regime `high noise`; no arm `BERT, gated` with low noise; no 11 of 12" in page
    assert "## With high noise" not in page


def test_a_run_that_has_only_begun_makes_a_page():
    page = report_page(
        {
            "data": results()["data"],
            "regimes": {"low noise": {"arms": {"none": arm(0.2, 1)}}},
        }
    )
    assert "No verdict: the comparisons were not made." in page
    assert "## Planned comparisons" not in page
    assert "## Text" not in page
