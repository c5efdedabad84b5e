"""Where a saved model's weights are, one safetensors file or shards that an index names; hashes."""

import hashlib
import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import torch
from safetensors import safe_open

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


def weight_files(folder: str | Path) -> list[Path]:
    """The files of a model's weights; none if one is missing or they are in another format.

    Raises:
        ValueError: What names the shards is damaged.
    """
    folder = Path(folder)
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        return []
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        shards = [folder / name for name in sorted(set(index["weight_map"].values()))]
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # no JSON, or of other shape
        raise ValueError(f"{folder / INDEX} is damaged. Get the model again.") from error
    return shards if all(shard.is_file() for shard in shards) else []


def weights_sha256(folder: str | Path) -> str | None:
    """Fingerprint of a local model's weights, which says what a number was measured on.

    Of one file it is the file's SHA-256; None where there are no weights, as for a Hub id.
    """
    files = weight_files(folder)
    return files_sha256(files) if files else None


def file_sha256(path: Path) -> str:
    """Fingerprint of a file, in hexadecimal."""
    return files_sha256([path])


def files_sha256(paths: Iterable[Path]) -> str:
    """Fingerprint of files one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def tensors_sha256(tensors: Iterable[tuple[str, torch.Tensor]]) -> str:
    """SHA-256 over names, shapes and float32 values of weights, however they were stored.

    Args:
        tensors: With their names, in the order of these.
    """
    digest = hashlib.sha256()
    for name, tensor in tensors:
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def stored_tensors_sha256(folder: str | Path) -> str:
    """`tensors_sha256` of a saved model's weights, without the model."""
    with ExitStack() as stack:
        files = [
            stack.enter_context(safe_open(path, framework="pt")) for path in weight_files(folder)
        ]
        places = {name: file for file in files for name in file.keys()}
        return tensors_sha256((name, places[name].get_tensor(name)) for name in sorted(places))
