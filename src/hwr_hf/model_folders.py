"""The model that a command is given, a folder or a Hub id, checked before anything is loaded."""

import json
import os
from pathlib import Path

from .json_files import write_json
from .resnet_bilstm.configuration_resnet_bilstm import ResNetBiLstmConfig
from .training_checkpoints import checkpoints
from .weights_files import INDEX, WEIGHTS, weight_files


def checked_model(model: str) -> str:
    """The model as it was given.

    Raises:
        ValueError: It is a folder without a model, with a part of one or with one of another kind,
            or a path that does not exist.
    """
    if os.path.isdir(model):
        _check_folder(Path(model))
        return model
    # A path that is mistyped must not ask the network.
    is_path = model.startswith((".", "~", os.sep)) or model.count("/") > 1
    if is_path or ("/" in model and Path(model).parent.is_dir()):
        raise ValueError(
            f"There is no model folder {model}. Give a folder or a Hub id (user/name)."
        )
    return model


def _check_folder(folder: Path) -> None:
    config_file = folder / "config.json"
    if not config_file.is_file():
        checkpoint = last_checkpoint(folder)
        advice = f" Its last checkpoint is {checkpoint}: give that one." if checkpoint else ""
        raise ValueError(f"The folder {folder} holds no model: config.json is missing.{advice}")
    try:
        model_type = json.loads(config_file.read_text(encoding="utf-8")).get("model_type")
    except (ValueError, AttributeError) as error:  # no JSON, or no object
        raise ValueError(f"{config_file} is damaged ({error}). Get the model again.") from error
    if model_type != ResNetBiLstmConfig.model_type:
        raise ValueError(
            f"The folder {folder} holds another kind of model: its model_type is {model_type!r}, "
            f"and needed is {ResNetBiLstmConfig.model_type!r}."
        )
    if not weight_files(folder):
        raise ValueError(
            f"The folder {folder} lacks its weights: there is no {WEIGHTS}, nor all of the files "
            f"that an {INDEX} names. Get the model again."
        )


def edit_config(folder: str | Path, **values) -> None:
    """Writes values into the `config.json` of a model's folder and leaves the rest."""
    path = Path(folder, "config.json")
    config = json.loads(path.read_text(encoding="utf-8")) | values
    write_json(path, dict(sorted(config.items())))  # in the order of `save_pretrained`


def last_checkpoint(folder: Path) -> Path | None:
    """The last complete model among the checkpoints of a training's folder."""
    return next((path for path in reversed(checkpoints(folder)) if weight_files(path)), None)
