"""Where a saved model's weights are: one safetensors file, or shards that an index names."""

import json
from pathlib import Path

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"


def weight_files(folder: str | Path) -> list[Path]:
    """The files of a model's weights; none if one is missing or they are in another format."""
    folder = Path(folder)
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        return []
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    shards = [folder / name for name in sorted(set(index["weight_map"].values()))]
    return shards if all(shard.is_file() for shard in shards) else []
