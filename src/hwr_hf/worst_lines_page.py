"""An HTML page of the lines that a model read worst, with their images.

In: an `EvaluationResult` and the data set it was measured on. Out: one file that holds the images
too, so what may not be passed on of the data set may not be passed on of the page.
"""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from rapidfuzz.distance import Levenshtein

from .evaluation import EvaluationResult, worst_rows
from .line_logits import DatasetImages

if TYPE_CHECKING:
    from datasets import Dataset

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
article { border-top: 1px solid #bbb; padding: 1rem 0; }
h2 { font-size: 1rem; font-weight: 600; margin: 0 0 .5rem; }
img { max-width: 100%; max-height: 8rem; background: #fff; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; margin: .5rem 0 0; }
dd { margin: 0; font-family: ui-monospace, monospace; white-space: pre-wrap; }
mark { background: #ffd2c9; color: #7a1600; text-decoration: underline; }
</style>
<h1>$title</h1>
<p>$summary</p>
$entries
</html>
""")

ENTRY = Template("""<article>
<h2>$id · $edits edits · CER $rate</h2>
<img src="$image" alt="Image of the line">
<dl><dt>True</dt><dd>$reference</dd><dt>Read</dt><dd>$prediction</dd></dl>
</article>""")


def write_worst_lines(
    result: EvaluationResult, dataset: Dataset, path: str | Path, num_lines: int = 100
) -> None:
    """Write an HTML page of the lines that cost most edits: image, true text, what was read.

    The page embeds images of the data set. Keep it on your machine where the data set's terms
    forbid passing them on, as IAM's do.

    Args:
        result: From `evaluate_model`.
        dataset: The data set it was measured on.
        path: The HTML file; its folder is made.
        num_lines: Most lines shown, worst first; lines read without an error are left out.
    """
    counts = result.counts
    rates = counts.character_edits / np.maximum(counts.characters, 1)
    worst = worst_rows(counts)[:num_lines]
    images = DatasetImages(dataset)
    entries = []
    for i in worst:
        reference, prediction = mark_differences(result.references[i], result.predictions[i])
        writer = "" if result.writer_ids is None else f" · writer {result.writer_ids[i]}"
        entries.append(
            ENTRY.substitute(
                id=html.escape(f"{result.ids[i]}{writer}"),
                edits=counts.character_edits[i],
                rate=f"{rates[i]:.0%}",
                image=_data_url(images.open(result.rows[i])),
                reference=reference,
                prediction=prediction,
            )
        )
    page = PAGE.substitute(
        title=f"Worst {len(worst)} of {len(result.rows)} lines",
        summary=html.escape(
            f"{result.model}: CER {result.cer:.2%}, WER {result.wer:.2%}. Marked characters differ."
        ),
        entries="\n".join(entries),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def mark_differences(reference: str, prediction: str) -> tuple[str, str]:
    """Both texts as HTML, with the characters that a shortest edit changes inside `<mark>`.

    >>> mark_differences("house", "mouse")
    ('<mark>h</mark>ouse', '<mark>m</mark>ouse')
    """
    marked_reference, marked_prediction = [], []
    for edit in Levenshtein.opcodes(reference, prediction):
        for text, start, end, marked in (
            (reference, edit.src_start, edit.src_end, marked_reference),
            (prediction, edit.dest_start, edit.dest_end, marked_prediction),
        ):
            part = html.escape(text[start:end])
            marked.append(part if edit.tag == "equal" or not part else f"<mark>{part}</mark>")
    return "".join(marked_reference), "".join(marked_prediction)


def _data_url(image: Image.Image) -> str:
    png = io.BytesIO()
    image.convert("L").save(png, format="PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode("ascii")
