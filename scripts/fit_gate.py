"""Choose which of a corrector's edits are taken, on IAM's validation lines, and store it with it.

python scripts/fit_gate.py --corrector runs/corrector --iam path/to/iam --models path/to/model ...

With several recognisers the gate raises the CER behind none of them.
"""

import argparse
import sys
from pathlib import Path

from hwr_hf import DEFAULT_MODEL
from hwr_hf.correction.corrector import BertCorrector
from hwr_hf.correction.gate import GATE_FILE, gated_edits
from hwr_hf.correction.gate_fitting import fit_gate
from hwr_hf.correction.readings import read_lines
from hwr_hf.data.iam import load_iam
from hwr_hf.json_files import write_json
from hwr_hf.metrics import edit_counts


def main(arguments: argparse.Namespace) -> int:
    corrector = BertCorrector.from_pretrained(arguments.corrector)
    lines = load_iam(arguments.iam, unit="lines", split=arguments.split)["validation"]
    proposed, references, groups = [], [], []
    for number, model in enumerate(arguments.models):
        logits = Path(arguments.work_dir, f"logits_{number}.npz")
        readings = read_lines(model, lines, logits)
        proposed += corrector.correct(readings.greedy_texts(), readings.scorers())
        references += readings.references
        groups += [number] * len(readings.references)
    gate = fit_gate(proposed, references, groups)
    gate.save(Path(arguments.corrector, GATE_FILE))
    report = {"dataset": arguments.name, "split": arguments.split, "subset": "validation"}
    report["models"] = []
    for number, model in enumerate(arguments.models):
        of_model = [place for place, group in enumerate(groups) if group == number]
        truth = [references[place] for place in of_model]
        before, after = (
            edit_counts(truth, texts)
            for texts in (
                [proposed[place].recognised for place in of_model],
                gated_edits([proposed[place] for place in of_model], gate),
            )
        )
        rates = {"cer": before.cer, "wer": before.wer}
        rates |= {"corrected_cer": after.cer, "corrected_wer": after.wer}
        report["models"].append(
            {"model": Path(model).name, "lines": len(truth)}
            | {name: round(rate, 5) for name, rate in rates.items()}
        )
        print(
            f"{model}: CER {before.cer:.2%} -> {after.cer:.2%}, WER {before.wer:.2%} -> "
            f"{after.wer:.2%}"
        )
    write_json(arguments.output, report)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--corrector", required=True, help="folder of the corrector; gate.json goes there")
    add("--iam", required=True, help="folder with IAM's downloads")
    add("--split", default="aachen", help="IAM's lists to use (%(default)s)")
    add("--name", default="IAM", help="the data's name in the report (%(default)s)")
    add("--models", nargs="+", default=[str(DEFAULT_MODEL)], help="recognisers (the default)")
    add("--work_dir", default="runs/gate", help="where the recognisers' logits are kept")
    add("--output", type=Path, default=Path("results/gate.json"), help="rates before and after")
    try:
        sys.exit(main(parser.parse_args()))
    except (ValueError, OSError) as error:
        print(f"fit_gate: error: {error}", file=sys.stderr)
        sys.exit(2)
