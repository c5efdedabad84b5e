"""The whole study, from raw IAM words to table, figures and report: `scripts/reproduce_ma2023.py`.

In: the command line. Out: a JSON for each run, `summary.json`, pictures and `README.md` in the
output folder; networks, and the pictures that show IAM's words, in the folder of the runs, which
is not for publishing.
"""

import argparse
import dataclasses
import json
import multiprocessing
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.models import ResNet34_Weights

from hwr_hf.data.fonts import HandwritingFonts
from hwr_hf.json_files import write_json
from hwr_hf.ma2023.comparison import first_runs
from hwr_hf.ma2023.cost import measure_cost
from hwr_hf.ma2023.figures import draw_figures, error_rates_figure, learning_figure
from hwr_hf.ma2023.report import PICTURES, report_page, summarize
from hwr_hf.ma2023.results import read_result
from hwr_hf.ma2023.study import BUDGETS, Budget, Run, planned_runs
from hwr_hf.ma2023.training import (
    Surroundings,
    is_trained,
    prepare_words,
    settings_of,
    train_and_test,
)
from hwr_hf.ma2023.words import load_words

DRAWN_WORDS = (
    *("morning", "river", "letter", "Garden", "seven", "window"),
    *("quiet", "through", "1960", "because", "minister", "London"),
)
DESCRIPTION = """\
Train and compare the networks of Ma (2023) on IAM's words, and what the paper left for later: from
word images to one JSON a run, a table with intervals, the paper's figures and a report.

Stopped at any moment and started again, it goes on; what is complete is not made again.
"""
EXAMPLES = """\
examples:
  python scripts/reproduce_ma2023.py --iam iam/                       two CPU cores, 100 minutes
  python scripts/reproduce_ma2023.py --iam iam/ --budget full --imagenet download
  python scripts/reproduce_ma2023.py --iam iam/ --budget full --measure       only say how long

exit code: 0 done; 2 a mistake in the call or in the data; 130 interrupted.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        _reproduce(arguments)
    except (ValueError, OSError) as error:
        print(f"reproduce_ma2023: error: {error}", flush=True)
        return 2
    except KeyboardInterrupt:
        print("Interrupted. Nothing complete is lost: start it again to go on.", flush=True)
        return 130
    return 0


def _reproduce(arguments: argparse.Namespace) -> None:
    budget = BUDGETS[arguments.budget]
    surroundings = Surroundings(
        arguments.iam, arguments.runs, _imagenet(arguments.imagenet), arguments.seed
    )
    runs = planned_runs(budget, surroundings.imagenet is not None)
    if arguments.measure:
        num_train_words = len(load_words(arguments.iam, runs[0].protocols)["train"])
        cost = measure_cost(budget, num_train_words)
        write_json(arguments.output / f"cost_{budget.name}.json", cost)
        return
    if arguments.restart:
        for run in runs:
            result_path(arguments.output, run).unlink(missing_ok=True)
            shutil.rmtree(arguments.runs / run.name, ignore_errors=True)
    if not arguments.report:
        train_missing(runs, budget, surroundings, arguments.output, arguments.jobs)
    results = complete_results(runs, budget, surroundings.seed, arguments.output)
    missing = [run for run in runs if run not in results]
    if not results:
        raise ValueError(
            f"No run in {arguments.output} is complete, so there is nothing to report. Train: "
            "leave --report out."
        )
    summary = summarize(results, budget, arguments.name, missing)
    write_json(arguments.output / "summary.json", summary)
    error_rates_figure(results).savefig(arguments.output / "error_rates.png")
    learning_figure(summary["losses"]).savefig(arguments.output / "learning.png")
    _draw_words(arguments, results)
    pictures = [name for name in PICTURES if (arguments.output / name).is_file()]
    page = arguments.output / "README.md"
    costs = [json.loads(path.read_text()) for path in sorted(arguments.output.glob("cost_*.json"))]
    page.write_text(report_page(summary, pictures, costs), encoding="utf-8")
    print(f"report: {page}", flush=True)


def complete_results(
    runs: Sequence[Run], budget: Budget, seed: int, output_dir: Path
) -> dict[Run, dict]:
    """The results that are there, in the order of the plan.

    Raises:
        ValueError: A result was made with other settings.
    """
    results = {
        run: read_result(result_path(output_dir, run), settings_of(run, budget, seed))
        for run in runs
    }
    return {run: result for run, result in results.items() if result is not None}


def train_missing(
    runs: Sequence[Run], budget: Budget, surroundings: Surroundings, output_dir: Path, jobs: int = 1
) -> None:
    """Trains and tests what has no result yet.

    Args:
        runs: Of the plan.
        budget: Sizes of the study.
        surroundings: Data, folders, seed.
        output_dir: Where the result files are or will be.
        jobs: Trainings side by side, each on its share of the processor's cores.

    Raises:
        ValueError: A result file was made with other settings, or the data are incomplete.
        FileNotFoundError: There are no word images.
    """
    results = complete_results(runs, budget, surroundings.seed, output_dir)
    missing = [run for run in runs if run not in results]
    print(f"{len(results)} of {len(runs)} runs are complete.", flush=True)
    if jobs == 1:
        for run in missing:
            _finish(run, budget, surroundings, output_dir)
        return
    surroundings = dataclasses.replace(surroundings, progress=False)
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), torch.set_num_threads, (threads,)
    ) as pool:
        futures = []
        for run in missing:
            prepare_words(run, budget, surroundings)  # here, so that no two trainings do the same
            futures.append(pool.submit(_finish, run, budget, surroundings, output_dir))
        for future in as_completed(futures):
            future.result()


def result_path(output_dir: Path, run: Run) -> Path:
    """Where the result of a run is."""
    return output_dir / f"{run.name}.json"


def _finish(run: Run, budget: Budget, surroundings: Surroundings, output_dir: Path) -> None:
    """Trains and tests one run, and writes its result."""
    result = train_and_test(run, budget, surroundings)
    write_json(result_path(output_dir, run), result)
    rates = ", ".join(
        f"{name} CER {rates['cer']:.1%} WER {rates['wer']:.1%}"
        for name, rates in result["tests"].items()
    )
    print(f"{run.name}: {rates}", flush=True)


def drawn_words(fonts_dir: Path, seed: int) -> list[Image.Image]:
    """`DRAWN_WORDS` as images, each in a handwriting font taken at random."""
    fonts = HandwritingFonts(fonts_dir)
    rng = np.random.default_rng(seed)
    return [Image.fromarray(fonts.draw(word, rng)) for word in DRAWN_WORDS]


def _draw_words(arguments: argparse.Namespace, results: dict[Run, dict]) -> None:
    """The pictures that show words: IAM's beside the networks, drawn ones for publishing."""
    runs_dir = arguments.runs
    gone = [run.name for run in first_runs(results).values() if not is_trained(runs_dir / run.name)]
    if gone:
        print(f"No new pictures of words: the networks of {', '.join(gone)} are not in {runs_dir}.")
        return
    words = load_words(arguments.iam, next(iter(results)).protocols)
    words = words.get("validation", words["train"])
    step = max(1, len(words) // len(DRAWN_WORDS))
    shown = words.select(range(0, len(words), step)[: len(DRAWN_WORDS)])
    folder = runs_dir / "figures"
    draw_figures(shown["image"][:], shown["text"][:], runs_dir, results, folder)
    print(f"pictures of IAM's words, not for publishing: {folder}", flush=True)
    if arguments.fonts is not None:
        images = drawn_words(arguments.fonts, arguments.seed)
        draw_figures(images, DRAWN_WORDS, runs_dir, results, arguments.output)


def _imagenet(weights: str | None):
    """What `load_imagenet_weights` takes, from the option."""
    return ResNet34_Weights.IMAGENET1K_V1 if weights == "download" else weights


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reproduce_ma2023",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--iam", required=True, metavar="DIR", help="folder with words.tgz and ascii.tgz"
    )
    parser.add_argument(
        "--budget",
        choices=list(BUDGETS),
        default="cpu",
        help="cpu: narrower networks, smaller images, few epochs; full: the paper's size, for a "
        "GPU of 4 GB (default: %(default)s)",
    )
    parser.add_argument("--name", default="IAM", help="of the data, for the report (default: IAM)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("results/ma2023"),
        help="folder for what may be published: numbers, report, pictures of drawn words "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path("runs/ma2023"),
        help="folder for the networks and for pictures of IAM's words (default: %(default)s)",
    )
    parser.add_argument(
        "--imagenet",
        metavar="FILE",
        help="ImageNet weights of ResNet-34 (.safetensors or .pth), or 'download'; without it all "
        "networks start from scratch",
    )
    parser.add_argument(
        "--fonts",
        metavar="DIR",
        help="handwriting fonts (scripts/get_fonts.py), to draw the published pictures with",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=1 if torch.cuda.is_available() else min(2, os.cpu_count() or 1),
        help="trainings side by side (default here: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument(
        "--measure",
        action="store_true",
        help="time a few steps, write how long the budget takes on this machine, and train nothing",
    )
    parser.add_argument(
        "--report", action="store_true", help="train nothing: report the runs that are complete"
    )
    parser.add_argument(
        "--restart", action="store_true", help="forget the results and networks of before"
    )
    return parser
