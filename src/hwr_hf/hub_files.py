"""From a folder to the files of a repository on the Hub, and what of it stays at home.

In: a model's folder, as `save_pretrained` or a training left it, or a checkpoint; or the folder of
a Space or a data set. Out: `RepositoryFiles`, the content of the repository by path.
A model gets what it lacks: remote code, licence and a card. Nothing is written into the folder.
What belongs in a model's repository is listed here; all else is left out and named, so that neither
an optimizer's state nor somebody's images are published by accident.
"""

import os
import posixpath
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from huggingface_hub import ModelCard, RepoCard
from safetensors import SafetensorError, safe_open

from . import DEFAULT_MODEL
from .generated_card import GENERATED_MARK, NOT_STATED, generated_card
from .image_files import raise_error
from .model_card import (
    IAM_LICENSE,
    IAM_TERMS,
    READING_MARK,
    fill_section,
    read_json_files,
    reading_code,
)
from .model_folders import last_checkpoint
from .onnx_export import ONNX_FILE, is_made_of
from .resnet_bilstm.configuration_resnet_bilstm import ResNetBiLstmConfig
from .resnet_bilstm.hub_files_resnet_bilstm import complete_hub_folder
from .resnet_bilstm.pipeline_resnet_bilstm import CORRECTOR_FOLDER
from .results_page import is_evaluation
from .weights_files import WEIGHTS, weight_files, weights_sha256

CARD, LICENSE, RESULTS = "README.md", "LICENSE.md", "results"
PROCESSOR_FILES = ("processor_config.json", "tokenizer.json", "tokenizer_config.json")
# Of a model's folder, and of the corrector's in it.
MODEL_FILES = re.compile(
    r"config\.json|generation_config\.json|model.*\.safetensors|model\.safetensors\.index\.json"
    r"|(pre)?processor_config\.json|tokenizer(_config)?\.json|special_tokens_map\.json"
    r"|added_tokens\.json|vocab\.(txt|json)|README\.md|LICENSE(\.md|\.txt)?"
)
RECOGNISER_FILES = re.compile(
    r"\w+_resnet_bilstm\.py|ngram\.safetensors|model\.onnx|training_recipe\.json"
)
CORRECTOR_FILES = re.compile(r"\w+\.json")
STALE_FILES = re.compile(
    r"model.*\.safetensors(\.index\.json)?|model\.onnx|\w+_resnet_bilstm\.py|results/[^/]+\.json"
)
IMAGE_IN_CARD = re.compile(r"""!\[[^\]]*\]\(\s*([^)\s]+)(?:\s+(?:"[^"]*"|'[^']*'))?\s*\)""")
UNSTATED_TERMS = """\
Not stated. Unless the author of the weights allows more, all rights are reserved; ask before you
pass them on."""
STATE_OF_A_TRAINING = "state of a training"
NO_PART = "no part of a model's repository"
TRAINING_STATE = re.compile(
    r".*\.(pt|pth|bin|pkl)|trained_weights\.safetensors|trainer_state\.json|checkpoint-\d+/"
    r"|runs/|(all|train|eval)_results\.json"
)


@dataclass(frozen=True)
class RepositoryFiles:
    """What goes into a repository, and what does not.

    Attributes:
        files: Content by path in the repository: a file's place, or the bytes themselves.
        left_out: Reason by path in the folder; a folder's path ends in "/".
        kind: "model", "space" or "dataset".
        sdk: Of a Space: "gradio", "docker" or "static".
    """

    files: dict[str, Path | bytes]
    left_out: dict[str, str] = field(default_factory=dict)
    kind: str = "model"
    sdk: str | None = None

    def size(self, path: str) -> int:
        """Bytes of a file."""
        content = self.files[path]
        return len(content) if isinstance(content, bytes) else content.stat().st_size

    @property
    def total_size(self) -> int:
        """Bytes of all files."""
        return sum(map(self.size, self.files))


