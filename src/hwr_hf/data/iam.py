"""The IAM Handwriting Database as a `datasets.DatasetDict` of line or word images and their texts.

In: IAM's own downloads, packed or extracted (`ascii.tgz` with `lines.tgz` or `words.tgz`), or the
name of a copy on the Hub. Out: columns `id, image, text, writer_id, form_id, segmentation_ok` in
the splits of a published protocol. Split lists (ids only) come with the package. IAM itself does
not: it is free for non-commercial research after registration, and may not be passed on.

Database: U. Marti and H. Bunke, The IAM-database: an English sentence database for offline
handwriting recognition, IJDAR 5 (2002) 39-46, https://doi.org/10.1007/s100320200071
Splits: `aachen` is the partition of RWTH Aachen, https://www.openslr.org/56/; `aachen_b` has 321
training lines and 10 validation lines more and is the one of the Hub's `Teklia/IAM-line`;
`large_writer_independent` is IAM's own text line recognition task.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import datasets

from .iam_files import HOW_TO_GET_IAM, ImageFiles, find_images, image_fault, read_ascii_files
from .iam_hub import is_hub_name, load_hub_copy
from .iam_splits import random_split, read_split_lists, words_of_lines
from .iam_text import form_id, natural_texts, parse_rows, parse_writers

logger = logging.getLogger(__name__)

CHOICES = {
    "unit": ("lines", "words"),
    "split": ("aachen", "aachen_b", "large_writer_independent", "random_80_20"),
    "text": ("natural", "tokens"),
    "lowercase": (False, True),
    "segmentation": ("all", "ok"),
    "on_missing": ("skip", "error"),
}


def load_iam(
    data_dir: str | Path,
    unit: str = "lines",
    split: str = "aachen",
    text: str = "natural",
    lowercase: bool = False,
    segmentation: str = "all",
    on_missing: str = "skip",
    streaming: bool = False,
    cache_dir: str | Path | None = None,
) -> datasets.DatasetDict | datasets.IterableDatasetDict:
    """IAM's line or word images with their texts, in the splits of a protocol.

    The first call copies the encoded images into the `datasets` cache, later ones open that copy;
    a change of the label files, the split lists or the images makes a new one. Images that are
    missing, empty or do not decode, and listed ids without a transcription, are left out, counted
    in a warning, and listed in `skipped-<split>.tsv` in the cache folder that the warning names.

    Args:
        data_dir: Folder with IAM's downloads. Label files: `forms.txt` and `lines.txt` or
            `words.txt` here, in `ascii/`, or in `ascii.tgz`. Images: `lines.tgz` (`words.tgz`),
            or extracted in any depth below `lines/` (`words/`) or below the folder itself.
            Own split lists in `splits/<split>/` (`tr.lst`, `va.lst`, `te.lst`) replace the
            package's. Or else the name of a Hub dataset such as `"Teklia/IAM-line"`, the only case
            in which the network is used. Such a copy has the columns and splits it was uploaded
            with; where it has no ids, they are `test-00000` and so on.
        unit: `"lines"` or `"words"`. The words of a line are in the line's split.
        split: `"aachen"`, `"aachen_b"` or `"large_writer_independent"`, whose two validation sets
            are put together. `"random_80_20"` is the division of Ma (2023): a draw by image with a
            fixed seed, `train` and `test` only. It leaks: most test words come from lines and
            nearly all from writers seen in training, so set it beside nothing but itself; cut a
            validation set off `train` with `train_test_split`.
        text: `"natural"`: as written (`no, that's her hat.`). `"tokens"`: IAM's tokens, a space
            between each (`no , that 's her hat .`). A word's text is its token either way.
        lowercase: Lower-case the text.
        segmentation: `"all"`, or `"ok"` to leave out what IAM flags as wrongly cut into words.
            Line images and texts are right either way, and published results are on all.
        on_missing: `"skip"`, or `"error"` to raise if anything is missing or broken.
        streaming: Read while iterating, without a copy in the cache; the warning, or the error,
            then comes at the end of a split.
        cache_dir: In place of the `datasets` cache.

    Returns:
        `train`, `validation` and `test` with `id`, `image` (PIL), `text`, `writer_id` (None without
        `forms.txt`), `form_id` and `segmentation_ok`.

    Raises:
        FileNotFoundError: The folder, its label file or its images are not there.
        ValueError: An option is unknown, a file is broken, or `on_missing="error"` and something
            is missing: the message has the first and the count.

    Example:
        >>> iam = load_iam("~/iam", unit="words", segmentation="ok")  # doctest: +SKIP
    """
    folder = Path(data_dir).expanduser()
    if not folder.is_dir() and is_hub_name(str(data_dir)):
        config = IamConfig(unit=unit, split=split, text=text, segmentation=segmentation)
        if config.split not in ("aachen", "aachen_b") or config.segmentation != "all":
            raise ValueError(
                f"{data_dir} has its own splits and no segmentation flags: split={split!r} with "
                f"segmentation={segmentation!r} needs IAM's own files. {HOW_TO_GET_IAM}"
            )
        if unit != "lines":
            raise ValueError(
                f"{data_dir} on the Hub holds the unit it was uploaded with: unit={unit!r} needs "
                f"IAM's own files. {HOW_TO_GET_IAM}"
            )
        return load_hub_copy(
            str(data_dir),
            detokenized=text == "natural",
            lowercase=lowercase,
            streaming=streaming,
            cache_dir=cache_dir,
        )
    builder = Iam(
        cache_dir=None if cache_dir is None else str(cache_dir),
        data_dir=str(folder.resolve()),
        unit=unit,
        split=split,
        text=text,
        lowercase=lowercase,
        segmentation=segmentation,
        on_missing=on_missing,
    )
    if streaming:
        return builder.as_streaming_dataset()
    try:
        builder.download_and_prepare()
    except datasets.exceptions.DatasetGenerationError as error:
        # The library's wrapper says only 'An error occurred while generating the dataset'
        raise error.__cause__ or error from None
    dataset = datasets.DatasetDict()
    for name, info in builder.info.splits.items():
        if info.num_examples > 0:
            dataset[name] = builder.as_dataset(name)
        else:  # as_dataset raises: 'Instruction "test" corresponds to no data!'
            features = builder.info.features
            dataset[name] = datasets.Dataset.from_dict({key: [] for key in features}, features)
        log_path = Path(builder.cache_dir, _skipped_file(name))
        report_skipped(name, _read_skipped(log_path), log_path, on_missing)
    return dataset


def writers_of(images: datasets.Dataset) -> list[str]:
    """Who wrote each image; where IAM's forms.txt is missing, the form it is from.

    Raises:
        ValueError: Neither is known of an image.
    """
    known = [images[name][:] for name in ("writer_id", "form_id") if name in images.column_names]
    found = ([value for value in row if value is not None] for row in zip(*known, strict=True))
    writers = [values[0] for values in found if values]
    if len(writers) < len(images):
        raise ValueError(
            f"{len(images) - len(writers)} of {len(images)} images have neither a writer_id nor a "
            "form_id, which say whose they are. Add one of these columns."
        )
    return writers


@dataclass(frozen=True)
class IamLabel:
    """What is known of an image without looking at it."""

    text: str
    writer_id: str | None
    segmentation_ok: bool


@dataclass
class IamConfig(datasets.BuilderConfig):
    """Options of `load_iam`. The cache key has the files' content in it, `on_missing` not."""

    unit: str = "lines"
    split: str = "aachen"
    text: str = "natural"
    lowercase: bool = False
    segmentation: str = "all"
    on_missing: str = "skip"

    def __post_init__(self):
        super().__post_init__()
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise ValueError(f"{name}={value!r} is not one of {', '.join(map(repr, choices))}.")

    def create_config_id(self, config_kwargs: dict, custom_features=None) -> str:
        """Name of the cache folder."""
        labels, ids_by_split, images = read_iam(self)
        content = (list(labels.items()), list(ids_by_split.items()), images.fingerprint())
        key = {name: value for name, value in config_kwargs.items() if name != "on_missing"}
        key["content"] = hashlib.sha256(repr(content).encode()).hexdigest()
        return super().create_config_id(key, custom_features)


