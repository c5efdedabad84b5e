"""From measured results to the documents that quote them: model cards and README.

In: a template with fields such as `{test_lines[cer]:.1%}` and the JSON files under `results/`. Out:
the text. No number of a card is typed by hand, the metadata's `model-index` included. Sections
about what was not measured are empty. The card of a model that has no template is the part of
`generated_card`.
"""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from string import Formatter

from huggingface_hub import EvalResult, ModelCardData
from safetensors import safe_open

from .resnet_bilstm.tokenization_resnet_bilstm import DEFAULT_CHARACTERS
from .resnet_bilstm.tones_resnet_bilstm import CLEAN_CONTRAST, MIN_CONTRAST
from .results_page import is_evaluation
from .weights_files import WEIGHTS, weight_files, weights_sha256

# The terms of IAM and IAM-OnDB, which weights trained on them inherit.
IAM_LICENSE = {
    "license": "other",
    "license_name": "iam-non-commercial-research",
    "license_link": "https://fki.tic.heia-fr.ch/databases/iam-handwriting-database",
}
IAM_TERMS = """\
Those of the IAM Handwriting Database (U.-V. Marti and H. Bunke, 2002,
https://doi.org/10.1007/s100320200071), which the weights, or those that they go on from, were or
may have been trained on: non-commercial research only; publications that use them cite the
database. https://fki.tic.heia-fr.ch/databases/iam-handwriting-database"""
IAM_ON_THE_HUB = "Teklia/IAM-line"
PACKAGE = Path(__file__).parent
IAM_TEST_LIST = "data/splits/aachen/te.lst"
TAGS = ("handwriting-recognition", "htr", "ctc", "resnet-bilstm")
TASK = "image-to-text"
CONDITIONS = ("dataset", "split", "subset", "unit", "segmentation", "decoder", "num_views")
READING_MARK = "reading"


def card_values(
    results_dir: str | Path, model_dir: str | Path, name: str = "", repository: str = ""
) -> dict:
    """What a template can name: every JSON file of `results_dir`, and what is made of them.

    Args:
        results_dir: Folder of JSON files; `test_lines.json` is named `test_lines`.
        model_dir: Folder of the model, for `parameters` (millions) and `megabytes`.
        name: The model's, for the metadata.
        repository: Where from the card's place the files of the model's repository are: `""`, or a
            path that ends in "/".

    Returns:
        Values by name; those of `training.json` stand at the top level too.
    """
    from .data.font_download import FONTS  # needs `datasets`, which a push must not

    values = read_json_files(Path(results_dir).glob("*.json"))
    weights = weight_files(model_dir)
    reports = reports_on(_sha256(model_dir), values)
    values |= values.get("training", {})
    return values | {
        "parameters": num_parameters(weights) / 1e6,
        "megabytes": sum(path.stat().st_size for path in weights) / 1e6,
        "metadata": card_metadata(name, reports, datasets=[IAM_ON_THE_HUB]),
        "results_table": results_table(values),
        "correction": correction_section(reports),
        "failures_table": failures_table(values.get("failures", {}), repository),
        "reading": reading_code("hwr_hf.DEFAULT_MODEL", package=True),
        "iam_test_lines": len((PACKAGE / IAM_TEST_LIST).read_text(encoding="utf-8").split()),
        "characters": len(DEFAULT_CHARACTERS),
        "min_contrast": MIN_CONTRAST,
        "min_contrast_on_clean_paper": CLEAN_CONTRAST,
        "num_fonts": len(FONTS),
    }


def read_json_files(paths) -> dict:
    """The contents of JSON files by their names without suffix, in the names' order.

    Raises:
        ValueError: One is no JSON; it is named.
    """
    files = {}
    for path in sorted(paths):
        try:
            files[path.stem] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is no JSON ({error}). Write it again.") from error
    return files


def reports_on(sha256: str, files: dict) -> dict[str, dict]:
    """Of JSON files by name the evaluation reports that were measured on these weights."""
    return {
        name: file
        for name, file in files.items()
        if is_evaluation(file) and file.get("model_sha256") == sha256
    }


