"""The checkpoints in a training's folder: which are complete, and whether to go on from them."""

import json
from pathlib import Path

from hwr_hf.json_files import differences

RECIPE = "training_recipe.json"  # what a checkpoint was trained with, and on
TRAINER_STATE = "trainer_state.json"  # `Trainer` writes it last into a checkpoint


def checkpoints(output_dir: str | Path) -> list[Path]:
    """The checkpoint folders of a training, in the order of their steps."""
    folders = (path for path in Path(output_dir).glob("checkpoint-*") if path.is_dir())
    numbered = [path for path in folders if path.name.removeprefix("checkpoint-").isdecimal()]
    return sorted(numbered, key=lambda path: int(path.name.removeprefix("checkpoint-")))


def last_complete_checkpoint(output_dir: str | Path) -> str | None:
    """The last checkpoint that was written to its end, or None."""
    # `Trainer` writes this file last, so a checkpoint that a kill has cut short lacks it.
    complete = [path for path in checkpoints(output_dir) if (path / TRAINER_STATE).is_file()]
    return str(complete[-1]) if complete else None


def check_recipe(checkpoint: str, recipe: dict[str, dict]) -> None:
    """Raises ValueError if a checkpoint is of a training on other data or of another model."""
    path = Path(checkpoint, RECIPE)
    if not path.is_file():  # saved by `Trainer` alone
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    for part in ("Data", "Model"):
        # What this version has beside, the other one did as is the default here.
        names = before[part].keys() & recipe[part].keys() - {"preparation_processes"}
        differing = differences(
            *({name: of[part][name] for name in names} for of in (before, recipe))
        )
        if differing:
            raise ValueError(
                f"{Path(checkpoint).parent} holds a training with {differing}. Repeat those to go "
                "on with it, give another --output_dir, or begin anew there with --restart, which "
                "removes its checkpoints."
            )


def is_finished(folder: str, max_steps: int) -> bool:
    """Whether a checkpoint, or a training's folder, has the state after so many steps."""
    path = Path(folder, TRAINER_STATE)
    if not path.is_file():
        return False
    return 0 < max_steps <= json.loads(path.read_text(encoding="utf-8"))["global_step"]