class Iam(datasets.GeneratorBasedBuilder):
    """Builder behind `load_iam`: label files, split lists and stored image bytes to examples."""

    VERSION = datasets.Version("1.0.0")
    BUILDER_CONFIG_CLASS = IamConfig

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            description="IAM Handwriting Database 3.0",
            homepage="https://fki.tic.heia-fr.ch/databases/iam-handwriting-database",
            license="Non-commercial research; no redistribution",
            features=datasets.Features(
                {
                    "id": datasets.Value("string"),
                    "image": datasets.Image(),
                    "text": datasets.Value("string"),
                    "writer_id": datasets.Value("string"),
                    "form_id": datasets.Value("string"),
                    "segmentation_ok": datasets.Value("bool"),
                }
            ),
        )

    def _split_generators(self, dl_manager) -> list[datasets.SplitGenerator]:
        labels, ids_by_split, images = read_iam(self.config)
        # Tuples, not lists: datasets takes a list for shards that it may deal out to workers
        return [
            datasets.SplitGenerator(
                name,
                gen_kwargs={
                    "split_name": name,
                    "ids": tuple(ids),
                    "labels": {
                        image_id: labels[image_id] for image_id in ids if image_id in labels
                    },
                    "images": images,
                    "streaming": dl_manager.is_streaming,
                },
            )
            for name, ids in ids_by_split.items()
        ]

    def _generate_examples(
        self,
        split_name: str,
        ids: tuple[str, ...],
        labels: dict[str, IamLabel],
        images: ImageFiles,
        streaming: bool,
    ) -> Iterator[tuple[str, dict]]:
        skipped = {image_id: "no transcription" for image_id in ids if image_id not in labels}
        if self.config.segmentation == "ok":
            labels = {i: label for i, label in labels.items() if label.segmentation_ok}
        skipped |= dict.fromkeys(labels, "no image")
        for image_id, content in images.read(labels):
            fault = image_fault(content)
            if fault:
                skipped[image_id] = fault
                continue
            del skipped[image_id]
            label = labels[image_id]
            yield (
                image_id,
                {
                    "id": image_id,
                    "image": {"path": f"{image_id}.png", "bytes": content},
                    "text": label.text,
                    "writer_id": label.writer_id,
                    "form_id": form_id(image_id),
                    "segmentation_ok": label.segmentation_ok,
                },
            )
        # While preparing, `_output_dir` is the folder that becomes `cache_dir`
        log_dir = Path(f"{self.cache_dir}-streaming" if streaming else self._output_dir)
        log_path = _write_skipped(log_dir / _skipped_file(split_name), skipped)
        if streaming:
            report_skipped(split_name, skipped, log_path, self.config.on_missing)


