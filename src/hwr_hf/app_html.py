"""What the app shows of a reading, as HTML: words, alternatives, correction, steps, downloads.

In: a `LineReading`. Out: strings without scripts; text is escaped, and pictures and downloads are
`data:` URLs, so that the server keeps no file. `app_files/app.css` gives the classes their look.
"""

import base64
import json
import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from html import escape
from io import BytesIO
from urllib.parse import quote

from PIL import Image

from .app_reading import LineReading, Step

# Least score, class and meaning; the colour is never the only sign, the number stands beside it.
CONFIDENCES = (
    (0.9, "hwr-sure", "90 % and more"),
    (0.6, "hwr-unsure", "60 to 90 %"),
    (0.0, "hwr-doubtful", "below 60 %"),
)


def result_html(reading: LineReading) -> str:
    """All of a reading but its notes, its text and its steps."""
    best = reading.readings[0]
    parts = [words_html(best["words"], best["score"])]
    if reading.corrected_text is not None:
        difference = diff_html(best["generated_text"], reading.corrected_text)
        parts.append(f"<h3>Correction</h3>{difference}")
    if reading.decoder == "beam":
        parts.append(alternatives_html(reading.readings, reading.uses_ngram))
    parts.append(downloads_html(reading))
    return "".join(parts)


def message_html(text: str, kind: str = "hwr-error", role: str = "alert") -> str:
    """A message that a screen reader speaks."""
    return f'<p class="hwr-message {kind}" role="{role}">{escape(text)}</p>'


def notes_html(notes: Sequence[str]) -> str:
    """Hints that do not stand in the way of the reading."""
    return "".join(message_html(note, "hwr-hint", role="status") for note in notes)


def words_html(words: Sequence[dict], score: float) -> str:
    """Words coloured by their scores, each with its number, and what the colours mean."""
    items = "".join(
        f'<li class="hwr-word {_confidence(word["score"])}">'
        f"<span>{escape(word['text'])}</span> <small>{_percent(word['score'])}</small></li>"
        for word in words
    )
    legend = " ".join(
        f'<span class="hwr-word {name}">{meaning}</span>' for _, name, meaning in CONFIDENCES
    )
    return (
        f'<h3>Words</h3><ul class="hwr-words">{items}</ul>'
        f'<p class="hwr-small">How probably each word is right: {legend}. '
        f"The whole text: {_percent(score)}.</p>"
    )


def alternatives_html(readings: Sequence[dict], uses_ngram: bool = True) -> str:
    """The texts that a beam search found, best first, with both scores."""
    weighed_in = ", which weighs in the language model" if uses_ngram else ""
    rows = "".join(
        f"<tr><td>{rank}</td><td>{escape(reading['generated_text'])}</td>"
        f"<td>{_percent(reading['score'])}</td><td>{reading['fused_score']:.1f}</td></tr>"
        for rank, reading in enumerate(readings, start=1)
    )
    return (
        '<h3>Best readings</h3><div class="hwr-scroll"><table class="hwr-table"><thead><tr>'
        '<th scope="col">Rank</th><th scope="col">Text</th>'
        '<th scope="col">Probability</th><th scope="col">Fused score</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
        '<p class="hwr-small">The probability is that of the text given the picture; the search '
        f"ranks by the fused score{weighed_in}.</p>"
    )


def diff_html(before: str, after: str) -> str:
    """What a correction took out, struck, and what it put in, underlined, word by word."""
    old, new = (re.findall(r"\s+|\S+", text) for text in (before, after))
    parts = []
    for operation, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        removed, added = escape("".join(old[i:j])), escape("".join(new[k:m]))
        if operation == "equal":
            parts.append(removed)
            continue
        if removed:
            parts.append(f"<del>{removed}</del>")
        if added:
            parts.append(f"<ins>{added}</ins>")
    note = "" if before != after else '<p class="hwr-small">Nothing to correct.</p>'
    return f'<p class="hwr-diff">{"".join(parts)}</p>{note}'


def steps_html(steps: Sequence[Step]) -> str:
    """The pictures of the steps under their captions."""
    figures = "".join(
        f'<figure class="hwr-step"><figcaption>{escape(step.caption)}'
        f"{'' if step.is_used else ' <small>(to compare)</small>'}</figcaption>"
        f'<img src="{_data_url(step.image)}" alt="{escape(step.caption)}"></figure>'
        for step in steps
    )
    return f'<h2>Step by step</h2><div class="hwr-steps">{figures}</div>'


def downloads_html(reading: LineReading) -> str:
    """Links that save the text and the whole record."""
    record = json.dumps(reading.record(), ensure_ascii=False, indent=2)
    links = (
        ("reading.txt", "text/plain", reading.text + "\n", "Download text"),
        ("reading.json", "application/json", record + "\n", "Download JSON"),
    )
    return (
        '<p class="hwr-downloads">'
        + "".join(
            f'<a class="hwr-button" download="{name}" '
            f'href="data:{kind};charset=utf-8,{quote(content)}">{label}</a>'
            for name, kind, content, label in links
        )
        + "</p>"
    )


def _confidence(score: float) -> str:
    return next(name for least, name, _ in CONFIDENCES if score >= least)


def _percent(score: float) -> str:
    """`88 %`; what is little but not nothing is `< 1 %`, as HTML."""
    return "&lt; 1 %" if 0 < score < 0.005 else f"{100 * score:.0f} %"


def _data_url(image: Image.Image) -> str:
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=85)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
