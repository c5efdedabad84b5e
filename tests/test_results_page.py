import json
from pathlib import Path

import pytest
from PIL import Image

from hwr_hf.results_page import results_page

RESULTS = Path(__file__).parent.parent / "results"


def report(**changes):
    return {
        "dataset": "drawn lines",
        "unit": "lines",
        "split": "own",
        "subset": "validation",
        "segmentation": "all",
        "text_normalisation": "none (case-sensitive)",
        "cer": 0.0672,
        "wer": 0.259,
        "cer_interval": [0.047, 0.0951],
        "wer_interval": [0.19, 0.33],
        "lines": 1327,
        "writers": 17,
        "decoder": "greedy",
    } | changes


@pytest.fixture
def page_of(tmp_path):
    """Function that writes JSON files (and pictures) to a folder and returns its page."""

    def write(pictures=(), **files):
        for name, content in files.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        for name in pictures:
            Image.new("L", (2, 2)).save(tmp_path / f"{name}.png")
        return results_page(tmp_path)

    return write


def rows_of(page):
    return [line for line in page.splitlines() if line.startswith("| ")]


def test_a_report_is_a_row_with_its_conditions(page_of):
    assert rows_of(page_of(lines=report()))[-1] == (
        "| drawn lines | own | validation, 1,327 lines | 17 | greedy | 6.72 % (4.7 to 9.5) | "
        "25.90 % (19.0 to 33.0) | [lines.json](lines.json) |"
    )


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"cer_interval": None}, "| 6.72 % |"),
        ({"num_views": 3}, "| greedy, mean of 3 views |"),
        ({"num_views": 1}, "| greedy |"),
        ({"segmentation": "ok", "unit": "words"}, "1,327 words (flag `ok`) |"),
        ({"text_normalisation": "lower-cased"}, "1,327 lines, lower-cased |"),
        ({"decoder": "beam"}, "| beam |"),
        ({"writers": None}, "lines | greedy"),
    ],
)
def test_a_row_says_what_is_special(page_of, changes, shown):
    assert shown in rows_of(page_of(lines=report(**changes)))[-1]


def test_reports_are_ordered_by_subset_unit_and_decoder(page_of):
    page = page_of(
        a=report(subset="test"),
        b=report(unit="words"),
        c=report(decoder="beam"),
        d=report(),
    )
    assert [row.split("[")[1][0] for row in rows_of(page)[2:]] == ["d", "c", "b", "a"]


def test_an_older_report_has_no_confusions_and_no_worst_images(page_of):
    page = page_of(lines=report())
    assert "confusions" not in page and "Worst" not in page


def test_confusions_and_worst_images_are_numbers(page_of):
    page = page_of(
        old=report(subset="test"),
        new=report(
            confusions=[
                {"true": "a", "read": "o", "count": 12},
                {"true": " ", "read": "", "count": 7},
                {"true": "", "read": "|", "count": 2},
                {"true": "`", "read": "'", "count": 1},
            ],
            worst_lines=[{"id": "d01-001", "edits": 30, "characters": 40}],
        ),
    )
    rows = rows_of(page)
    for shown in ("`a` → `o` 12", "␣ → ∅ 7", "∅ → `\\|` 2", "`` ` `` → `'` 1"):
        assert f"| {shown} |" in rows
    assert "| validation lines, greedy | `d01-001` | 30 | 40 | 75% |" in rows
    assert "| test lines, greedy |" not in page  # the old one has neither
    assert "--worst-lines" in page


def test_a_comparison_shows_its_rows_conditions_and_picture(page_of):
    page = page_of(
        pictures=["recipes"],
        lines=report(),
        recipes={
            "dataset": "drawn lines",
            "seeds": "0, 1",
            "note": "short runs",
            "rows": [
                {"recipe": "all", "val_cer": 0.05, "val_cer_interval": [0.04, 0.06], "steps": 100},
                {"recipe": "no EMA", "val_cer": 0.0612, "cer_plain": 0.07, "peak_gib": 1.23456},
            ],
        },
    )
    assert "Dataset: drawn lines; seeds: 0, 1. Note: short runs." in page
    assert "(recipes.png)" in page
    assert rows_of(page)[-4:] == [
        "| recipe | val CER | steps | CER plain | peak GiB |",
        "| --- | --- | --- | --- | --- |",
        "| all | 5.00 % (4.0 to 6.0) | 100 |  |  |",
        "| no EMA | 6.12 % |  | 7.00 % | 1.235 |",
    ]


