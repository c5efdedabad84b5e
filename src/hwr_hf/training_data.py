"""What a recogniser is trained on: IAM, a data set of one's own, drawn and joined lines.

In: `DataArguments`, the part of the command line that names the data. Out: `Source`s, images and
texts as they were stored; `training` prepares them.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import datasets

from hwr_hf.data.group_splits import draw_folds
from hwr_hf.data.iam import load_iam, writers_of
from hwr_hf.data.joined_words import load_joined_words
from hwr_hf.data.labelled_dataset import load_labelled, readable
from hwr_hf.data.synthetic import load_synthetic

MAX_AUGMENT = 3.0  # nearly half a line's width more or less; lines are mirrored from 6.7 on


@dataclass
class DataArguments:
    """What to train on."""

    iam: str | None = field(
        default=None, metadata={"help": "Folder with IAM's lines.tgz, words.tgz and ascii.tgz."}
    )
    dataset: str | None = field(
        default=None,
        metadata={
            "help": "Your own images and texts, alone or with --iam: the output of `hwr-hf dataset "
            "pack`, another folder that `datasets` loads, or a Hub name (owner/name)."
        },
    )
    dataset_repeats: int = field(
        default=1, metadata={"help": "How often an epoch shows each image of --dataset."}
    )
    validation_share: float = field(
        default=0.1,
        metadata={
            "help": "Share of the training lines of --dataset that are drawn for validation where "
            "it has no validation split: the same ones whatever --seed is."
        },
    )
    units: list[str] = field(
        default_factory=lambda: ["lines", "words"],
        metadata={"help": "Kinds of IAM's images: lines, words or both."},
    )
    repeats: list[int] = field(
        default_factory=lambda: [3, 1],
        metadata={"help": "How often an epoch shows each image of the unit in the same place."},
    )
    synthetic_lines: int = field(
        default=0,
        metadata={"help": "Lines to draw from --iam_ondb and --fonts, each shown once an epoch."},
    )
    iam_ondb: str | None = field(
        default=None, metadata={"help": "Folder of IAM-OnDB's downloads, to draw lines from."}
    )
    fonts: str | None = field(
        default=None, metadata={"help": "Folder of handwriting fonts, to draw lines with."}
    )
    text: list[str] = field(
        default_factory=list,
        metadata={"help": "Files of English text for drawn lines: .txt or .txt.xz."},
    )
    joined_lines: int = field(
        default=0,
        metadata={"help": "Lines to make of IAM's training words, each shown once an epoch."},
    )
    split: str = field(default="aachen", metadata={"help": "IAM's split by writers."})
    num_folds: int = field(
        default=0,
        metadata={
            "help": "Deal IAM's training writers out to so many folds and train without one of "
            "them, to read its lines afterwards as lines never seen; 0: train on all."
        },
    )
    left_out_fold: int = field(
        default=0, metadata={"help": "With --num_folds: the fold to leave out, from 0."}
    )
    deskew: list[str] = field(
        default_factory=list,
        metadata={
            "help": "Deskew methods that the training images are prepared with, each image once "
            "with each: none, line, moment. Default: the image processor's own."
        },
    )
    augment: float = field(
        default=1.0,
        metadata={"help": "Strength of random changes to training images, up to 3; 0: none."},
    )
    on_too_long: str = field(
        default="error", metadata={"help": "error or skip: texts too long for their image."}
    )
    max_train_samples: int | None = field(
        default=None, metadata={"help": "Train on this many images of each unit, for a trial."}
    )
    max_eval_samples: int | None = field(
        default=None, metadata={"help": "Evaluate on this many images of each unit, for a trial."}
    )
    preparation_processes: int = field(
        default=2, metadata={"help": "Processes that prepare the images before training."}
    )

    def __post_init__(self):
        least = dict.fromkeys(("dataset_repeats", "max_train_samples", "max_eval_samples"), 1)
        least |= dict.fromkeys(("synthetic_lines", "joined_lines", "num_folds"), 0)
        for name, smallest in least.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise ValueError(f"--{name} {value} is not allowed: use {smallest} or more.")
        if not 0 <= self.augment <= MAX_AUGMENT:
            raise ValueError(
                f"--augment {self.augment} is not allowed: use 0 to {MAX_AUGMENT:g}, such as 1."
            )
        if self.left_out_fold and not self.num_folds:
            raise ValueError(
                f"--left_out_fold {self.left_out_fold} is of no folds: give --num_folds too."
            )
        if self.fonts is not None and not Path(self.fonts).is_dir():
            raise ValueError(
                f"There is no folder {self.fonts}, which --fonts names. "
                f"`python scripts/get_fonts.py {self.fonts}` makes one."
            )


@dataclass(frozen=True)
class Source:
    """Images and texts of one kind, with the columns `image` and `text`.

    Attributes:
        name: `"dataset"`, `"lines"`, `"words"`, or for lines that nobody wrote `"synthetic"` and
            `"joined"`.
        train: To learn from.
        validation: To choose a checkpoint by; None for lines that nobody wrote.
        repeats: How often an epoch shows each image.
    """

    name: str
    train: datasets.Dataset
    validation: datasets.Dataset | None = None
    repeats: int = 1


def load_sources(data: DataArguments, seed: int) -> list[Source]:
    """All that a training is asked to learn from; the first has the validation images that count.

    Args:
        data: What is asked for.
        seed: Of drawn and joined lines.

    Raises:
        FileNotFoundError: A folder or a data set is not there.
        ValueError: Arguments contradict each other, or data has no validation images.
    """
    if data.iam is None and data.dataset is None:
        raise ValueError(
            "There is nothing to train on: give --iam (a folder of IAM's downloads), --dataset (a "
            "folder made by `hwr-hf dataset pack`, or a data set on the Hub), or both."
        )
    if len(data.units) != len(data.repeats):
        raise ValueError(
            f"--units {data.units} and --repeats {data.repeats} differ in number: "
            "give one repeat for each unit."
        )
    if data.split == "random_80_20":
        raise ValueError(
            "--split random_80_20 has no validation images to choose a checkpoint by. Use aachen, "
            "aachen_b or large_writer_independent."
        )
    if data.joined_lines and data.iam is None:
        raise ValueError("--joined_lines are made of IAM's words: give --iam too.")
    written = [own_source(data)] if data.dataset is not None else []
    if data.iam is not None:
        for unit, repeats in zip(data.units, data.repeats, strict=True):
            # A line's text is right whatever its flag says; words flagged as wrong are cut wrongly.
            segmentation = "ok" if unit == "words" else "all"
            splits = load_iam(data.iam, unit=unit, split=data.split, segmentation=segmentation)
            kept, _ = part_at_fold(splits["train"], data)
            written.append(Source(unit, kept, splits["validation"], repeats))
    shortened = [
        replace(
            source,
            train=_first(source.train, data.max_train_samples),
            validation=_first(source.validation, data.max_eval_samples),
        )
        for source in written
    ]
    return shortened + made_sources(data, seed)


def own_source(data: DataArguments) -> Source:
    """The lines of `--dataset`, without those whose images are broken.

    Raises:
        FileNotFoundError: There is no such data set.
        ValueError: It has nothing to train on or to choose a checkpoint by.
    """
    splits = load_labelled(data.dataset, data.validation_share)
    for split in ("train", "validation"):
        if split in splits:
            splits[split] = readable(
                splits[split], f"{data.dataset}, {split}", data.preparation_processes
            )
        if len(splits.get(split, ())) == 0:
            found = ", ".join(f"{len(part)} {name}" for name, part in splits.items())
            raise ValueError(
                f"{data.dataset} has no {split} lines (it has: {found}). "
                + (
                    "Draw some from the training lines: --validation_share 0.1."
                    if split == "validation"
                    else "Name the split to train on 'train'."
                )
            )
    return Source("dataset", splits["train"], splits["validation"], data.dataset_repeats)


def made_sources(data: DataArguments, seed: int) -> list[Source]:
    """The training lines that are drawn or put together, as far as they are asked for."""
    made = []
    if data.synthetic_lines:
        lines = load_synthetic(
            data.synthetic_lines,
            data.iam_ondb,
            data.fonts,
            data.text,
            unseen_texts(data),
            seed=seed,
            num_proc=data.preparation_processes,
        )
        made.append(Source("synthetic", lines))
    if data.joined_lines:
        words = load_iam(data.iam, unit="words", split=data.split, segmentation="ok")["train"]
        words, _ = part_at_fold(words, data)
        lines = load_joined_words(words, data.joined_lines, seed, data.preparation_processes)
        made.append(Source("joined", lines))
    return made


def part_at_fold(
    train: datasets.Dataset, data: DataArguments
) -> tuple[datasets.Dataset, datasets.Dataset]:
    """IAM's training images without the fold that is left out, and those of that fold.

    Args:
        train: IAM's training lines or words.
        data: Says how many folds there are, and which one is left out.

    Raises:
        ValueError: There is no such fold, or too few writers for so many folds.
    """
    if data.num_folds == 0:
        return train, train.select([])
    if not 0 <= data.left_out_fold < data.num_folds:
        raise ValueError(
            f"--left_out_fold {data.left_out_fold} is none of the {data.num_folds} folds: give 0 "
            f"to {data.num_folds - 1}."
        )
    # Dealt out by their lines, so that a writer's words are in the fold of the lines.
    lines = load_iam(data.iam, unit="lines", split=data.split)["train"]
    fold_of = draw_folds(Counter(writers_of(lines)), data.num_folds)
    is_left_out = [fold_of.get(writer) == data.left_out_fold for writer in writers_of(train)]
    kept = [row for row, left_out in enumerate(is_left_out) if not left_out]
    return train.select(kept), train.select([row for row, out in enumerate(is_left_out) if out])


def unseen_texts(data: DataArguments) -> list[str]:
    """What validation, test and left-out lines say: no drawn line has five words in a row of it."""
    held_out, left_out = [], []
    if data.iam is not None:
        splits = load_iam(data.iam, unit="lines", split=data.split)
        held_out.append(splits)
        left_out = part_at_fold(splits["train"], data)[1]["text"]
    if data.dataset is not None:
        held_out.append(load_labelled(data.dataset, data.validation_share))
    texts = [
        text
        for splits in held_out
        for name in ("validation", "test")
        if name in splits
        for text in splits[name]["text"]
    ]
    return [*texts, *left_out]


def _first(dataset: datasets.Dataset, count: int | None) -> datasets.Dataset:
    return dataset if count is None else dataset.select(range(min(count, len(dataset))))
