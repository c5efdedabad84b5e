"""The model that a command is given, a folder or a Hub id, checked before anything is loaded."""

import os
from pathlib import Path


def checked_model(model: str) -> str:
    """The model as it was given.

    Raises:
        ValueError: It is a folder without a model, or a path that does not exist.
    """
    if os.path.isdir(model):
        if not os.path.isfile(os.path.join(model, "config.json")):
            raise ValueError(
                f"The folder {model} holds no model: config.json is missing.{_advice(Path(model))}"
            )
        return model
    is_path = model.startswith((".", "~", os.sep)) or model.count("/") > 1
    if is_path:
        raise ValueError(
            f"There is no model folder {model}. Give a folder or a Hub id (user/name)."
        )
    return model


def _advice(folder: Path) -> str:
    checkpoints = [path.parent for path in folder.glob("checkpoint-*/config.json")]
    if not checkpoints:
        return ""
    last = max(checkpoints, key=lambda path: (len(path.name), path.name))
    return f" Its training has not ended; its last checkpoint is {last}: give that one."
