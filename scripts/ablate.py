"""Train the recipe whole and without each of its ingredients, and compare the validation CERs.

python scripts/ablate.py --runs runs/ablation --seeds 1 2 -- --iam path/to/iam --max_steps 3000 ...

What follows `--` are arguments of `hwr-hf train`. Started again, it goes on where it stopped.
"""

import argparse
from pathlib import Path

from hwr_hf.ablation import VARIANTS, ablation_table, draw_ablation, run_ablation
from hwr_hf.json_files import write_json

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", default="runs/ablation", help="folder of the trainings")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="(default: 1 2)")
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--name", default="IAM", help="the data set's name in the report")
    parser.add_argument("--note", default="", help="what else a reader must know")
    parser.add_argument("--output", type=Path, default=Path("results/ablation.json"))
    parser.add_argument("training", nargs="+", help="arguments of hwr-hf train, after --")
    arguments = parser.parse_args()
    report = {"dataset": arguments.name, "note": arguments.note} | run_ablation(
        arguments.training, arguments.runs, arguments.seeds, arguments.variants
    )
    write_json(arguments.output, report)
    draw_ablation(report, arguments.output.with_suffix(".png"))
    print(ablation_table(report))
