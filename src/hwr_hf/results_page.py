"""The page of results: from the JSON files and pictures in a folder to one Markdown document.

In: `results/` as the scripts leave it: evaluation reports (`hwr-hf evaluate`), `training.json`,
`calibration.json`, `deskew.json`, `ablation.json`, `decoder_tuning.json`, and comparisons such as
`tta.json`, each an object with a list `rows` of flat rows; and pictures of the same names.
Out: `results/README.md`. What is not there, or not in an older report, is left out. No text and no
image of a data set is on the page: its files hold none.
"""

import json
import shlex
from pathlib import Path

from .ablation import ablation_table

NUM_CONFUSIONS = 15
NUM_WORST = 10
SUBSETS = ("validation", "test")
UNITS = ("lines", "words")
RATES = {"cer", "wer"}  # in the name of a column
SPELLINGS = {"cer": "CER", "wer": "WER", "gib": "GiB"}

HEADER = """\
# Results
Every number here comes from a file in this folder that a script wrote; the reports behind the
first table also hold the model's checksum, the library versions, the seed and the command. The page
itself is written by `python scripts/write_results_page.py`.

- CER is edits over reference characters, WER the same over words split on spaces, both pooled over
  all images. In brackets: 95 % interval of a bootstrap by writer.
- Text is compared in upper and lower case, as it is, where a row does not say otherwise."""
TITLES = {
    "ablation": "What each ingredient of the training brings",
    "decoder_tuning": "Greedy decoding and beam search",
    "failures": "Drawn lines that try the model's limits",
    "lighting": "Lines photographed in poor light",
    "training_memory": "Memory of a training step",
    "transcribe_memory": "Memory of a transcription of many images",
    "tta": "Test-time augmentation",
}
# Reports that have pages of their own
PAGES = {
    "bert_hypothesis/README.md": (
        "Does BERT help?",
        "Correction with BERT beside other ways to use the same text, and the verdict",
    ),
    "ma2023/README.md": (
        "Reproducing Ma (2023)",
        "The paper's networks, and what it proposed as future work, compared under its own "
        "protocol and an honest one",
    ),
    "billion_lines.md": (
        "A billion lines",
        "What they would cost on a cluster, and what would hold it up",
    ),
}


def results_page(results_dir: str | Path) -> str:
    """The page of a folder of results.

    Raises:
        ValueError: The folder holds no evaluation report.
    """
    folder = Path(results_dir)
    files = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.json"))
    }
    reports = {name: file for name, file in files.items() if is_evaluation(file)}
    if not reports:
        raise ValueError(
            f"{folder} holds no evaluation report. Write one: "
            "hwr-hf evaluate --iam path/to/iam --output results/validation_lines.json"
        )
    reports = dict(sorted(reports.items(), key=lambda item: _order(item[1])))
    sections = [HEADER, "## Recognition\n" + evaluation_table(reports)]
    if "training" in files:
        sections.append(training_section(files["training"], folder))
    if "ablation" in files:
        sections.append(ablation_section(files["ablation"], folder))
    for name, file in files.items():
        if name not in reports and _rows(file):
            sections.append(comparison_section(name, file, folder))
    if "deskew" in files:
        sections.append(deskew_section(files["deskew"]))
    if "calibration" in files:
        sections.append(calibration_section(files["calibration"], folder))
    sections += [
        f"## {title}\n{sentence}: [{page.removesuffix('/README.md').removesuffix('.md')}]({page})."
        for page, (title, sentence) in PAGES.items()
        if (folder / page).is_file()
    ]
    if any(report.get("confusions") for report in reports.values()):
        sections.append(confusion_section(reports))
    if any(report.get("worst_lines") for report in reports.values()):
        sections.append(worst_section(reports))
    return "\n\n".join(sections) + "\n"


def evaluation_table(reports: dict[str, dict]) -> str:
    """One row for each report: what was read, how, and its rates with their intervals."""
    rows = [
        {
            "data": report["dataset"],
            "split": report["split"],
            "images": _images(report),
            "writers": report["writers"] or "",
            "decoder": _decoder(report),
            "CER": _rate(report, "cer"),
            "WER": _rate(report, "wer"),
            "report": f"[{name}.json]({name}.json)",
        }
        for name, report in reports.items()
    ]
    return _table(rows)