def test_an_ablation_is_a_table_of_means_over_its_seeds(page_of):
    variants = [
        {"name": name, "arguments": [], "lines_cer": {"seeds": [mean, mean], "mean": mean}}
        for name, mean in (("all ingredients", 0.05), ("no augmentation", 0.08))
    ]
    about = {"dataset": "IAM subset", "seeds": [1, 2], "arguments": ["--max_steps", "5"]}
    page = page_of(pictures=["ablation"], lines=report(), ablation=about | {"variants": variants})
    assert "Dataset: IAM subset." in page
    assert "mean over the seeds 1, 2." in page and "(ablation.png)" in page
    assert "`hwr-hf train --max_steps 5`" in page
    assert rows_of(page)[-2:] == ["| all ingredients | 5.0% |", "| no augmentation | 8.0% |"]


def test_a_search_for_settings_shows_what_it_found(page_of):
    found = {"weight": 1.5, "cer": 0.04, "wer": 0.15}
    tuning = {"greedy": {"cer": 0.06, "wer": 0.2}, "best": found, "rows": [found] * 12}
    assert rows_of(page_of(lines=report(), decoder_tuning=tuning))[-4:] == [
        "| decoder | CER | WER | weight |",
        "| --- | --- | --- | --- |",
        "| greedy | 6.00 % | 20.00 % |  |",
        "| beam, best of 12 settings | 4.00 % | 15.00 % | 1.5 |",
    ]


def test_calibration_is_stated_before_and_after(page_of):
    part = {"texts": 300, "right": 0.25, "ece_before": 0.21, "ece": 0.0312, "ece_of_chance": 0.03}
    page = page_of(
        pictures=["calibration"],
        lines=report(),
        calibration={
            "subset": "validation",
            "temperature": 1.234,
            "bins": "15 of equal count",
            "all": part | {"ece_cross_fitted": 0.04},
            "words of lines": part,
        },
    )
    assert "temperature 1.23" in page and "(calibration.png)" in page
    assert "| lines and words | 300 | 25.0% | 0.210 | 0.031 | 0.040 | 0.030 |" in page
    assert "| words of lines | 300 | 25.0% | 0.210 | 0.031 |  | 0.030 |" in page


def test_the_training_and_its_curve(page_of):
    training = {"steps": 5350, "minutes": 127.1, "train_lines": 4536, "train_words": 32742}
    page = page_of(pictures=["learning_curve"], lines=report(), training=training)
    assert "5,350 steps in 127 minutes, on 4,536 lines and 32,742 words." in page
    assert "(learning_curve.png)" in page


def test_deskewing_methods_are_rows(page_of):
    rates = {"cer": 0.12, "cer_interval": [0.1, 0.14], "wer": 0.4}
    page = page_of(lines=report(), deskew={"lines": {"images": 327, "none": rates}})
    assert "| 327 lines | none | 12.00 % (10.0 to 14.0) | 40.00 % |" in page


@pytest.mark.parametrize(
    ("file", "link"),
    [
        ("ma2023/README.md", "[ma2023](ma2023/README.md)"),
        ("bert_hypothesis/README.md", "[bert_hypothesis](bert_hypothesis/README.md)"),
        ("billion_lines.md", "[billion_lines](billion_lines.md)"),
    ],
)
def test_a_report_with_a_page_of_its_own_is_linked_where_there_is_one(
    page_of, tmp_path, file, link
):
    assert link not in page_of(lines=report())
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("# A report\n")
    assert link in page_of(lines=report())


def test_a_picture_that_is_not_there_is_not_shown(page_of):
    training = {"steps": 10, "minutes": 1.0}
    assert "![" not in page_of(lines=report(), training=training)


def test_a_folder_without_a_report_is_refused(page_of):
    with pytest.raises(ValueError, match="no evaluation report"):
        page_of(other={"rows": []})


def test_the_page_is_what_the_results_give():
    assert (RESULTS / "README.md").read_text(encoding="utf-8") == results_page(RESULTS), (
        "Write it again: python scripts/write_results_page.py"
    )


def test_the_page_on_a_billion_lines_is_named_where_there_is_one(page_of, tmp_path):
    assert "billion" not in page_of(lines=report())
    (tmp_path / "billion_lines.md").write_text("# 1,000,000,000 lines")
    assert "[billion_lines](billion_lines.md)" in page_of(lines=report())
