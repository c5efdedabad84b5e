"""The model that a command is given, a folder or a Hub id, checked before anything is loaded."""

import os
from pathlib import Path

from .weights_files import WEIGHTS


def checked_model(model: str) -> str:
    """The model as it was given.

    Raises:
        ValueError: It is a folder without a model, or a path that does not exist.
    """
    if os.path.isdir(model):
        if not os.path.isfile(os.path.join(model, "config.json")):
            checkpoint = last_checkpoint(Path(model))
            advice = f" Its last checkpoint is {checkpoint}: give that one." if checkpoint else ""
            raise ValueError(f"The folder {model} holds no model: config.json is missing.{advice}")
        return model
    if model.startswith((".", "~", os.sep)) or model.count("/") > 1:
        raise ValueError(
            f"There is no model folder {model}. Give a folder or a Hub id (user/name)."
        )
    return model


def last_checkpoint(folder: Path) -> Path | None:
    """The last complete model among the checkpoints of a training's folder."""
    folders = [path.parent for path in folder.glob(f"checkpoint-*/{WEIGHTS}")]
    return max(folders, key=lambda path: (len(path.name), path.name), default=None)