def training_section(training: dict, folder: Path) -> str:
    """Length of the training and its learning curve."""
    text = f"## Training\n{training['steps']:,} steps in {training['minutes']:.0f} minutes"
    if "train_lines" in training:
        text += f", on {training['train_lines']:,} lines and {training['train_words']:,} words"
    return text + "." + _picture("learning_curve", "Loss and validation CER over the steps", folder)


def ablation_section(ablation: dict, folder: Path) -> str:
    """Validation CER of the whole recipe and without each of its ingredients."""
    title = TITLES["ablation"]
    seeds = ", ".join(map(str, ablation["seeds"]))
    command = shlex.join(["hwr-hf", "train", *ablation["arguments"]])
    return (
        f"## {title}\n{_conditions(ablation)} The lowest validation CER of trainings of the same "
        f"length, mean over the seeds {seeds}. The whole recipe is `{command}`."
        f"{_picture('ablation', title, folder)}\n\n{ablation_table(ablation)}"
    )


def comparison_section(name: str, comparison: dict, folder: Path) -> str:
    """The rows of a comparison as they are, under what holds for all of them."""
    title = TITLES.get(name, name.replace("_", " ").capitalize())
    rows = [
        {
            _heading(key): _cell(row, key)
            for key in row
            if not key.endswith("_interval") and not isinstance(row[key], dict)
        }
        for row in _rows(comparison)
    ]
    picture = _picture(name, title, folder)
    return f"## {title}\n{_conditions(comparison)}{picture}\n\n{_table(rows)}"


def deskew_section(deskew: dict) -> str:
    """CER and WER for each way to straighten the writing."""
    rows = [
        {
            "images": f"{measured['images']} {unit}",
            "deskewing": method,
            "CER": _rate(rates, "cer"),
            "WER": _rate(rates, "wer"),
        }
        for unit in UNITS
        if isinstance(measured := deskew.get(unit), dict)
        for method, rates in measured.items()
        if isinstance(rates, dict)
    ]
    return f"## Deskewing\n{_conditions(deskew)}\n\n{_table(rows)}"


def calibration_section(calibration: dict, folder: Path) -> str:
    """Expected calibration error before and after temperature scaling."""
    rows = [
        {
            "scores of": "lines and words" if name == "all" else name,
            "texts": part["texts"],
            "right": f"{part['right']:.1%}",
            "ECE at temperature 1": f"{part['ece_before']:.3f}",
            "ECE": f"{part['ece']:.3f}",
            "ECE, other writers' temperature": (
                f"{part['ece_cross_fitted']:.3f}" if "ece_cross_fitted" in part else ""
            ),
            "ECE by chance": f"{part['ece_of_chance']:.3f}",
        }
        for name, part in calibration.items()
        if isinstance(part, dict) and "ece" in part
    ]
    picture = _picture("calibration", "Share of right texts over their score", folder)
    return (
        f"## Calibration\n{_conditions(calibration)} A score is to be the probability that the "
        "whole text is right; ECE is the expected calibration error, with bins: "
        f"{calibration['bins']}. The column ECE is measured on the texts to which the temperature "
        f"{calibration['temperature']:.2f} was fitted, the next one with, for each writer, the "
        "temperature fitted to all others. By chance is what perfectly calibrated scores of as "
        f"many texts would show.{picture}\n\n{_table(rows)}"
    )


def confusion_section(reports: dict[str, dict]) -> str:
    """The most frequent single edits of each report."""
    columns = {
        f"{report['subset']} {report['unit']}, {_decoder(report)}": [
            f"{_visible(pair['true'])} → {_visible(pair['read'])} {pair['count']}"
            for pair in report["confusions"][:NUM_CONFUSIONS]
        ]
        for report in reports.values()
        if report.get("confusions")
    }
    rows = [
        {name: pairs[i] if i < len(pairs) else "" for name, pairs in columns.items()}
        for i in range(max(map(len, columns.values())))
    ]
    return (
        "## Most frequent confusions\n"
        "True character → character read, and how often; ␣ is a space, ∅ is nothing: a character "
        f"missed or invented.\n\n{_table(rows)}"
    )


