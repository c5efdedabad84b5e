"""From a folder of a user's own images and texts to a `datasets` folder of Parquet files.

In: any folder that `labelled_formats` knows. Out: `data/<split>-00000-of-0000N.parquet` with `id`,
`image`, `text` and, where known, `writer_id`; a card (`README.md`); `skipped.tsv`, what was left
out and why; `packing.json`, how it was made. `datasets.load_dataset(folder)` reads it, and the Hub
takes it as it is. Lines are written while they are read, so memory does not grow with their number.
"""

import json
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from datasets.utils.py_utils import convert_file_size_to_int
from tqdm import tqdm

from hwr_hf import DEFAULT_MODEL, __version__
from hwr_hf.json_files import write_json
from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import ResNetBiLstmTokenizer

from .group_splits import SPLITS, check_shares, draw_splits
from .labelled_folder import Fault, LabelledFolder, LabelledLine
from .labelled_formats import FORMATS, detect_format, read_lines
from .packing_card import name_character, write_card
from .transcribed_page import CUTS

MADE_BY = "hwr-hf dataset pack"
CARD_FILE, SKIPPED_FILE, ABOUT_FILE = "README.md", "skipped.tsv", "packing.json"
ON_UNKNOWN = ("keep", "skip", "error")
ROW_GROUP_LINES = 100  # what `datasets` takes for images: a reader fetches a row group at a time
ROW_GROUP_BYTES = 32 * 1024**2


@dataclass(frozen=True)
class PackingOptions:
    """How a folder is packed.

    Attributes:
        format: One of `FORMATS`, or `"auto"`.
        cut: How lines are cut from pages, `"polygon"` or `"box"`.
        validation: Share of the lines that are not in a split already.
        test: The same.
        seed: Of the draw of splits.
        group: Regular expression; lines in whose ids its first group finds the same are drawn into
            one split. Default: the writer, else the page or form, else the sub-folder, else the
            line.
        writer: Regular expression whose first group finds the writer in an id.
        on_unknown: `"keep"`, `"skip"` or `"error"`: lines with characters the model does not have.
        strict: Raise at the first line that would be skipped.
        license: Identifier of the Hub.
        language: Codes of ISO 639.
        name: Heading of the card; default: the folder's name.
        max_shard_size: Of a Parquet file: bytes, or text such as `"500MB"`.

    Raises:
        ValueError: A value is not allowed.
    """

    format: str = "auto"
    cut: str = "polygon"
    validation: float = 0.1
    test: float = 0.1
    seed: int = 0
    group: str | None = None
    writer: str | None = None
    on_unknown: str = "keep"
    strict: bool = False
    license: str = "unknown"
    language: tuple[str, ...] = ("en",)
    name: str | None = None
    max_shard_size: int | str = "500MB"

    def __post_init__(self):
        choices = {"format": ("auto", *FORMATS), "cut": CUTS, "on_unknown": ON_UNKNOWN}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is not one of {', '.join(allowed)}."
                )
        check_shares(self.validation, self.test)
        for name in ("group", "writer"):
            try:
                groups = re.compile(getattr(self, name) or "()").groups
            except re.error as error:
                raise ValueError(f"{name}={getattr(self, name)!r} is no pattern: {error}") from None
            if groups != 1:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} has {groups} groups in brackets, one is "
                    r"needed: '(.*)-\d+' finds page-12 in page-12-03."
                )
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", self.license):
            raise ValueError(
                f"license={self.license!r} is no identifier of the Hub, such as cc-by-4.0, other "
                "or unknown: https://huggingface.co/docs/hub/repositories-licenses"
            )
        for code in self.language:
            if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]+)*", code):
                raise ValueError(f"language={code!r} is no code of ISO 639, such as en, de or sco.")
        convert_file_size_to_int(self.max_shard_size)


@dataclass
class SplitContent:
    """What was written of a split."""

    lines: int = 0
    num_bytes: int = 0
    characters: Counter[str] = field(default_factory=Counter)


@dataclass
class PackingResult:
    """What became of a folder: its format, lines by split, and what was left out by reason.

    `unknown` counts the characters that the model does not have, in lines kept and skipped.
    """

    output: Path
    format: str
    splits: dict[str, SplitContent]
    skipped: Counter[str]
    unknown: Counter[str]


