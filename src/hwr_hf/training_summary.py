"""What a training did, for cards and reports: from its output folder to one dictionary of numbers.

In: the folder that `hwr-hf train` wrote, with `trainer_state.json` and TensorBoard's event files.
Out: steps, minutes, peak learning rate and the validation curve; no text or image of the data.
"""

import json
from pathlib import Path


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
    state_file = Path(output_dir) / "trainer_state.json"
    if not state_file.is_file():
        raise ValueError(
            f"{output_dir} holds no finished training: trainer_state.json is missing. "
            "Give the --output_dir of a training that has ended."
        )
    state = json.loads(state_file.read_text(encoding="utf-8"))
    evaluations: dict[int, dict] = {}
    for entry in state["log_history"]:
        rates = {name: value for name, value in entry.items() if name.endswith(("_cer", "_wer"))}
        if rates:
            evaluations.setdefault(entry["step"], {"step": entry["step"]}).update(
                {name.removeprefix("eval_"): round(value, 5) for name, value in rates.items()}
            )
    return {
        "steps": state["global_step"],
        "minutes": round(training_minutes(output_dir), 1),
        "learning_rate": max(entry.get("learning_rate", 0) for entry in state["log_history"]),
        "curve": list(evaluations.values()),
    }


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
