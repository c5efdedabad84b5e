"""Write what a training did to results/training.json, for the card, and draw its learning curve.

python scripts/summarize_training.py runs/small --iam path/to/iam --command "hwr-hf train ..."

With several folders, each training went on from the model of the one before; --after names the
summary of those before the first.
"""

import argparse
import functools
import json
from pathlib import Path

from hwr_hf.data.iam import load_iam
from hwr_hf.json_files import write_json
from hwr_hf.learning_curve import draw_learning_curve
from hwr_hf.training_summary import continue_summary, summarize_training

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", help="each training's --output_dir")
    parser.add_argument("--after", type=Path, help="training.json of what came before")
    parser.add_argument("--iam", required=True, help="folder with IAM's downloads")
    parser.add_argument("--command", required=True, help="the command that was run")
    parser.add_argument("--batch-columns", type=int, default=10240, help="of the training")
    parser.add_argument("--synthetic-lines", type=int, default=0, help="drawn for the training")
    parser.add_argument("--seed", type=int, default=42, help="of the training")
    parser.add_argument("--note", default="", help="what else to know, a sentence for the card")
    parser.add_argument("--output", type=Path, default=Path("results/training.json"))
    arguments = parser.parse_args()
    stages = [summarize_training(run) for run in arguments.runs]
    if arguments.after:
        stages.insert(0, json.loads(arguments.after.read_text(encoding="utf-8")))
    summary = functools.reduce(continue_summary, stages) | {
        "train_lines": len(load_iam(arguments.iam, unit="lines")["train"]),
        "train_words": len(load_iam(arguments.iam, unit="words", segmentation="ok")["train"]),
        "synthetic_lines": arguments.synthetic_lines,
        "batch_columns": arguments.batch_columns,
        "seed": arguments.seed,
        "training_note": arguments.note,
        "command": arguments.command,
    }
    write_json(arguments.output, summary)
    draw_learning_curve(summary["curve"], arguments.output.with_name("learning_curve.png"))
