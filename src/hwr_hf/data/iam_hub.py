"""A copy of IAM on the Hub, by name, with the columns of `load_iam` as far as it has them.

In: a dataset such as `Teklia/IAM-line`, whose texts are tokens joined by spaces. Out: the same
splits with `id`, `image`, `text`, and `writer_id, form_id, segmentation_ok` where it has them.
"""

import logging
import re
from pathlib import Path

import datasets

from .iam_files import HOW_TO_GET_IAM
from .iam_text import detokenize

logger = logging.getLogger(__name__)

COLUMNS = ("id", "image", "text", "writer_id", "form_id", "segmentation_ok")


def is_hub_name(name: str) -> bool:
    """Whether `name` is `owner/name` and there is no folder `owner` here.

    With such a folder it is more likely a mistyped path, for which nothing is asked of the network.
    """
    is_name = re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name) is not None
    return is_name and not Path(name).parent.is_dir()


def load_hub_copy(
    name: str,
    detokenized: bool,
    lowercase: bool,
    streaming: bool = False,
    cache_dir: str | Path | None = None,
) -> datasets.DatasetDict | datasets.IterableDatasetDict:
    """A Hub copy; an id it lacks is made of split and position, `test-00000`.

    Raises:
        FileNotFoundError: The Hub has no such dataset, or cannot be reached.
        ValueError: It has no `image` or no `text`.
    """
    cache_dir = None if cache_dir is None else str(cache_dir)
    try:
        copies = datasets.load_dataset(name, streaming=streaming, cache_dir=cache_dir)
    except (FileNotFoundError, ConnectionError) as error:
        raise FileNotFoundError(
            f"There is no folder {name}, and no such dataset could be had from the Hub ({error}). "
            f"{HOW_TO_GET_IAM}"
        ) from error
    logger.warning("%s is used as uploaded: its own splits, its own unit.", name)
    for split, copy in copies.items():
        columns = list(copy.features)
        if "image" not in columns or "text" not in columns:
            raise ValueError(
                f"{name} has the columns {', '.join(columns)}; needed are image and text."
            )
        kept = [column for column in COLUMNS if column in columns]
        features = {"id": datasets.Value("string")} | {name: copy.features[name] for name in kept}
        copies[split] = copy.select_columns(kept).map(
            _example,
            with_indices=True,
            fn_kwargs={"split": split, "detokenized": detokenized, "lowercase": lowercase},
            features=datasets.Features(features),
        )
    return copies


def _example(
    example: dict, index: int, split: str, detokenized: bool, lowercase: bool
) -> dict[str, str]:
    text = detokenize(example["text"].split()) if detokenized else example["text"]
    return {
        "id": example.get("id") or f"{split}-{index:05d}",
        "text": text.lower() if lowercase else text,
    }
