"""Write how far trainings had come after as many steps, and in what settings they differ.

python scripts/compare_trainings.py runs/plain runs/views --step 500 --iam path/to/iam \\
  --command "hwr-hf train ..." --output results/consistency.json

They have to share all that is not to be compared, --max_steps too: the rate of learning decays to
its end. To spare time, a training can be stopped after the checkpoint that is compared; then give
the checkpoint's folder.
"""

import argparse
from pathlib import Path

from hwr_hf.data.iam import load_iam
from hwr_hf.json_files import write_json
from hwr_hf.training_summary import compare_trainings

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", help="output folders or checkpoints")
    parser.add_argument("--step", type=int, required=True, help="after which all were evaluated")
    parser.add_argument("--command", required=True, help="how they were trained")
    parser.add_argument("--iam", required=True, help="folder with IAM's downloads")
    parser.add_argument("--name", default="IAM", help="the data set's name in the report")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        trainings = compare_trainings(arguments.runs, arguments.step)
        validation = {
            unit: len(load_iam(arguments.iam, unit=unit, segmentation=segmentation)["validation"])
            for unit, segmentation in (("lines", "all"), ("words", "ok"))
        }
    except (ValueError, OSError) as error:
        parser.error(str(error))
    write_json(
        arguments.output,
        {
            "dataset": arguments.name,
            "validation": validation,
            "trainings": trainings,
            "command": arguments.command,
        },
    )