def read_iam(
    config: IamConfig,
) -> tuple[dict[str, IamLabel], dict[str, Collection[str]], ImageFiles]:
    """Labels by id, ids by split, and where the images are; no image is opened.

    Raises:
        FileNotFoundError: The folder, its label file or its images are not there.
        ValueError: A label file or a split list is broken.
    """
    data_dir, unit = Path(config.data_dir), config.unit
    label_file = f"{unit}.txt"
    files = read_ascii_files(data_dir, ("forms.txt", label_file))
    images = find_images(data_dir, unit) if label_file in files else None
    if images is None:
        if not data_dir.is_dir():
            problem = "there is no such folder"
        else:
            problem = f"it has no {label_file if label_file not in files else unit[:-1] + ' image'}"
        raise FileNotFoundError(
            f"No IAM {unit} in {data_dir}: {problem}. Looked for {label_file} (also in ascii/ and "
            f"ascii.tgz), and for {unit}.tgz or extracted images, e.g. "
            f"{unit}/a01/a01-000u/{'a01-000u-00-00' if unit == 'words' else 'a01-000u-00'}.png. "
            f"{HOW_TO_GET_IAM}"
        )
    if "forms.txt" not in files:
        logger.warning("%s has no forms.txt: every writer_id is None.", data_dir)
    writers = parse_writers(files.get("forms.txt", ""))
    rows = parse_rows(files[label_file], unit)
    if unit == "words" or config.text == "tokens":
        texts = {image_id: " ".join(row.tokens) for image_id, row in rows.items()}
    else:
        texts = natural_texts(rows.values())
    labels = {
        image_id: IamLabel(
            text=texts[image_id].lower() if config.lowercase else texts[image_id],
            writer_id=writers.get(form_id(image_id)),
            segmentation_ok=row.segmentation_ok,
        )
        for image_id, row in rows.items()
    }
    if config.split == "random_80_20":
        ids_by_split = random_split(labels)
    else:
        ids_by_split = read_split_lists(data_dir, config.split)
        if unit == "words":
            ids_by_split = words_of_lines(labels, ids_by_split)
    return labels, ids_by_split, images


def report_skipped(split: str, skipped: dict[str, str], log_path: Path, on_missing: str) -> None:
    """Warn of what is left out of a split, with counts by reason.

    Raises:
        ValueError: Something is, and `on_missing="error"`.
    """
    if not skipped:
        return
    counts = Counter(reason.split(":")[0] for reason in skipped.values())
    summary = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
    message = f"IAM {split}: {len(skipped)} left out ({summary}), listed in {log_path}."
    if on_missing == "error":
        first_id = min(skipped)
        raise ValueError(
            f"{message} The first is {first_id}: {skipped[first_id]}. "
            "Complete the data, or leave these out with on_missing='skip'."
        )
    logger.warning(message)


def _skipped_file(split: str) -> str:
    return f"skipped-{split}.tsv"


def _write_skipped(path: Path, skipped: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{image_id}\t{reason}\n" for image_id, reason in sorted(skipped.items()))
    path.write_text(f"id\treason\n{rows}", encoding="utf-8")
    return path


def _read_skipped(path: Path) -> dict[str, str]:
    rows = path.read_text(encoding="utf-8").splitlines()[1:]
    return dict(row.split("\t", 1) for row in rows)
