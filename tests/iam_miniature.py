"""A database shaped like IAM, a few lines long, with texts and images of the tests' own."""

import io
import tarfile
from pathlib import Path

from drawing import draw_text_line

# Form, line and word ids are shaped like IAM's; texts and images are the tests' own. `a01` is
# training, `c04-156` validation and `c04-110` test by the aachen lists; `z99` is in no list.
WRITERS = {"a01-000u": "000", "a01-003": "002", "c04-156": "131", "c04-110": "126", "z99-001": "9"}
LINES = {
    "a01-000u-00": ("ok", "No|,|that|'s|her|\"|hat"),
    "a01-000u-01": ("err", '"|,|said|#|(|B B C|)|.'),
    "a01-003-00": ("ok", "Three|ducks|:|Tom's|."),
    "c04-156-00": ("ok", "A|green|-|door|?"),
    "c04-110-00": ("err", "Rain|again|!"),
    "c04-110-01": ("ok", "Tea"),
    "z99-001-00": ("ok", "Stray"),
}
SPLITS = {
    "tr.lst": ["a01-000u-00", "a01-000u-01", "a01-003-00"],
    "va.lst": ["c04-156-00"],
    "te.lst": ["c04-110-00", "c04-110-01"],
}


def png_bytes(text: str) -> bytes:
    buffer = io.BytesIO()
    draw_text_line(text, font_size=12, margin=2).save(buffer, "PNG")
    return buffer.getvalue()


def label_files() -> dict[str, str]:
    """`forms.txt`, `lines.txt` and `words.txt`; the words' flags are `ok` and `er`."""
    forms = [f"{form} {writer} 1 all 1 1 5 5" for form, writer in WRITERS.items()]
    lines = [f"{i} {flag} 154 3 40 70 300 60 {tokens}" for i, (flag, tokens) in LINES.items()]
    words = []
    for i, (flag, tokens) in LINES.items():
        word_flag = "ok" if flag == "ok" else "er"
        for index, token in enumerate(tokens.split("|")):
            box = "-1 -1 -1 -1" if token == "ducks" else "40 70 90 60"
            words.append(f"{i}-{index:02d} {word_flag} 154 {box} NN {token}")
    tables = {"forms.txt": forms, "lines.txt": lines, "words.txt": words}
    return {name: "\n".join([f"#--- {name} ---#", *rows, ""]) for name, rows in tables.items()}


def image_files() -> dict[str, dict[str, bytes]]:
    """Stored images by unit and path, e.g. `["lines"]["a01/a01-000u/a01-000u-00.png"]`."""
    units = {"lines": {}, "words": {}}
    for i, (_, tokens) in LINES.items():
        form = "-".join(i.split("-")[:2])
        folder = f"{i[:3]}/{form}"
        units["lines"][f"{folder}/{i}.png"] = png_bytes(tokens.replace("|", " "))
        for index, token in enumerate(tokens.split("|")):
            units["words"][f"{folder}/{i}-{index:02d}.png"] = png_bytes(token)
    return units


def write_archive(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def write_tree(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