def worst_section(reports: dict[str, dict]) -> str:
    """The images with most edits, by id."""
    rows = [
        {
            "of": f"{report['subset']} {report['unit']}, {_decoder(report)}",
            "id": f"`{line['id']}`",
            "edits": line["edits"],
            "characters": line["characters"],
            "CER": f"{line['edits'] / max(line['characters'], 1):.0%}",
        }
        for report in reports.values()
        for line in report.get("worst_lines", [])[:NUM_WORST]
    ]
    return (
        "## Worst images\n"
        "IAM's images and texts may not be passed on, so these are numbers only. A page that shows "
        "them, to keep on your machine, is written beside every report:\n\n"
        "```bash\n"
        "hwr-hf evaluate --iam path/to/iam --output runs/lines.json --worst-lines runs/worst.html\n"
        f"```\n\n{_table(rows)}"
    )


def is_evaluation(file) -> bool:
    """Whether the content of a JSON file is a report of `hwr-hf evaluate`."""
    return isinstance(file, dict) and {"cer", "wer", "unit", "subset", "lines"} <= file.keys()


def _rows(file) -> list[dict]:
    """Rows of a comparison; of a search for settings what it started from and what it found."""
    if isinstance(file, dict) and {"greedy", "best", "rows"} <= file.keys():
        beam = f"beam, best of {len(file['rows'])} settings"
        return [{"decoder": "greedy"} | file["greedy"], {"decoder": beam} | file["best"]]
    rows = file.get("rows") if isinstance(file, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _order(report: dict) -> tuple:
    """Validation before test, lines before words, greedy before other decoders."""
    ranks = [
        known.index(report[key]) if report[key] in known else len(known)
        for key, known in (("subset", SUBSETS), ("unit", UNITS))
    ]
    return (report["dataset"], *ranks, _decoder(report) != "greedy", _decoder(report))


def _images(report: dict) -> str:
    images = f"{report['subset']}, {report['lines']:,} {report['unit']}"
    if report.get("segmentation") == "ok":
        images += " (flag `ok`)"
    if not report.get("text_normalisation", "none").startswith("none"):
        images += f", {report['text_normalisation']}"
    return images


def _decoder(report: dict) -> str:
    views = report.get("num_views") or 1
    return report["decoder"] if views == 1 else f"{report['decoder']}, mean of {views} views"


def _conditions(file: dict) -> str:
    """The plain values of a comparison that a reader needs to know, as one sentence."""
    names = ("dataset", "split", "subset", "unit", "decoder", "text", "seed", "seeds", "interval")
    known = [f"{name}: {file[name]}" for name in names if isinstance(file.get(name), (str, int))]
    text = "; ".join(known)
    sentences = [f"{text[0].upper()}{text[1:]}."] if known else []
    if file.get("note"):
        sentences.append(f"Note: {file['note']}.")
    return " ".join(sentences)


def _heading(key: str) -> str:
    return " ".join(SPELLINGS.get(part, part) for part in key.split("_"))


def _cell(row: dict, key: str) -> str:
    value = row[key]
    if RATES & set(key.split("_")) and isinstance(value, float):
        return _rate(row, key)
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def _rate(rates: dict, name: str) -> str:
    """`6.7 % (4.7 to 9.5)`, the interval where it is known."""
    interval = rates.get(f"{name}_interval")
    rate = f"{100 * rates[name]:.2f} %"
    if interval is None:
        return rate
    low, high = interval
    return f"{rate} ({100 * low:.1f} to {100 * high:.1f})"


def _visible(character: str) -> str:
    """A character as code; a bar ends a cell of a table, and a backtick the code."""
    if character == "`":
        return "`` ` ``"
    return {"": "∅", " ": "␣", "|": "`\\|`"}.get(character, f"`{character}`")


def _picture(name: str, title: str, folder: Path) -> str:
    return f"\n\n![{title}]({name}.png)" if (folder / f"{name}.png").is_file() else ""


def _table(rows: list[dict]) -> str:
    """A Markdown table; the columns are the keys of all rows, in the order they come up.

    A column without any value is left out.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row if row[key] != ""))
    lines = [columns, ["---"] * len(columns)]
    lines += [[str(row.get(column, "")) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
