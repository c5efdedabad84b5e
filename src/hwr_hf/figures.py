"""Pictures for documents: from grey images to one PIL image."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hwr_hf.resnet_bilstm.image_transforms_resnet_bilstm import deskew_moments, to_grey

ROW_NAMES = ("original", "deskewed once", "deskewed twice")
GAP = 12  # pixels between the pictures


def deskew_figure(images: Sequence, row_height: int = 64) -> Image.Image:
    """Words before and after one and two passes of moment deskew, as in figure 2 of Ma (2023).

    Args:
        images: Words or short lines, each anything that `to_grey` takes.
        row_height: Height of a word in the figure, in pixels.

    Returns:
        Grey picture: the rows original, deskewed once, deskewed twice; one column an image.

    Raises:
        ValueError: There is no image, or one cannot be read.
    """
    if len(images) == 0:
        raise ValueError("The figure needs at least one image.")
    greys = [to_grey(image) for image in images]
    rows = [
        [_of_height(deskew_moments(grey, num_passes), row_height) for grey in greys]
        for num_passes in range(len(ROW_NAMES))
    ]
    font = ImageFont.load_default(size=14)
    name_width = round(max(font.getlength(name) for name in ROW_NAMES))
    column_widths = [max(cell.width for cell in column) for column in zip(*rows, strict=True)]
    width = GAP + name_width + GAP + sum(column_width + GAP for column_width in column_widths)
    figure = Image.new("L", (width, GAP + len(rows) * (row_height + GAP)), 255)
    draw = ImageDraw.Draw(figure)
    top = GAP
    for name, row in zip(ROW_NAMES, rows, strict=True):
        draw.text((GAP, top + row_height // 2), name, fill=0, font=font, anchor="lm")
        left = GAP + name_width + GAP
        for cell, column_width in zip(row, column_widths, strict=True):
            figure.paste(cell, (left + (column_width - cell.width) // 2, top))
            left += column_width + GAP
        top += row_height + GAP
    return figure


def reading_figure(image, reading: dict) -> Image.Image:
    """An image with the words read from it underneath, each in its box.

    Args:
        image: Anything that `to_grey` takes.
        reading: The pipeline's answer with `return_words=True`.

    Returns:
        RGB picture. Boxes and words go from red (score 0) to green (score 1).
    """
    line = Image.fromarray(to_grey(image))
    text_height = max(18, line.height // 3)
    font = ImageFont.load_default(size=text_height * 0.6)
    figure = Image.new("RGB", (line.width, line.height + text_height), "white")
    figure.paste(line.convert("RGB"))
    draw = ImageDraw.Draw(figure)
    for word in reading["words"]:
        left, top, right, bottom = word["box"]
        colour = (round(190 * (1 - word["score"])), round(140 * word["score"]), 60)
        draw.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=2)
        label = f"{word['text']} {word['score']:.0%}"
        position = ((left + right) / 2, line.height + text_height / 2)
        draw.text(position, label, fill=colour, font=font, anchor="mm")
    return figure


def contact_sheet(images: Sequence, width: int = 1600, row_height: int = 48) -> Image.Image:
    """Lines side by side in rows, as many a row as fit.

    Args:
        images: Lines, each anything that `to_grey` takes.
        width: Of the picture, in pixels; a wider line is made as narrow.
        row_height: Height of a line in the picture, in pixels.

    Returns:
        Grey picture.

    Raises:
        ValueError: There is no image, or one cannot be read.
    """
    if len(images) == 0:
        raise ValueError("The sheet needs at least one image.")
    places, left, top = [], GAP, GAP
    for image in images:
        cell = _of_height(to_grey(image, correct_tones=False), row_height)
        cell.thumbnail((width - 2 * GAP, row_height))
        if left > GAP and left + cell.width > width - GAP:
            left, top = GAP, top + row_height + GAP
        places.append((cell, (left, top)))
        left += cell.width + GAP
    sheet = Image.new("L", (width, top + row_height + GAP), 255)
    for cell, place in places:
        sheet.paste(cell, place)
    return sheet


def _of_height(image: np.ndarray, height: int) -> Image.Image:
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    return Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