def model_files(
    folder: str | Path,
    repo_id: str,
    results: Sequence[str | Path] = (),
    license: dict[str, str] | None = None,
) -> RepositoryFiles:
    """The repository of a recogniser.

    Args:
        folder: With `config.json`, `model.safetensors` and the processor's files; `corrector/`,
            `ngram.safetensors`, `results/` and a card go along where they are there.
        repo_id: `user/name`, for the card.
        results: Further reports of `hwr-hf evaluate`, or folders of them.
        license: For the card of a folder that has none: `license`, and for `"other"`
            `license_name` and `license_link`. None: see `generated_card.default_license`.

    Raises:
        ValueError: The folder holds no complete model of this package, a file of it is damaged, or
            its card is; or a report is not there, or two that differ have one name.
    """
    folder = Path(folder)
    _check_model(folder)
    files: dict[str, Path | bytes] = {}
    left_out: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and _matches(path.name, MODEL_FILES, RECOGNISER_FILES):
            files[path.name] = path
        elif path.name not in (RESULTS, CORRECTOR_FOLDER, "__pycache__"):
            left_out[path.name + "/" * path.is_dir()] = _reason(path)
    corrector = folder / CORRECTOR_FOLDER
    for path in _files_in(corrector) if corrector.is_dir() else ():
        place = path.relative_to(folder).as_posix()
        name = path.relative_to(corrector).as_posix()
        if _matches(name, TRAINING_STATE) or not _matches(name, MODEL_FILES, CORRECTOR_FILES):
            left_out[place] = _reason(path)
        else:
            files[place] = path
    for path in _safetensors(files):
        _check_safetensors(path)
    if ONNX_FILE in files and not is_made_of(folder / ONNX_FILE, folder):
        del files[ONNX_FILE]
        left_out[ONNX_FILE] = (
            "made of other weights than these; write it again: "
            f"hwr-hf export onnx {folder} --output {folder}"
        )
    reports = _add_results(folder, results, files, left_out)
    files |= _missing_code(folder, files)
    card = _card(folder, repo_id, reports, license)
    files[CARD] = card.encode()
    if not any(_matches(name, re.compile(r"LICENSE(\.md|\.txt)?")) for name in files):
        files[LICENSE] = license_text(ModelCard(card).data.to_dict()).encode()
    for name in IMAGE_IN_CARD.findall(card):
        if not name.startswith(("http://", "https://", "data:")):
            place = posixpath.normpath(name)  # the Hub has no "./"
            files[place] = _picture(folder, place)
            left_out.pop(place, None)
    return RepositoryFiles(dict(sorted(files.items())), left_out)


def folder_files(folder: str | Path, kind: str) -> RepositoryFiles:
    """All files of a Space's or a data set's folder but hidden and compiled ones.

    Raises:
        OSError: A folder in it cannot be listed.
        ValueError: The folder is empty, or is no Space: `README.md` with an `sdk`, and its app.
    """
    folder = Path(folder)
    files: dict[str, Path | bytes] = {}
    left_out = {}
    for path in _files_in(folder):
        place = path.relative_to(folder)
        if any(part.startswith(".") for part in place.parts):
            left_out[place.as_posix()] = "hidden"
        elif "__pycache__" in place.parts or path.suffix == ".pyc":
            left_out[place.as_posix()] = "compiled"
        elif path.is_dir():
            left_out[f"{place.as_posix()}/"] = "link to a folder"
        else:
            files[place.as_posix()] = path
    if not files:
        raise ValueError(f"{folder} holds no file to push. Give the folder of the {kind}.")
    card = _read_card(folder / CARD, RepoCard).data.to_dict() if CARD in files else {}
    sdk = card.get("sdk")
    if kind == "space":
        app = card.get("app_file", "app.py")
        if sdk not in ("gradio", "docker", "static"):
            raise ValueError(
                f"{folder / CARD} names no sdk, so the Hub could not run this Space. Begin the "
                "file with a block such as: ---\\nsdk: gradio\\napp_file: app.py\\n---"
            )
        if sdk == "gradio" and app not in files:
            raise ValueError(
                f"{folder} has no {app}, the Space's app. Name it in {CARD}: app_file."
            )
    return RepositoryFiles(files, left_out, kind, sdk)


def goes_stale(path: str) -> bool:
    """Whether a file of a model's repository must not outlive the push of other weights.

    Shards of the weights before would be loaded, remote code of before would not fit, and results
    would be taken for those of the new weights. A corrector and an n-gram stand for themselves.
    """
    return _matches(path, STALE_FILES)


def license_text(metadata: dict) -> str:
    """Terms of a repository: of its weights, as its card has them, and of the package's code."""
    ours = (Path(DEFAULT_MODEL) / LICENSE).read_text(encoding="utf-8")
    _, heading, code = ours.partition("\n## Code")
    terms = metadata.get("license_name") or metadata.get("license") or NOT_STATED["license"]
    if terms == IAM_LICENSE["license_name"]:
        terms = IAM_TERMS
    elif terms == NOT_STATED["license"]:
        terms = UNSTATED_TERMS
    else:
        terms += f" ({metadata['license_link']})" if metadata.get("license_link") else ""
    return f"# Terms\n\n## Weights\n\n{terms}\n{heading}{code}"


def _check_model(folder: Path) -> None:
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}. Give a model's folder or a checkpoint.")
    missing = [name for name in ("config.json", *PROCESSOR_FILES) if not (folder / name).is_file()]
    missing += [] if weight_files(folder) else [WEIGHTS]
    if missing:
        raise ValueError(
            f"{folder} holds no complete model: {', '.join(missing)} is missing. {_advice(folder)}"
        )
    config = read_json_files([folder / "config.json"])["config"]
    if config.get("model_type") != ResNetBiLstmConfig.model_type:
        raise ValueError(
            f"{folder} holds a model of the type {config.get('model_type')!r}. This command pushes "
            f"{ResNetBiLstmConfig.model_type!r}, the recognisers of this package."
        )
    corrector = folder / CORRECTOR_FOLDER
    if corrector.is_dir() and not (
        (corrector / "config.json").is_file() and weight_files(corrector)
    ):
        raise ValueError(
            f"{corrector} holds no complete model: it needs config.json and {WEIGHTS}. Save it "
            "there with save_pretrained, or take the folder away."
        )