def quoted_results(template: str, results_dir: str | Path, model_dir: str | Path) -> list[Path]:
    """JSON files that a card's template names, and those measured on the model's weights."""
    sha256 = _sha256(model_dir)
    fields = {field for _, field, _, _ in Formatter().parse(template) if field}
    named = {field.partition("[")[0] for field in fields}
    paths = {path.stem: path for path in sorted(Path(results_dir).glob("*.json"))}
    files = read_json_files(paths.values())
    return [
        path
        for name, path in paths.items()
        if name in named
        or (isinstance(files[name], dict) and files[name].get("model_sha256") == sha256)
    ]


def _sha256(model_dir: str | Path) -> str:
    sha256 = weights_sha256(model_dir)
    if sha256 is None:  # as that of reports on a model of the Hub, which are not of this one
        raise ValueError(f"{model_dir} lacks its weights: there is no {WEIGHTS}. Give a model.")
    return sha256


def num_parameters(weights: Sequence[Path]) -> int:
    """Numbers in the tensors of safetensors files."""
    total = 0
    for path in weights:
        with safe_open(path, framework="np") as tensors:
            total += sum(math.prod(tensors.get_slice(k).get_shape()) for k in tensors.keys())
    return total


def card_metadata(
    name: str,
    reports: dict[str, dict],
    license: dict[str, str] | None = None,
    datasets: Sequence[str] = (),
    base_model: str | None = None,
) -> str:
    """The YAML block at the top of a card, without its fences.

    Args:
        name: The model's name.
        reports: Evaluation reports by name, the source of `model-index`.
        license: `license`, and for `"other"` `license_name` and `license_link`; None: IAM's terms.
        datasets: Ids of data sets on the Hub that hold what the model was trained on.
        base_model: Id on the Hub of the model that this one goes on from.
    """
    data = ModelCardData(
        language="en",
        **(license or IAM_LICENSE),
        library_name="transformers",
        pipeline_tag=TASK,
        tags=list(TAGS),
        base_model=base_model,
        datasets=list(datasets) or None,
        metrics=["cer", "wer"] if reports else None,
        model_name=name if reports else None,
        eval_results=[result for report in reports.values() for result in _results(report)] or None,
    )
    return data.to_yaml()


def _results(report: dict) -> list[EvalResult]:
    """CER and WER of a report, as the Hub's `model-index` takes them."""
    about = {name: report[name] for name in ("split", "unit", "segmentation") if report.get(name)}
    return [
        EvalResult(
            task_type=TASK,
            task_name="Handwritten text recognition",
            dataset_type=re.sub("[^a-z0-9]+", "-", report["dataset"].lower()).strip("-"),
            dataset_name=f"{report['dataset']}, {_images(report)}".replace("`", ""),
            dataset_config=", ".join(about.values()),
            dataset_split=report["subset"],
            dataset_args=about,
            metric_type=rate,
            metric_value=report[rate],
            metric_name=f"{rate.upper()}, {_decoder(report)}",
            metric_args=_metric_arguments(report, rate),
        )
        for rate in ("cer", "wer")
    ]


def _metric_arguments(report: dict, rate: str) -> dict:
    arguments = {"text": report.get("text_normalisation", "none (case-sensitive)")}
    if report.get(f"{rate}_interval"):
        arguments[report.get("interval", "interval")] = report[f"{rate}_interval"]
    return arguments


def results_table(reports: dict) -> str:
    """A Markdown table of CER and WER with their intervals.

    Args:
        reports: Evaluation reports by name: `validation_lines`, `validation_lines_beam`,
            `validation_words`, `validation_words_beam`, and the same for `test`; those that are
            there become rows.
    """
    rows = ["| images | decoder | CER | WER |", "|---|---|---|---|"]
    for subset in ("validation", "test"):
        for unit in ("lines", "lines_beam", "words", "words_beam"):
            report = reports.get(f"{subset}_{unit}")
            if report is not None:
                rates = [_rate_with_interval(report, rate) for rate in ("cer", "wer")]
                rows.append(f"| {_images(report)} | {_decoder(report)} | {' | '.join(rates)} |")
    return "\n".join(rows)


