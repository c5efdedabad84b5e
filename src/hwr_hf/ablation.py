"""What each ingredient of the training recipe is worth: trainings that lack one, compared.

In: the arguments of `hwr-hf train` for the whole recipe. Out: a report with the validation CER of
every variant and seed, and its picture. All variants train for the same number of steps.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from .json_files import check_inputs, short_path
from .training_checkpoints import TRAINER_STATE

OVERRIDES = "--config_overrides"
WHOLE_RECIPE = "all ingredients"
# Arguments that take one ingredient out; they come last, and the last of two equal options counts.
VARIANTS = {
    WHOLE_RECIPE: [],
    "no drawn lines": ["--synthetic_lines", "0"],
    "no joined words": ["--joined_lines", "0"],
    "no augmentation": ["--augment", "0"],
    "no average of the weights": ["--ema_decay", "0"],
    "no CTC shortcut": [OVERRIDES, '{"ctc_shortcut_weight": 0.0}'],
    "a frame every 8 columns": [
        OVERRIDES,
        '{"stage_strides": [[1, 1], [2, 2], [2, 2]]}',
        "--on_too_long",
        "skip",
    ],
    "no decay of the rate": ["--lr_scheduler_type", "constant_with_warmup"],
}


def run_ablation(
    arguments: Sequence[str],
    output_dir: str | Path,
    seeds: Sequence[int],
    variants: Sequence[str] = tuple(VARIANTS),
    train: Callable[[list[str]], object] | None = None,
) -> dict:
    """Trains every variant with every seed; those that have ended before are not run again.

    Args:
        arguments: Of `hwr-hf train`, without `--output_dir` and `--seed`.
        output_dir: Each training gets a folder in it.
        seeds: One training of each variant for each.
        variants: Keys of `VARIANTS`.
        train: Runs a training from its arguments; default `hwr_hf.training.main`.

    Returns:
        `arguments` and `variants`: for each its name, its `arguments`, and by the name of each
        validation set's CER (such as `lines_cer`) the lowest of every seed and `mean`.

    Raises:
        ValueError: A variant is not known, no seed is given, or a training in `output_dir` was
            begun with other arguments.
    """
    unknown = [name for name in variants if name not in VARIANTS]
    if unknown or not seeds:
        raise ValueError(
            f"Variants {unknown} are not known and seeds {list(seeds)} given. Give at least one "
            f"seed, and variants of {', '.join(VARIANTS)}."
        )
    if train is None:
        from hwr_hf.training import main as train
    report = {
        "arguments": [short_path(argument) for argument in arguments],
        "seeds": list(seeds),
        "variants": [],
    }
    for name in variants:
        curves = []
        for seed in seeds:
            folder = Path(output_dir) / f"{name.replace(' ', '_')}-{seed}"
            check_inputs(folder, {"arguments": [*arguments, *VARIANTS[name]]})
            if not (folder / TRAINER_STATE).is_file():
                own = ["--output_dir", str(folder), "--seed", str(seed)]
                train([*merged_overrides([*arguments, *VARIANTS[name]]), *own])
            curves.append(lowest_rates(folder))
        rates = {rate: [curve[rate] for curve in curves] for rate in curves[0]}
        report["variants"].append(
            {"name": name, "arguments": VARIANTS[name]}
            | {
                rate: {"seeds": values, "mean": round(float(np.mean(values)), 5)}
                for rate, values in rates.items()
            }
        )
    return report


def merged_overrides(arguments: Sequence[str]) -> list[str]:
    """The arguments with one `--config_overrides` that says what all of them say, at the end."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    names = [OVERRIDES, OVERRIDES.replace("_", "-")]
    parser.add_argument(*names, action="append", default=[], dest="overrides")
    found, kept = parser.parse_known_args(arguments)
    overrides = {}
    for text in found.overrides:
        overrides |= json.loads(text)
    return [*kept, OVERRIDES, json.dumps(overrides)] if overrides else kept


def lowest_rates(folder: str | Path) -> dict[str, float]:
    """The CERs of the evaluation in which the first validation set's was lowest."""
    state = json.loads((Path(folder) / TRAINER_STATE).read_text(encoding="utf-8"))
    by_step: dict[int, dict[str, float]] = {}
    for entry in state["log_history"]:
        rates = {
            name.removeprefix("eval_"): round(value, 5)
            for name, value in entry.items()
            if name.endswith("_cer")
        }
        if rates:
            by_step.setdefault(entry["step"], {}).update(rates)
    return min(by_step.values(), key=lambda rates: next(iter(rates.values())))


def ablation_table(report: dict) -> str:
    """A Markdown table: every variant's CERs, means over the seeds."""
    names = [name for name in report["variants"][0] if name.endswith("_cer")]
    heads = [f"validation CER, {name.removesuffix('_cer')}" for name in names]
    rows = [f"| recipe | {' | '.join(heads)} |", "|---|" + "---|" * len(names)]
    for variant in report["variants"]:
        rates = [f"{variant[name]['mean']:.1%}" for name in names]
        rows.append(f"| {variant['name']} | {' | '.join(rates)} |")
    return "\n".join(rows)


def draw_ablation(report: dict, path: str | Path) -> None:
    """Draws the validation CER of every variant, a dot for each seed, as a PNG."""
    from matplotlib.figure import Figure

    variants = report["variants"][::-1]  # the first one at the top
    names = [name for name in variants[0] if name.endswith("_cer")]
    figure = Figure(figsize=(8, 1 + 0.4 * len(variants)), dpi=120, layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(names), sharey=True))
    for axis, name in zip(axes, names, strict=True):
        for row, variant in enumerate(variants):
            rates = [100 * rate for rate in variant[name]["seeds"]]
            axis.plot(rates, [row] * len(rates), "o", color="tab:blue", markersize=4)
            axis.plot(100 * variant[name]["mean"], row, "|", color="black", markersize=14)
        axis.set(xlabel=f"validation CER in percent, {name.removesuffix('_cer')}")
        axis.set_yticks(range(len(variants)), [variant["name"] for variant in variants])
        axis.grid(axis="x", color="0.9")
    figure.savefig(path)
