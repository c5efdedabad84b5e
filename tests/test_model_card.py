"""The cards say what the results say, in metadata that the Hub takes."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, ModelCardData
from PIL import Image
from transformers import pipeline

import hwr_hf
from hwr_hf.data.font_download import FONTS
from hwr_hf.metrics import cer
from hwr_hf.model_card import (
    IAM_LICENSE,
    card_metadata,
    correction_section,
    failures_table,
    fill_section,
    read_json_files,
    reading_code,
)

ROOT = Path(__file__).parents[1]
MODEL = Path(hwr_hf.DEFAULT_MODEL)
CARDS = [ROOT / "model_cards" / "resnet-bilstm-small-iam.md", MODEL / "README.md"]
RESULTS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in (ROOT / "results").glob("*.json")
}
SHA256 = RESULTS["test_lines"]["model_sha256"]
REPORTS = [
    report
    for report in RESULTS.values()
    if isinstance(report, dict)
    and {"cer", "wer", "subset"} <= report.keys()
    and report["model_sha256"] == SHA256
]
EVERY_CARD = pytest.mark.parametrize("path", CARDS, ids=["model_cards", "pretrained"])

# Numbers of the prose that no result holds, and why they are there.
CONSTANTS = {
    "2002": "year of IAM's paper",
    "2005": "year of IAM-OnDB's paper",
    "1961": "year of IAM's texts",
    "1990": "decade of IAM's writers",
    "1840": "first year of the novels",
    "1920": "last year of the novels",
    "5": "length of the grams that no form may share",
    "256": "grey levels of an image",
    "1": "the score of certainty",
}


def body(path):
    """The card without metadata, code, tables and addresses."""
    text = ModelCard.load(path).text
    text = re.sub(r"```.*?```|`[^`]*`|https?://\S+", "", text, flags=re.S)
    return "\n".join(line for line in text.splitlines() if not line.startswith("|"))


def values_of(content):
    """Every number in a JSON file, and those in its texts."""
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        return [value for part in content for value in values_of(part)]
    if isinstance(content, str):
        return re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", content)
    return [] if isinstance(content, bool) or content is None else [content]


def forms(value):
    """Ways in which a card may write a number."""
    if isinstance(value, str):
        return {value}
    shown = {str(value), f"{value:.1f}", f"{value:.2f}", f"{value:.4f}", f"{value:.0f}"}
    return shown | {f"{value:.1%}"} if isinstance(value, float) else shown


@EVERY_CARD
def test_every_number_of_the_prose_is_in_a_result_or_a_fact_of_the_package(path):
    known = {form for content in RESULTS.values() for v in values_of(content) for form in forms(v)}
    known |= set(CONSTANTS)
    known |= {"79", "24", "46", "2915"}  # each checked below
    known |= {f"{(MODEL / 'model.safetensors').stat().st_size / 1e6:.1f}"}
    known |= {f"{_model().num_parameters() / 1e6:.1f}"}
    numbers = re.findall(r"(?<![\w.-])\d+(?:,\d{3})*(?:\.\d+)?%?", body(path))
    assert len(numbers) > 30
    assert [number for number in numbers if number not in known] == []


@EVERY_CARD
@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        pytest.param(
            r"([\d.]+) million parameters",
            lambda: sum(p.numel() for p in _model().state_dict().values()) / 1e6,
            id="parameters",
        ),
        pytest.param(
            r"(\d+) characters: letters",
            lambda: len(hwr_hf.resnet_bilstm.tokenization_resnet_bilstm.DEFAULT_CHARACTERS),
            id="characters",
        ),
        pytest.param(
            r"of the (\d+) test lines",
            lambda: len((MODEL.parent / "data/splits/aachen/te.lst").read_text().split()),
            id="test-lines-of-iam",
        ),
        pytest.param(
            r"(\d+) open handwriting\s+fonts",
            lambda: len(FONTS),
            id="fonts",
        ),
        pytest.param(
            r"less than (\d+) of 256",
            lambda: hwr_hf.resnet_bilstm.tones_resnet_bilstm.MIN_CONTRAST,
            id="contrast",
        ),
        pytest.param(r"Training: (\d+) minutes", lambda: RESULTS["training"]["minutes"], id="cost"),
        pytest.param(
            r"with a CER of\s+([\d.]+)%", lambda: 100 * RESULTS["ondb_lines"]["cer"], id="ondb"
        ),
        pytest.param(
            r"(\d+) line and \d+ word images",
            lambda: RESULTS["training"]["train_lines"],
            id="train-lines",
        ),
    ],
)
def test_a_number_stands_where_it_belongs(path, pattern, value):
    (number,) = re.findall(pattern, path.read_text(encoding="utf-8"))
    expected, decimals = value(), len(number.partition(".")[2])
    assert float(number) == round(expected, decimals)


def _model():
    return hwr_hf.ResNetBiLstmForCTC.from_pretrained(MODEL)


@EVERY_CARD
def test_every_row_of_the_results_table_is_a_report(path):
    rows = re.findall(r"^\| (validation|test), (.*)$", ModelCard.load(path).text, flags=re.M)
    tabled = [
        r for r in REPORTS if r["subset"] in ("validation", "test") and not r.get("correction")
    ]
    expected = set()
    for report in tabled:
        flag = " (flag `ok`)" if report["segmentation"] == "ok" else ""
        decoder = "greedy" if report["decoder"] == "greedy" else "beam with n-gram"
        cells = [f"{report['lines']} {report['unit']}{flag}", decoder]
        for rate in ("cer", "wer"):
            low, high = (f"{100 * end:.1f}%" for end in report[f"{rate}_interval"])
            cells.append(f"{100 * report[rate]:.1f}% ({low} to {high})")
        expected.add((report["subset"], " | ".join(cells) + " |"))
    assert set(rows) == expected


@EVERY_CARD
def test_the_model_index_holds_every_report_exactly(path):
    results = ModelCard.load(path).data.eval_results
    found = {
        (r.dataset_split, r.dataset_args["unit"], r.metric_name): (r.metric_type, r.metric_value)
        for r in results
    }
    expected = {}
    for report in REPORTS:
        decoder = "greedy" if report["decoder"] == "greedy" else "beam with n-gram"
        decoder += ", corrected" if report.get("correction") else ""
        for rate in ("cer", "wer"):
            key = (report["subset"], report["unit"], f"{rate.upper()}, {decoder}")
            expected[key] = (rate, report[rate])
    assert found == expected
    assert len(results) == len(expected)
    intervals = [arguments for r in results for arguments in r.metric_args.values()]
    assert RESULTS["test_lines"]["cer_interval"] in intervals


@EVERY_CARD
def test_the_metadata_says_what_the_hub_asks_for(path):
    data = ModelCard.load(path).data
    assert isinstance(data, ModelCardData)
    assert {name: data[name] for name in IAM_LICENSE} == IAM_LICENSE
    assert (data.language, data.library_name, data.pipeline_tag) == (
        "en",
        "transformers",
        "image-to-text",
    )
    assert data.datasets == ["Teklia/IAM-line"]
    assert data.metrics == ["cer", "wer"]


@EVERY_CARD
def test_the_hubs_validator_takes_the_card(path, hub):
    ModelCard.load(path).validate()
    assert hub.requests == ["POST /api/validate-yaml"]


def test_the_hubs_validator_refuses_a_card_whose_licence_has_no_name(hub):
    with pytest.raises(ValueError, match="license_name"):
        ModelCard("---\nlicense: other\n---\n").validate()


@EVERY_CARD
def test_the_sections_come_in_the_order_of_a_readers_questions(path):
    headings = re.findall(r"^## (.*)$", path.read_text(encoding="utf-8"), flags=re.M)
    assert headings == [
        "Intended use",
        "How to read with it",
        "Training data and terms",
        "Results",
        "Limits and biases",
        "Cost",
        "History of the training",
    ]


@EVERY_CARD
def test_the_five_lines_of_the_card_read_a_line(path, monkeypatch):
    monkeypatch.chdir(ROOT / "samples")
    (code,) = re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.S)
    assert code.count("\n") == 5
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, path.name, "exec"), {})
    assert printed.getvalue() == "The letter came by the morning post.\n"


@EVERY_CARD
def test_every_file_that_the_card_links_or_names_is_there(path):
    text = path.read_text(encoding="utf-8")
    linked = re.findall(r"\]\(((?!http)[^)]+)\)", text)
    assert len(linked) > 5
    for name in linked:
        assert (path.parent / name).is_file(), name
    for name in re.findall(r"`(results/\w+\.json|LICENSE\.md|ngram\.safetensors)`", text):
        assert (MODEL / name).is_file(), name


# Examples of failures


def test_the_failed_examples_are_misread_by_the_model_of_the_card():
    failures = RESULTS["failures"]
    assert failures["model_sha256"] == SHA256
    reader = pipeline("image-to-text", model=hwr_hf.DEFAULT_MODEL, device="cpu")
    examples = [row for row in failures["rows"] if "example" in row]
    assert len(examples) > 5
    for row in examples:
        with Image.open(MODEL / failures["image_folder"] / row["example"]["image"]) as image:
            line = image.convert("L")
        for options, name in (({}, "read"), ({"decoder": "beam"}, "read_beam")):
            (reading,) = reader(line, **options)
            # Other processors round otherwise, which may turn a letter where all are doubtful.
            recorded = row["example"][name] or "-"
            assert cer([recorded], [reading["generated_text"] or "-"]) <= 0.2, row["limit"]
        assert (row["example"]["read"] != row["text"]) or (
            row["misread"] == 0 and row["example"]["read_beam"] != row["text"]
        )


def test_a_failure_is_a_row_with_its_image_and_what_was_read():
    rows = [
        {"limit": "codes", "text": "A|1", "tried": 5, "misread": 2, "misread_beam": 5}
        | {"example": {"image": "codes.png", "read": "", "read_beam": "All|`"}},
        {"limit": "plain", "text": "A", "tried": 5, "misread": 0, "misread_beam": 0},
    ]
    table = failures_table({"rows": rows, "image_folder": "results/failures"}, "../model/")
    assert table.splitlines()[2:] == [
        "| codes | 2 of 5 | 5 of 5 | ![A\\|1](../model/results/failures/codes.png) | nothing "
        "| `` All\\|` `` |",
        "| plain | 0 of 5 | 0 of 5 |  |  |  |",
    ]


# Parts of a card


def report(**changes):
    return {
        "dataset": "drawn lines",
        "split": "own",
        "subset": "test",
        "unit": "lines",
        "segmentation": "all",
        "decoder": "greedy",
        "lines": 12,
        "cer": 0.25,
        "wer": 0.5,
    } | changes


def test_correction_is_set_beside_the_same_reading_without_it():
    reports = {
        "plain": report(),
        "beam": report(decoder="beam", cer=0.2),
        "corrected": report(cer=0.125, wer=0.25, correction="BERT encoder-decoder"),
    }
    section = correction_section(reports)
    assert section.endswith("|\n\n")  # what follows is no row of the table
    assert section.strip().splitlines() == [
        "### With correction",
        "| images | decoder | CER | CER, corrected | WER | WER, corrected |",
        "|---|---|---|---|---|---|",
        "| test, 12 lines | greedy | 25.0% | 12.5% | 50.0% | 25.0% |",
    ]


@pytest.mark.parametrize(
    "reports",
    [
        pytest.param({"plain": report()}, id="none-corrected"),
        pytest.param(
            {"plain": report(), "corrected": report(subset="validation", correction="BERT")},
            id="nothing-to-compare-with",
        ),
    ],
)
def test_without_results_of_correction_there_is_no_section(reports):
    assert correction_section(reports) == ""


def test_the_cards_of_now_have_no_section_about_correction():
    corrected = [r for r in REPORTS if r.get("correction")]
    headings = [path.read_text(encoding="utf-8").count("### With correction") for path in CARDS]
    assert headings == ([1, 1] if corrected else [0, 0])


def test_a_corrected_reading_has_a_name_of_its_own_in_the_model_index():
    reports = {"plain": report(), "corrected": report(cer=0.125, correction="BERT")}
    data = ModelCard(f"---\n{card_metadata('mine', reports)}\n---\n").data
    rates = {r.metric_name: r.metric_value for r in data.eval_results if r.metric_type == "cer"}
    assert rates == {"CER, greedy": 0.25, "CER, greedy, corrected": 0.125}


def test_metadata_without_reports_names_no_metric_and_no_result():
    data = ModelCard(f"---\n{card_metadata('mine', {})}\n---\n").data
    assert data.get("metrics") is None
    assert data.get("eval_results") is None
    assert data.license_name == "iam-non-commercial-research"


def test_metadata_takes_another_licence_and_base_model():
    yaml = card_metadata("mine", {}, {"license": "cc-by-4.0"}, base_model="user/base")
    data = ModelCard(f"---\n{yaml}\n---\n").data
    assert (data.license, data.get("license_name"), data.base_model) == (
        "cc-by-4.0",
        None,
        "user/base",
    )


def test_the_reading_code_of_a_hub_model_trusts_its_code():
    code = reading_code("user/name")
    assert 'model="user/name", trust_remote_code=True' in code
    assert "hwr_hf" not in code


def test_a_section_without_marks_is_an_error():
    with pytest.raises(ValueError, match="<!-- results -->"):
        fill_section("no marks here", "results", "a table")


def test_a_result_that_is_no_json_is_named(tmp_path):
    (tmp_path / "cut.json").write_text('{"cer": 0.')
    with pytest.raises(ValueError, match=r"cut\.json is no JSON"):
        read_json_files(tmp_path.glob("*.json"))
