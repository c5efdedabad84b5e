"""What a saved folder needs to be read where this package is not installed.

In: a folder that a model, processor or pipeline was just saved to. Out: the same folder with this
folder's source files in it and, in its JSON files, the names of the classes to load from them
(`auto_map`, `custom_pipelines`), for `from_pretrained(..., trust_remote_code=True)`.
"""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Never run. The Hub's loader reads these lines as text and brings the files named here along
    # with any file that imports this one, so a model loaded from the Hub can be saved complete too.
    from .image_processing_pil_resnet_bilstm import ResNetBiLstmImageProcessorPil  # noqa: F401
    from .image_processing_resnet_bilstm import ResNetBiLstmImageProcessor  # noqa: F401
    from .modeling_resnet_bilstm import ResNetBiLstmForCTC  # noqa: F401
    from .pipeline_resnet_bilstm import ResNetBiLstmPipeline  # noqa: F401
    from .tokenization_resnet_bilstm import ResNetBiLstmTokenizer  # noqa: F401

MODEL_AUTO_MAP = {
    "AutoConfig": "configuration_resnet_bilstm.ResNetBiLstmConfig",
    "AutoModel": "modeling_resnet_bilstm.ResNetBiLstmModel",
}
IMAGE_PROCESSOR_AUTO_MAP = {
    # A name for each backend; the library itself writes a single one and then finds no PIL class.
    "AutoImageProcessor": {
        "torchvision": "image_processing_resnet_bilstm.ResNetBiLstmImageProcessor",
        "pil": "image_processing_pil_resnet_bilstm.ResNetBiLstmImageProcessorPil",
    }
}
TOKENIZER_AUTO_MAP = {
    # [slow, fast]
    "AutoTokenizer": [None, "tokenization_resnet_bilstm.ResNetBiLstmTokenizer"]
}
PROCESSOR_AUTO_MAP = {"AutoProcessor": "processing_resnet_bilstm.ResNetBiLstmProcessor"}
CUSTOM_PIPELINES = {
    # One task: with two, `pipeline(model=...)` could not tell which is meant.
    "image-to-text": {
        "impl": "pipeline_resnet_bilstm.ResNetBiLstmPipeline",
        "pt": ["AutoModelForCTC"],
        "type": "image",
    }
}


HUB_ARGUMENTS = ("repo_id", "commit_message", "token", "private", "create_pr")


class HubFolderMixin:
    """Makes every `save_pretrained` leave a folder that reads without this package.

    Stands before the library's class among the bases, so that its method comes first.
    """

    def save_pretrained(self, save_directory, *args, push_to_hub: bool = False, **kwargs):
        """Saves as the library does, and adds the source files and the names of the classes.

        Args:
            save_directory: The folder; made if it is not there.
            push_to_hub: Also upload it, to `repo_id` or to a repository of the folder's name.
            *args: As for the library's method.
            **kwargs: As for the library's method.
        """
        hub_kwargs = {name: kwargs.pop(name) for name in HUB_ARGUMENTS if name in kwargs}
        saved = self._save_parts(save_directory, *args, **kwargs)
        if kwargs.get("is_main_process", True):
            complete_hub_folder(save_directory)
        if push_to_hub:
            # The library uploads before the folder is complete; this saves and uploads all of it.
            repo_id = hub_kwargs.pop("repo_id", Path(save_directory).name)
            self.push_to_hub(repo_id, **hub_kwargs)
        return saved

    def _save_parts(self, save_directory, *args, **kwargs):
        return super().save_pretrained(save_directory, *args, **kwargs)


def complete_hub_folder(folder: str | Path) -> None:
    """Adds the source files and the class names to whatever was saved in `folder`."""
    folder = Path(folder)
    source_folder = Path(__file__).parent
    if folder.resolve() != source_folder.resolve():
        for source_file in sorted(source_folder.glob("*_resnet_bilstm.py")):
            shutil.copyfile(source_file, folder / source_file.name)
    _edit_json(folder / "config.json", _complete_config)
    _edit_json(folder / "processor_config.json", _complete_processor_config)
    _edit_json(folder / "preprocessor_config.json", _complete_image_processor_config)
    _edit_json(folder / "tokenizer_config.json", _complete_tokenizer_config)


def _edit_json(path: Path, edit) -> None:
    if not path.is_file():
        return
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content)
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _complete_config(config: dict) -> None:
    """Each architecture goes by the Auto classes that fit it; only the CTC model has a pipeline."""
    config["auto_map"] = dict(MODEL_AUTO_MAP)
    config.pop("custom_pipelines", None)
    architecture = (config.get("architectures") or ["ResNetBiLstmModel"])[0]
    if architecture != "ResNetBiLstmModel":
        config["auto_map"]["AutoModelForTextRecognition"] = f"modeling_resnet_bilstm.{architecture}"
    if architecture == "ResNetBiLstmForCTC":
        config["auto_map"]["AutoModelForCTC"] = f"modeling_resnet_bilstm.{architecture}"
        config["custom_pipelines"] = CUSTOM_PIPELINES


def _complete_processor_config(config: dict) -> None:
    config["auto_map"] = PROCESSOR_AUTO_MAP | IMAGE_PROCESSOR_AUTO_MAP
    if "image_processor" in config:
        _complete_image_processor_config(config["image_processor"])


def _complete_image_processor_config(config: dict) -> None:
    config["auto_map"] = IMAGE_PROCESSOR_AUTO_MAP


def _complete_tokenizer_config(config: dict) -> None:
    config["auto_map"] = TOKENIZER_AUTO_MAP


__all__ = ["HubFolderMixin", "complete_hub_folder"]
