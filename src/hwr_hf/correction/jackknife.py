"""What a recogniser reads in lines it was not trained on, for every training line of IAM.

A recogniser knows its own training lines too well: its errors there are rarer and other ones than
in new lines. So the writers are dealt out to folds; for each fold a recogniser is trained on all
others and reads the fold (the jackknife of Quenouille, 1956,
https://doi.org/10.1093/biomet/43.3-4.353). In: the arguments of `hwr-hf train`. Out: `lines.jsonl`,
`{"id", "form_id", "text", "recognised"}` a line, `validation.jsonl`, the same of the validation
lines, read by the first fold's recogniser, and `confusions.json`, a `ConfusionModel`.

The lines are IAM's text and may not be passed on; the confusions are rates of characters.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import datasets

from hwr_hf.correction.noise import ConfusionModel
from hwr_hf.data.iam import load_iam
from hwr_hf.evaluation import evaluate_model
from hwr_hf.hub_trainer import training_recipe
from hwr_hf.json_files import check_inputs, complete_file
from hwr_hf.training import RecognitionTrainingArguments, train
from hwr_hf.training_data import DataArguments, part_at_fold
from hwr_hf.training_model import ModelArguments
from hwr_hf.training_script import run_script

LINES_FILE, VALIDATION_FILE = "lines.jsonl", "validation.jsonl"
CONFUSIONS_FILE = "confusions.json"

logger = logging.getLogger(__name__)


def jackknife(
    data: DataArguments, model: ModelArguments, args: RecognitionTrainingArguments
) -> ConfusionModel:
    """Trains a recogniser for each fold, and reads each fold with the one that has not seen it.

    Stopped and started again it goes on; a fold that was read is not trained again.

    Args:
        data: With `iam` and `num_folds`.
        model: What to train; from scratch, or else it may have seen all lines before.
        args: `output_dir` gets a folder for each fold beside the three files.

    Raises:
        ValueError: There is no IAM to read, there are fewer than 2 folds, or `output_dir` was
            begun with other data, another model or other settings of the training.
    """
    if data.iam is None or data.num_folds < 2:
        raise ValueError(
            "A jackknife needs IAM and at least 2 folds: give --iam DIR and --num_folds, "
            f"not --num_folds {data.num_folds}."
        )
    output_dir = Path(args.output_dir)
    recipe = training_recipe(Data=data, Model=model, Arguments=args)
    inputs = {name: value for part in recipe.values() for name, value in part.items()}
    del inputs["preparation_processes"], inputs["left_out_fold"]
    check_inputs(output_dir, inputs)
    dataset = load_iam(data.iam, unit="lines", split=data.split)
    lines = []
    for fold in range(data.num_folds):
        fold_data = replace(data, left_out_fold=fold)
        fold_dir = output_dir / f"fold-{fold}"
        fold_file = output_dir / f"fold-{fold}.jsonl"
        if not fold_file.is_file():
            train(fold_data, model, replace(args, output_dir=str(fold_dir)))
            _, left_out = part_at_fold(dataset["train"], fold_data)
            if fold == 0:
                validation = read_lines(fold_dir, dataset["validation"])
                write_lines(validation, output_dir / VALIDATION_FILE)
            write_lines(read_lines(fold_dir, left_out), fold_file)  # last: it says all is there
        lines += load_lines(fold_file)
    write_lines(lines, output_dir / LINES_FILE)
    confusions = ConfusionModel.fit(
        [line["text"] for line in lines], [line["recognised"] for line in lines]
    )
    confusions.save(output_dir / CONFUSIONS_FILE)
    logger.warning("%d lines read with a CER of %.1f %%.", len(lines), 100 * confusions.cer)
    return confusions


def read_lines(model_dir: str | Path, lines: datasets.Dataset) -> list[dict[str, str]]:
    """Every line that can be read, in the order of the data set: `id`, `form_id`, both texts."""
    result = evaluate_model(model_dir, lines)
    form_ids = lines["form_id"][:]
    return [
        {"id": line_id, "form_id": form_ids[row], "text": text, "recognised": recognised}
        for row, line_id, text, recognised in zip(
            result.rows, result.ids, result.references, result.predictions, strict=True
        )
    ]


def write_lines(lines: list[dict[str, str]], path: Path) -> None:
    """Writes JSON lines, so that the file is there only when it is complete."""
    with complete_file(path) as unfinished:
        unfinished.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def load_lines(path: str | Path) -> list[dict[str, str]]:
    """Reads what `write_lines` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line lacks its texts; the message has its number.
    """
    lines = []
    for number, row in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        try:
            line = json.loads(row)
            lines.append({name: line[name] for name in ("id", "form_id", "text", "recognised")})
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number}: {error}. Needed are JSON lines with id, form_id, text and "
                "recognised, as scripts/jackknife.py writes them."
            ) from error
    return lines


def main(argv: list[str] | None = None) -> int:
    """`scripts/jackknife.py`: takes the arguments of `hwr-hf train`, returns the exit code."""
    return run_script(
        jackknife,
        "jackknife",
        (DataArguments, ModelArguments, RecognitionTrainingArguments),
        "Train a recogniser for each fold of IAM's training writers on all the others, and write "
        "what it reads in the fold: lines.jsonl, validation.jsonl and confusions.json in "
        "--output_dir, to train a corrector with. All options are those of hwr-hf train. Started "
        "again, it goes on.",
        argv,
        num_folds=2,
        output_dir="runs/jackknife",
    )
