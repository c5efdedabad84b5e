"""Measure the memory of a training step against batch, precision and preset.

python scripts/measure_training_memory.py
python scripts/measure_training_memory.py --device cuda --limit-gib 4

On a GPU the process is allowed no more than --limit-gib, and a step that needs more is reported as
such. On a CPU the step's tensors are added up; a GPU's libraries take some hundred MB besides.
"""

import argparse
from itertools import product
from pathlib import Path

import torch

from hwr_hf.benchmark.training_memory import Step, memory_table
from hwr_hf.json_files import write_json
from hwr_hf.training_model import PRESETS

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--limit-gib", type=float, help="of the GPU's memory")
    parser.add_argument(
        "--batch-columns", type=int, nargs="+", default=[2560, 5120, 10240, 20480], metavar="N"
    )
    parser.add_argument("--presets", nargs="+", default=PRESETS, choices=PRESETS)
    parser.add_argument("--output", type=Path, default=Path("results/training_memory.json"))
    arguments = parser.parse_args()
    steps = [
        Step(preset, columns, precision, checkpointing)
        for preset, columns, (precision, checkpointing) in product(
            arguments.presets,
            arguments.batch_columns,
            [("float32", False), ("bfloat16", False), ("bfloat16", True)],
        )
    ]
    rows = memory_table(steps, arguments.device, arguments.limit_gib)
    is_gpu = arguments.device.startswith("cuda")
    report = {
        "device": torch.cuda.get_device_name(arguments.device) if is_gpu else "cpu",
        "measure": "memory reserved by PyTorch" if is_gpu else "sum of the tensors of a step",
        "limit_gib": arguments.limit_gib if is_gpu else None,
        "rows": rows,
    }
    write_json(arguments.output, report)
    for row in rows:
        peak = "too much" if row["peak_gib"] is None else f"{row['peak_gib']} GiB"
        again = ", activations computed again" if row["checkpointing"] else ""
        print(f"{row['preset']}, {row['batch_columns']} columns, {row['precision']}{again}: {peak}")