def pack_folder(
    folder: str | Path,
    output: str | Path,
    options: PackingOptions | None = None,
    *,
    alphabet: frozenset[str] | None = None,
    overwrite: bool = False,
    report: Callable[[Fault], None] = lambda fault: None,
    progress: bool | None = False,
) -> PackingResult:
    """Pack a folder of images and texts.

    The output appears when it is complete; a run that ends before leaves nothing behind.

    Args:
        folder: The user's folder, which stays as it is.
        output: Folder to write; one that this function made can be replaced.
        options: Default: `PackingOptions()`.
        alphabet: Characters the model has; default: those of the package's model.
        overwrite: Replace an `output` that this function made.
        report: Told of everything that is left out, as it is found.
        progress: Show progress bars on standard error; None: on a terminal only.

    Raises:
        FileNotFoundError: There is no such folder.
        PackingStoppedError: Something would be skipped and `strict` is set, or a character is
            unknown and `on_unknown` is `"error"`.
        ValueError: The folder has no texts, no line of it can be used, or `output` is in the way.
    """
    options = options or PackingOptions()
    alphabet = model_alphabet(DEFAULT_MODEL) if alphabet is None else alphabet
    output = Path(output).expanduser().resolve()
    source = LabelledFolder(folder, excluded=output)
    check_output(output, source.folder, overwrite)
    format = detect_format(source) if options.format == "auto" else options.format

    survey = _Survey(options)
    lines = read_lines(source, format, options.cut)
    for line in tqdm(lines, desc="Looking through", unit="line", disable=_hidden(progress)):
        if isinstance(line, LabelledLine):
            survey.add(line)
    split_of = draw_splits(survey.group_sizes, options.validation, options.test, options.seed)

    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}-", dir=output.parent) as workshop:
        unfinished = Path(workshop, "new")
        unfinished.mkdir()
        packer = _Packer(unfinished, options, alphabet, survey.has_writers, report)
        bar = tqdm(desc="Packing", total=survey.num_lines, unit="line", disable=_hidden(progress))
        with packer, bar:
            for line in read_lines(source, format, options.cut):
                packer.add(line, split_of)
                bar.update(isinstance(line, LabelledLine))
        splits = {split: packer.contents[split] for split in SPLITS if split in packer.contents}
        result = PackingResult(output, format, splits, packer.skipped, packer.unknown)
        if not result.splits:
            reasons = ", ".join(f"{count} x {why}" for why, count in result.skipped.items())
            raise ValueError(
                f"No line of {source.folder} can be packed: {reasons or 'none there'}."
            )
        _write_documents(unfinished, source, options, survey, result, packer.features)
        _put_in_place(unfinished, output, Path(workshop, "old"))
    return result


def model_alphabet(model: str | Path) -> frozenset[str]:
    """The characters that a model's tokenizer has.

    Raises:
        OSError: There is no such model.
    """
    tokenizer = ResNetBiLstmTokenizer.from_pretrained(model)
    special = {tokenizer.pad_token, tokenizer.unk_token}
    return frozenset(token for token in tokenizer.get_vocab() if token not in special)


def check_output(output: Path, source: Path, overwrite: bool) -> None:
    """Raises ValueError unless `output` can be written without loss of anything but itself."""
    if source.is_relative_to(output):
        raise ValueError(f"{output} holds the images to pack. Give another --output.")
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not _is_packed(output):
        raise ValueError(
            f"{output} is there and was not made by `{MADE_BY}`, so it is not replaced. Give "
            "another --output."
        )
    if not overwrite:
        raise ValueError(f"{output} is there. Give another --output, or replace it: --overwrite.")


