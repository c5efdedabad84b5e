"""From measured results to the documents that quote them: model card and README.

In: a template with fields such as `{test_lines[cer]:.1%}` and the JSON files under `results/`. Out:
the text. No number of a card is typed by hand.
"""

import json
import math
from pathlib import Path

from safetensors import safe_open


def card_values(results_dir: str | Path, model_dir: str | Path) -> dict:
    """What a template can name: every JSON file of `results_dir`, and the model's size.

    Args:
        results_dir: Folder of JSON files; `test_lines.json` is named `test_lines`.
        model_dir: Folder of the model, for `parameters` (millions) and `megabytes`.

    Returns:
        Values by name; those of `training.json` stand at the top level too.
    """
    values = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(Path(results_dir).glob("*.json"))
    }
    weights = Path(model_dir) / "model.safetensors"
    with safe_open(weights, framework="np") as tensors:
        sizes = [math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys()]
    values["parameters"] = sum(sizes) / 1e6
    values["megabytes"] = weights.stat().st_size / 1e6
    values |= values.get("training", {})
    return values | {"results_table": results_table(values)}


def results_table(reports: dict) -> str:
    """A Markdown table of CER and WER with their intervals.

    Args:
        reports: Evaluation reports by name: `validation_lines`, `validation_lines_beam`,
            `validation_words`, and the same for `test`; those that are there become rows.
    """
    rows = ["| images | decoder | CER | WER |", "|---|---|---|---|"]
    for subset in ("validation", "test"):
        for unit in ("lines", "lines_beam", "words"):
            report = reports.get(f"{subset}_{unit}")
            if report is not None:
                images = f"{subset}, {report['lines']} {report['unit']}"
                decoder = "greedy" if report["decoder"] == "greedy" else "beam with n-gram"
                if report["segmentation"] == "ok":
                    images += " (flag `ok`)"
                rates = [_rate_with_interval(report, rate) for rate in ("cer", "wer")]
                rows.append(f"| {images} | {decoder} | {' | '.join(rates)} |")
    return "\n".join(rows)


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


def _rate_with_interval(report: dict, rate: str) -> str:
    low, high = report[f"{rate}_interval"]
    return f"{report[rate]:.1%} ({low:.1%} to {high:.1%})"