def correction_section(reports: dict[str, dict]) -> str:
    """What correcting the text after reading changes: a heading and a table, or "".

    Args:
        reports: Evaluation reports by name. One whose `correction` says how its texts were
            corrected is set beside the one that differs from it in nothing else.
    """
    rows = []
    for report in reports.values():
        if not report.get("correction"):
            continue
        alike = [
            other
            for other in reports.values()
            if not other.get("correction")
            and all(other.get(name) == report.get(name) for name in CONDITIONS)
        ]
        if alike:
            rates = [
                _rate_with_interval(r, rate)
                for rate in ("cer", "wer")
                for r in (*alike[:1], report)
            ]
            rows.append(f"| {_images(report)} | {_decoder(alike[0])} | {' | '.join(rates)} |")
    if not rows:
        return ""
    head = ["images", "decoder", "CER", "CER, corrected", "WER", "WER, corrected"]
    table = [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows]
    return "### With correction\n" + "\n".join(table) + "\n\n"


def failures_table(failures: dict, repository: str = "") -> str:
    """Drawn lines that were misread, as a Markdown table with their images.

    Args:
        failures: From `failure_examples.try_limits`, under `rows`; `image_folder` is the folder of
            their images in the model's repository.
        repository: As for `card_values`.
    """
    rows = ["| limit | misread | misread with beam | for example | read | with beam |"]
    rows.append("|---|---|---|---|---|---|")
    for row in failures.get("rows", []):
        example = row.get("example")
        cells = [row["limit"]]
        cells += [f"{row[count]} of {row['tried']}" for count in ("misread", "misread_beam")]
        if example:
            image = f"{repository}{failures['image_folder']}/{example['image']}"
            cells += [
                f"![{_cell(row['text'])}]({image})",
                _code(example["read"]),
                _code(example["read_beam"]),
            ]
        else:
            cells += ["", "", ""]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def reading_code(model: str, package: bool = False) -> str:
    """How to read with a model in five lines of Python, as a Markdown block.

    Args:
        model: Its id on the Hub, or its name in the package when `package`.
        package: Whether the package is to be imported; without it the model's own code is trusted.
    """
    if package:
        first, how = "import hwr_hf\n", model
    else:
        first, how = "", f'"{model}", trust_remote_code=True'
    return (
        f"```python\n{first}from transformers import pipeline\n\n"
        f'read = pipeline("{TASK}", model={how})\n'
        'print(read("line.png")[0]["generated_text"])\n```'
    )


def fill_section(document: str, name: str, content: str) -> str:
    """`document` with `content` between `<!-- name -->` and `<!-- /name -->`.

    Raises:
        ValueError: The document has no such pair of marks.
    """
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = document.partition(opening)
    _, found_closing, after = rest.partition(closing)
    if not (found and found_closing):
        raise ValueError(f"The document lacks the marks {opening} and {closing}. Put them in.")
    return f"{before}{opening}\n{content}\n{closing}{after}"


def fill_card(template: str, values: dict) -> str:
    """The card's text.

    Raises:
        ValueError: The template names a value that is not there.
    """
    try:
        return template.format(**values)
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(
            f"The card's template needs {error}, which no result has. Measure it first, or take "
            "the field out of the template."
        ) from error


def _images(report: dict) -> str:
    images = f"{report['subset']}, {report['lines']} {report['unit']}"
    return images + (" (flag `ok`)" if report.get("segmentation") == "ok" else "")


def _decoder(report: dict) -> str:
    decoder = "beam with n-gram" if report["decoder"] == "beam" else report["decoder"]
    return f"{decoder}, corrected" if report.get("correction") else decoder


def _rate_with_interval(report: dict, rate: str) -> str:
    interval = report.get(f"{rate}_interval")
    if interval is None:
        return f"{report[rate]:.1%}"
    low, high = interval
    return f"{report[rate]:.1%} ({low:.1%} to {high:.1%})"


def _code(text: str) -> str:
    """A text as code in a cell of a table."""
    if not text:
        return "nothing"
    text = _cell(text)
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _cell(text: str) -> str:
    """A text in a cell of a table, which a bar would end."""
    return text.replace("|", "\\|")