def _advice(folder: Path) -> str:
    """What to do about a folder that holds no complete model."""
    if checkpoint := last_checkpoint(folder):
        return f"Its last checkpoint is {checkpoint}: push that one."
    return "Save model and processor there with save_pretrained, which writes no pickled weights."


def _safetensors(files: dict[str, Path | bytes]) -> Iterator[Path]:
    return (path for name, path in files.items() if name.endswith(".safetensors"))


def _check_safetensors(path: Path) -> None:
    try:
        with safe_open(path, framework="np"):
            pass
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is damaged ({error}). Save it again.") from error


def _add_results(
    folder: Path, results: Sequence[str | Path], files: dict, left_out: dict
) -> dict[str, dict]:
    """Adds the reports of these weights to `files`; returns the evaluations among them.

    Raises:
        ValueError: A result is not there, or two that differ have one name.
    """
    paths = sorted((folder / RESULTS).glob("*.json"))
    for given in map(Path, results):
        found = sorted(given.glob("*.json")) if given.is_dir() else [given]
        if not found or not found[0].is_file():
            raise ValueError(
                f"{given} holds no result. Give JSON files that `hwr-hf evaluate` wrote, or a "
                "folder of them."
            )
        paths += found
    sha256 = weights_sha256(folder)
    reports = {}
    for path in paths:
        (content,) = read_json_files([path]).values()
        place = f"{RESULTS}/{path.name}"
        measured_on = content.get("model_sha256") if isinstance(content, dict) else None
        if measured_on not in (None, sha256):
            left_out[str(path)] = "measured on other weights than these"
            continue
        if is_evaluation(content) and measured_on is None:
            left_out[str(path)] = "does not say which weights it was measured on"
            continue
        if place in files and files[place].read_bytes() != path.read_bytes():
            raise ValueError(
                f"The reports {files[place]} and {path} would both be {place} in the repository, "
                "and differ. Rename one of them."
            )
        if is_evaluation(content):
            reports[path.stem] = content
        files[place] = path
    return reports


def _missing_code(folder: Path, files: dict) -> dict[str, bytes]:
    """The remote code, and the JSON files that name it, of a folder that was saved without."""
    if "modeling_resnet_bilstm.py" in files:
        return {}
    with tempfile.TemporaryDirectory() as temporary:
        for path in folder.glob("*.json"):
            shutil.copy(path, temporary)
        complete_hub_folder(temporary)
        return {
            path.name: path.read_bytes()
            for path in Path(temporary).iterdir()
            if path.suffix == ".py" or path.name in files
        }


def _card(folder: Path, repo_id: str, reports: dict, license: dict | None) -> str:
    path = folder / CARD
    if path.is_file():
        _read_card(path)
        card = path.read_text(encoding="utf-8")
        if GENERATED_MARK not in card:
            if f"<!-- {READING_MARK} -->" in card:
                card = fill_section(card, READING_MARK, reading_code(repo_id))
            return card
    return generated_card(folder, repo_id, reports, license)


def _read_card(path: Path, card_class: type[RepoCard] = ModelCard) -> RepoCard:
    try:
        return card_class(path.read_text(encoding="utf-8"))
    except Exception as error:  # YAML's own errors and the library's, of many kinds
        reason = " ".join(str(error).split())
        raise ValueError(f"The metadata at the top of {path} is broken: {reason}") from error


def _picture(folder: Path, name: str) -> Path:
    path = folder / name
    is_below = not name.startswith(("/", "../")) and path.resolve().is_relative_to(folder.resolve())
    if not path.is_file() or not is_below:
        raise ValueError(
            f"The card {folder / CARD} shows {name}, which is not in {folder}. Put the picture "
            "there, or take it out of the card."
        )
    return path


def _files_in(folder: Path) -> Iterator[Path]:
    """Files of a folder and its sub-folders, and links to other folders, which are not followed.

    Raises:
        OSError: A folder cannot be listed.
    """
    for parent, folders, names in os.walk(folder, onerror=raise_error):
        folders.sort()
        links = (name for name in folders if Path(parent, name).is_symlink())
        yield from (Path(parent, name) for name in sorted([*names, *links]))


def _matches(name: str, *patterns: re.Pattern) -> bool:
    return any(pattern.fullmatch(name) for pattern in patterns)


def _reason(path: Path) -> str:
    name = path.name + "/" * path.is_dir()
    return STATE_OF_A_TRAINING if _matches(name, TRAINING_STATE) else NO_PART
