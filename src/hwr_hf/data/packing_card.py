"""The card (`README.md`) of a packed data set: what the Hub and `load_dataset` read, then prose.

In: what was counted while packing. Out: the text. Licence and language are what the user said;
where nothing was said the card says so.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping
from string import Template

import datasets
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCardData

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))

CARD = Template("""---
$metadata
---

# $name

$num_lines lines of handwriting, each an image with its text, packed by `hwr-hf dataset pack`.

| split | lines | characters |
|---|---|---|
$table

$splitting

```python
from datasets import load_dataset

lines = load_dataset("$path")  # this folder, or its name on the Hub
```

## Columns

- `id`: where the line is from: the file, and on a page the line in it
- `image`: $images
- `text`: what it says, in Unicode normalisation form C, every run of white space one space
$writer
## Characters

$num_characters different ones, the most frequent first, each with its number:
$characters.

$unknown

## Licence

$licence
""")
LICENCES = {
    "unknown": "Unknown: none was stated when this folder was packed. Unless the owner of the "
    "images and texts allows more, all rights are reserved; ask before you pass the folder on.",
    "other": "None of the usual ones. Ask the owner of the images and texts for the terms before "
    "you pass the folder on.",
}


def write_card(
    *,
    name: str,
    path: str,
    info: datasets.DatasetInfo,
    license: str,
    language: list[str],
    characters: Mapping[str, Counter[str]],
    unknown: Counter[str],
    splitting: str,
    is_cut: bool,
) -> str:
    """The card's text, with YAML that the Hub accepts and `load_dataset` follows.

    Args:
        name: Heading.
        path: For the example.
        info: Features, and splits with their sizes.
        license: Identifier of the Hub.
        language: Codes of ISO 639.
        characters: Characters of every split, counted.
        unknown: Those that the model does not have, over all splits.
        splitting: A sentence on how the splits came about.
        is_cut: The lines were cut from pages.
    """
    num_lines = sum(split.num_examples for split in info.splits.values())
    data = DatasetCardData(
        language=language,
        license=license,
        pretty_name=name,
        size_categories=next((size for limit, size in SIZES if num_lines < limit), "n>1M"),
        task_categories=["image-to-text"],
        tags=["handwriting-recognition", "htr", "ocr"],
    )
    DatasetInfosDict({"default": info}).to_dataset_card_data(data)
    files = [{"split": split, "path": f"data/{split}-*"} for split in info.splits]
    MetadataConfigs({"default": {"data_files": files}}).to_dataset_card_data(data)
    rows = [
        f"| {split} | {part.num_examples} | {characters[split].total()} |"
        for split, part in info.splits.items()
    ]
    everywhere = sum(characters.values(), Counter())
    return CARD.substitute(
        metadata=data.to_yaml(),
        name=name,
        path=path,
        num_lines=num_lines,
        table="\n".join(rows),
        splitting=splitting,
        images="grey, cut from the image of the page" if is_cut else "as it was stored",
        writer="- `writer_id`: who wrote it\n" if "writer_id" in info.features else "",
        num_characters=len(everywhere),
        characters=list_characters(everywhere, "{} {}"),
        unknown=f"The model that the folder was packed for does not have "
        f"{list_characters(unknown, '{} ({})')}."
        if unknown
        else "The model that the folder was packed for has them all.",
        licence=LICENCES.get(license, f"`{license}`, as stated by who packed the folder."),
    )


def list_characters(counts: Mapping[str, int], entry: str) -> str:
    """Characters and their numbers for people, most frequent first.

    >>> list_characters({" ": 3, "é": 1}, "{} {}")
    'space 3, `é` U+00E9 1'
    """
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(entry.format(name_character(c), count) for c, count in ranked)


def name_character(character: str) -> str:
    """A character so that it can be told from others like it."""
    if character == " ":
        return "space"
    code = "" if character.isascii() else f" U+{ord(character):04X}"
    if not character.isprintable() or unicodedata.combining(character):
        return code.strip() or f"U+{ord(character):04X}"
    return f"`{character}`{code}" if character != "`" else "`` ` ``"