def normalise_text(text: str) -> str:
    """A line's text in Unicode normalisation form C, every run of white space one space.

    Raises:
        ValueError: It is empty, has several lines, or has bytes that are not UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("not UTF-8: save the texts in this encoding") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise ValueError("empty text")
    if len(lines) > 1:
        raise ValueError(f"several lines of text: {len(lines)}, an image shows one")
    return " ".join(unicodedata.normalize("NFC", lines[0]).split())


class PackingStoppedError(ValueError):
    """`strict` or `on_unknown="error"` ended the packing; the message says at which line."""


class _Survey:
    """What has to be known before the first line is written."""

    def __init__(self, options: PackingOptions):
        self.options = options
        self.num_lines = 0
        self.group_sizes: Counter[str] = Counter()
        self.has_writers = False
        self.has_splits = False

    def add(self, line: LabelledLine) -> None:
        self.num_lines += 1
        self.has_writers |= writer_of(line, self.options) is not None
        self.has_splits |= line.split is not None
        if line.split is None:
            self.group_sizes[group_of(line, self.options)] += 1

    def splitting(self) -> str:
        """How the splits came about, for the card."""
        if not self.group_sizes:
            return "Lines are in the split that the original folder has them in."
        kinds = {group.partition(":")[0] for group in self.group_sizes}
        together = " or ".join(sorted(kinds - {"line"}))
        by_line = "" if together else "line by line "
        drawn = f"drawn {by_line}with seed {self.options.seed}"
        whole = f"lines of one {together} are in one split"
        if not self.has_splits:
            return f"The splits were {drawn}" + (f"; {whole}." if together else ".")
        whatever = f", whatever their {together}" if together else ""
        return (
            f"Lines that the original folder names a split for are in it{whatever}; the others "
            f"were {drawn}" + (f", and of those, {whole}." if together else ".")
        )


def group_of(line: LabelledLine, options: PackingOptions) -> str:
    """What is drawn as one into a split: kind and name, such as `"writer:17"`."""
    if options.group:
        found = re.search(options.group, line.id)
        return f"group:{found.group(1)}" if found else f"line:{line.id}"
    writer = writer_of(line, options)
    if writer is not None:
        return f"writer:{writer}"
    return f"line:{line.id}" if line.group is None else f"page:{line.group}"


def writer_of(line: LabelledLine, options: PackingOptions) -> str | None:
    """Who wrote a line, if the folder or the pattern tells."""
    found = re.search(options.writer, line.id) if options.writer else None
    return found.group(1) if found else line.writer_id


class _Packer:
    """Checks lines one by one and writes them to the shards of their splits."""

    def __init__(
        self,
        folder: Path,
        options: PackingOptions,
        alphabet: frozenset[str],
        has_writers: bool,
        report: Callable[[Fault], None],
    ):
        self.folder = folder
        self.options = options
        self.alphabet = alphabet
        self.report = report
        columns = {"id": datasets.Value("string"), "image": datasets.Image()}
        columns["text"] = datasets.Value("string")
        if has_writers:
            columns["writer_id"] = datasets.Value("string")
        self.features = datasets.Features(columns)
        self.shards: dict[str, _ShardWriter] = {}
        self.contents: dict[str, SplitContent] = {}
        self.skipped: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.seen: set[str] = set()

    def __enter__(self) -> "_Packer":
        (self.folder / "data").mkdir()
        # A file name may hold bytes that are not UTF-8.
        self.log = (self.folder / SKIPPED_FILE).open(
            "w", encoding="utf-8", errors="backslashreplace"
        )
        self.log.write("file\treason\n")
        return self

    def __exit__(self, *exception) -> None:
        for shards in self.shards.values():
            shards.close()
        self.log.close()

    def add(self, line: LabelledLine | Fault, split_of: dict[str, str]) -> None:
        """Write a line, or note why not."""
        if isinstance(line, Fault):
            self._skip(line)
            return
        try:
            row = self._row(line)
        except PackingStoppedError:
            raise
        except (ValueError, OSError) as error:
            self._skip(Fault(line.file, str(error)))
            return
        self.seen.add(line.id)
        # A line that came into the folder after the draw is in none of its groups.
        split = line.split or split_of.get(group_of(line, self.options), "train")
        if split not in self.shards:
            self.shards[split] = _ShardWriter(
                self.folder / "data",
                split,
                self.features,
                convert_file_size_to_int(self.options.max_shard_size),
            )
            self.contents[split] = SplitContent()
        self.shards[split].add(row)
        content = self.contents[split]
        content.lines += 1
        content.characters.update(row["text"])
        content.num_bytes = self.shards[split].num_bytes

    def _row(self, line: LabelledLine) -> dict:
        text = normalise_text(line.text)
        writer = writer_of(line, self.options)
        try:
            f"{line.id}{writer}".encode()
        except UnicodeEncodeError as error:
            raise ValueError("not UTF-8: the name of the file or of the writer") from error
        if line.id in self.seen:
            raise ValueError(f"id is there twice: {line.id}")
        content, suffix = line.read_image()
        self._check_characters(line, text)
        row = {
            "id": line.id,
            "image": {"bytes": content, "path": f"{line.id}{suffix}"},
            "text": text,
            "writer_id": writer,
        }
        return {name: row[name] for name in self.features}

    def _check_characters(self, line: LabelledLine, text: str) -> None:
        unknown = Counter(character for character in text if character not in self.alphabet)
        self.unknown.update(unknown)
        if not unknown or self.options.on_unknown == "keep":
            return
        names = ", ".join(map(name_character, unknown))
        if self.options.on_unknown == "error":
            raise PackingStoppedError(
                f"{line.file} has characters that the model does not have: {names}. Correct the "
                "text, or leave such lines out (--on-unknown skip) or in (--on-unknown keep)."
            )
        raise ValueError(f"characters the model does not have: {names}")

    def _skip(self, fault: Fault) -> None:
        reason = " ".join(fault.reason.split())
        if self.options.strict:
            raise PackingStoppedError(
                f"{fault.file}: {reason}. Correct it, or have it skipped: leave --strict out."
            )
        file = fault.file.replace("\t", " ").replace("\n", " ")
        self.log.write(f"{file}\t{reason}\n")
        self.skipped[reason.partition(":")[0]] += 1
        self.report(Fault(file, reason))


class _ShardWriter:
    """Parquet files of one split, each begun when the one before is full."""

    def __init__(self, folder: Path, split: str, features: datasets.Features, max_bytes: int):
        self.folder = folder
        self.split = split
        self.schema = features.arrow_schema
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self.shard_bytes = 0
        self.rows: list[dict] = []
        self.row_bytes = 0
        self.paths: list[Path] = []
        self.writer: pq.ParquetWriter | None = None

    def add(self, row: dict) -> None:
        self.rows.append(row)
        size = len(row["image"]["bytes"]) + len(row["text"].encode())
        self.row_bytes += size
        self.num_bytes += size
        if len(self.rows) >= ROW_GROUP_LINES or self.row_bytes >= ROW_GROUP_BYTES:
            self._write_rows()

    def close(self) -> None:
        self._write_rows()
        if self.writer is not None:
            self.writer.close()
        for number, path in enumerate(self.paths):
            name = f"{self.split}-{number:05d}-of-{len(self.paths):05d}.parquet"
            path.rename(self.folder / name)

    def _write_rows(self) -> None:
        if not self.rows:
            return
        if self.writer is not None and self.shard_bytes + self.row_bytes > self.max_bytes:
            self.writer.close()
            self.writer = None
        if self.writer is None:
            self.paths.append(self.folder / f"{self.split}-{len(self.paths):05d}.unfinished")
            self.writer = pq.ParquetWriter(self.paths[-1], self.schema)
            self.shard_bytes = 0
        self.writer.write_table(pa.Table.from_pylist(self.rows, schema=self.schema))
        self.shard_bytes += self.row_bytes
        self.rows, self.row_bytes = [], 0


def _write_documents(
    folder: Path,
    source: LabelledFolder,
    options: PackingOptions,
    survey: _Survey,
    result: PackingResult,
    features: datasets.Features,
) -> None:
    """The card and `packing.json`."""
    splits = datasets.splits.SplitDict()
    for split, content in result.splits.items():
        splits.add(
            datasets.SplitInfo(split, num_bytes=content.num_bytes, num_examples=content.lines)
        )
    info = datasets.DatasetInfo(
        features=features,
        splits=splits,
        dataset_size=sum(content.num_bytes for content in result.splits.values()),
        download_size=sum(path.stat().st_size for path in folder.glob("data/*.parquet")),
    )
    card = write_card(
        name=options.name or source.folder.name,
        path=result.output.name,
        info=info,
        license=options.license,
        language=list(options.language),
        characters={split: content.characters for split, content in result.splits.items()},
        unknown=result.unknown,
        splitting=survey.splitting(),
        is_cut=result.format in ("page", "alto"),
    )
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    about = {
        "made_by": MADE_BY,
        "version": __version__,
        "format": result.format,
        "options": asdict(options),
        "splits": {split: content.lines for split, content in result.splits.items()},
        "skipped": result.skipped,
        "unknown_characters": result.unknown,
    }
    write_json(folder / ABOUT_FILE, about)


def _put_in_place(unfinished: Path, output: Path, old: Path) -> None:
    if output.exists():
        output.rename(old)
    try:
        unfinished.rename(output)
    except OSError:
        if old.exists():
            old.rename(output)
        raise


def _is_packed(folder: Path) -> bool:
    try:
        about = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
        return about["made_by"] == MADE_BY
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _hidden(progress: bool | None) -> bool | None:
    return None if progress is None else not progress
