"""What a training did, for cards and reports: from its output folder to one dictionary of numbers.

In: the folder that `hwr-hf train` wrote, with `trainer_state.json` and TensorBoard's event files.
Out: steps, minutes, peak learning rate and the validation curve; no text or image of the data.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from hwr_hf.training_checkpoints import RECIPE, TRAINER_STATE


def summarize_training(output_dir: str | Path) -> dict:
    """Numbers of a finished training.

    Args:
        output_dir: The training's `--output_dir`.

    Returns:
        `steps`, `minutes` (all starts of a resumed training summed), `learning_rate` (the highest)
        and `curve`, one entry for each evaluation with its CERs and WERs.

    Raises:
        ValueError: The folder holds no finished training.
    """
    state = _read_state(output_dir)
    return {
        "steps": state["global_step"],
        "minutes": round(training_minutes(output_dir), 1),
        "learning_rate": max(entry.get("learning_rate", 0) for entry in state["log_history"]),
        "curve": list(_evaluations(state).values()),
    }


def compare_trainings(folders: Sequence[str | Path], step: int) -> list[dict]:
    """How far several trainings had come after as many steps, and what they were asked for.

    Args:
        folders: Each the `--output_dir` or a checkpoint of a training, from that step or later.
        step: One after which all of them were evaluated.

    Returns:
        For each `settings`, those of its recipe in which the trainings differ, and its CERs and
        WERs.

    Raises:
        ValueError: A folder holds no training, or no evaluation after this step.
    """
    rows, recipes = [], []
    for folder in folders:
        evaluations = _evaluations(_read_state(folder))
        if step not in evaluations:
            raise ValueError(
                f"{folder} has no evaluation after step {step}, but after "
                f"{', '.join(map(str, evaluations)) or 'none'}. Choose one that all have."
            )
        rows.append(evaluations[step])
        recipe = json.loads((Path(folder) / RECIPE).read_text(encoding="utf-8"))
        recipes.append({name: part[name] for part in recipe.values() for name in part})
    names = dict.fromkeys(name for recipe in recipes for name in recipe)
    differ = [name for name in names if len({str(recipe.get(name)) for recipe in recipes}) > 1]
    return [
        {"settings": {name: recipe.get(name) for name in differ}} | row
        for recipe, row in zip(recipes, rows, strict=True)
    ]


def _read_state(folder: str | Path) -> dict:
    state_file = Path(folder) / TRAINER_STATE
    if not state_file.is_file():
        raise ValueError(
            f"{folder} holds no finished training: {TRAINER_STATE} is missing. "
            "Give the --output_dir of a training that has ended."
        )
    return json.loads(state_file.read_text(encoding="utf-8"))


def _evaluations(state: dict) -> dict[int, dict]:
    """Every evaluation's `step`, CERs and WERs, by step."""
    evaluations: dict[int, dict] = {}
    for entry in state["log_history"]:
        rates = {name: value for name, value in entry.items() if name.endswith(("_cer", "_wer"))}
        if rates:
            evaluations.setdefault(entry["step"], {"step": entry["step"]}).update(
                {name.removeprefix("eval_"): round(value, 5) for name, value in rates.items()}
            )
    return evaluations


def continue_summary(earlier: dict, later: dict) -> dict:
    """One summary of two trainings, the later of which went on from the earlier one's model.

    Args:
        earlier, later: From `summarize_training`, or from this function.

    Returns:
        Steps and minutes summed, the curves one after the other, the highest learning rate.
    """
    shifted = [entry | {"step": entry["step"] + earlier["steps"]} for entry in later["curve"]]
    return {
        "steps": earlier["steps"] + later["steps"],
        "minutes": round(earlier["minutes"] + later["minutes"], 1),
        "learning_rate": max(earlier["learning_rate"], later["learning_rate"]),
        "curve": earlier["curve"] + shifted,
    }


def training_minutes(output_dir: str | Path) -> float:
    """Minutes between the first and the last entry of every TensorBoard file, summed."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    seconds = 0.0
    for path in Path(output_dir).glob("runs/**/events.out.tfevents.*"):
        events = EventFileLoader(str(path)).Load()
        times = [event.wall_time for event in events if event.HasField("summary")]
        seconds += max(times) - min(times) if times else 0
    return seconds / 60
