"""A data set of one's own, by folder or by its name on the Hub, to train and to measure on.

In: what `hwr-hf dataset pack` made, or anything else that `datasets` loads (Parquet, an
imagefolder, `save_to_disk`) with the columns `image` and `text`. Out: a `DatasetDict` of `train`,
`validation` and `test`, as far as there are these, with `image`, `text`, and `id` and `writer_id`
where known.
"""

import logging
from pathlib import Path

import datasets

from .group_splits import draw_splits
from .iam_files import image_fault
from .iam_hub import is_hub_name
from .labelled_folder import SPLIT_NAMES

logger = logging.getLogger(__name__)

COLUMNS = ("id", "image", "text", "writer_id")
NUM_NAMED = 10  # images in a warning


def load_labelled(name: str, validation_share: float = 0.1) -> datasets.DatasetDict:
    """A data set of images and texts.

    Where it has no validation split, one is drawn from its training lines, by writer where every
    line has one and there are several: the same lines in every run and for every seed of a
    training, so that what one training leaves out stays left out of the next. Lines without a text
    are left out with a warning.

    Args:
        name: Folder, or `owner/name` of a data set on the Hub, the only case in which the network
            is used.
        validation_share: Share of the training lines that are drawn for validation where there is
            none; 0 draws none.

    Raises:
        FileNotFoundError: There is no such folder and no such data set.
        ValueError: It cannot be read, or lacks the column `image` or `text`.
    """
    splits = {SPLIT_NAMES.get(split, split): part for split, part in _load(name).items()}
    for split, part in splits.items():
        splits[split] = _with_texts(_checked(part, name), f"{name}, {split}")
    if "validation" not in splits and "train" in splits and validation_share > 0:
        train = splits.pop("train")
        splits = _drawn_validation(train, validation_share) | splits
    return datasets.DatasetDict(splits)


def readable(dataset: datasets.Dataset, name: str, num_proc: int | None = None) -> datasets.Dataset:
    """The lines whose images decode; the others are named in a warning."""
    if len(dataset) == 0:
        return dataset  # `map` would not add its column
    stored = dataset.cast_column("image", datasets.Image(decode=False))
    faults = stored.map(
        _fault, remove_columns=stored.column_names, num_proc=num_proc, desc="Checking images"
    )["fault"][:]
    broken = [row for row, fault in enumerate(faults) if fault]
    if not broken:
        return dataset
    ids = dataset["id"] if "id" in dataset.column_names else range(len(dataset))
    named = "; ".join(f"{ids[row]}: {faults[row]}" for row in broken[:NUM_NAMED])
    logger.warning(
        "%d of the %d images of %s cannot be read and are left out: %s%s",
        *(len(broken), len(dataset), name, named, "; ..." if len(broken) > NUM_NAMED else ""),
    )
    return dataset.select([row for row, fault in enumerate(faults) if not fault])


def _load(name: str) -> dict[str, datasets.Dataset]:
    folder = Path(name).expanduser()
    if not folder.is_dir() and not is_hub_name(name):
        raise FileNotFoundError(
            f"There is no folder {name}. Give the output of `hwr-hf dataset pack`, another folder "
            "that `datasets` loads, or the name of a data set on the Hub (owner/name)."
        )
    try:
        if any((folder / file).is_file() for file in ("dataset_dict.json", "state.json")):
            loaded = datasets.load_from_disk(folder)
        else:
            loaded = datasets.load_dataset(str(folder) if folder.is_dir() else name)
    except (FileNotFoundError, ConnectionError) as error:
        raise FileNotFoundError(f"No data set {name} could be had: {error}") from error
    except Exception as error:  # whatever a builder raises on a folder that is not for it
        reason = " ".join(str(error.__cause__ or error).split())
        raise ValueError(
            f"{name} cannot be loaded as a data set: {reason}. If it is a folder of your own "
            "images and texts, make a data set of it: hwr-hf dataset pack."
        ) from error
    return loaded if isinstance(loaded, dict) else {"train": loaded}


def _checked(dataset: datasets.Dataset, name: str) -> datasets.Dataset:
    for column in ("image", "text"):
        if column not in dataset.column_names:
            raise ValueError(
                f"{name} has the columns {', '.join(dataset.column_names)}; needed are image and "
                "text. Rename those that hold them, or make a data set of a folder of images and "
                "texts: hwr-hf dataset pack."
            )
    if not isinstance(dataset.features["image"], datasets.Image):
        raise ValueError(
            f"The column image of {name} is {dataset.features['image']}, and no datasets.Image. "
            "Cast it: dataset.cast_column('image', datasets.Image())."
        )
    dataset = dataset.select_columns([c for c in COLUMNS if c in dataset.column_names])
    for column, feature in dataset.features.items():
        if column != "image" and feature != datasets.Value("string"):
            dataset = dataset.cast_column(column, datasets.Value("string"))
    return dataset


def _with_texts(dataset: datasets.Dataset, name: str) -> datasets.Dataset:
    texts = dataset["text"][:]
    rows = [row for row, text in enumerate(texts) if text and text.strip()]
    if len(rows) == len(texts):
        return dataset
    logger.warning("%d lines of %s have no text and are left out.", len(texts) - len(rows), name)
    return dataset.select(rows)


def _drawn_validation(train: datasets.Dataset, share: float) -> dict[str, datasets.Dataset]:
    writers = train["writer_id"][:] if "writer_id" in train.column_names else [None]
    # A writer alone would be all of training or all of validation.
    by_writer = None not in writers and len(set(writers)) > 1
    groups = writers if by_writer else [str(row) for row in range(len(train))]
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    split_of = draw_splits(sizes, validation=share, test=0.0)
    return {
        split: train.select([row for row, group in enumerate(groups) if split_of[group] == split])
        for split in ("train", "validation")
    }


def _fault(example: dict) -> dict[str, str]:
    image = example["image"]
    if image is None:
        return {"fault": "no image"}
    try:
        content = image["bytes"]
        if content is None:
            content = Path(image["path"]).read_bytes()
    except OSError as error:
        return {"fault": str(error)}
    return {"fault": image_fault(content) or ""}
