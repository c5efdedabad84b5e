"""How lines are read when they were photographed in poor light, with and without correction.

In: lines of scans and their texts. Out: the CER in each light, and a picture of one line in each.
A photo is made of a scan: the line on a sheet with margins, less light where the light has less,
and the noise of a sensor.
"""

from collections.abc import Callable

import numpy as np
from datasets import Dataset
from PIL import Image

from .evaluation import evaluate_model
from .figures import contact_sheet
from .resnet_bilstm.image_transforms_resnet_bilstm import to_grey

# Share of the light in a place of the photo, whose sides are at -1 and 1
LIGHTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "even": lambda x, y: 1 + 0 * (x + y),
    "lamp on the left": lambda x, y: 0.7 - 0.3 * x + 0 * y,
    "lamp above": lambda x, y: 0.75 - 0.25 * y + 0 * x,
    "dark corners": lambda x, y: 1 - 0.3 * (x * x + y * y),
    "shadow": lambda x, y: 1 - 0.5 / (1 + np.exp(-20 * (x + 0.1 * y))),
}
MARGIN = 0.5  # of the line's height
EXPOSURE = 0.8  # grey level of white paper in full light, as a share of white
NOISE = 3.0  # grey levels


def photographed(image, light: str, seed: int = 0) -> np.ndarray:
    """A photo of a line in one of `LIGHTS`.

    Args:
        image: Anything that `to_grey` takes, dark on light.
        light: Key of `LIGHTS`.
        seed: Of the noise.
    """
    line = to_grey(image, correct_tones=False)
    sheet = np.pad(line, round(MARGIN * line.shape[0]), constant_values=int(np.median(line)))
    y, x = (np.linspace(-1, 1, size) for size in sheet.shape)
    noise = np.random.default_rng(seed).normal(0, NOISE, sheet.shape)
    photo = sheet * EXPOSURE * LIGHTS[light](x, y[:, None]) + noise
    return np.rint(photo).clip(0, 255).astype(np.uint8)


def compare_lighting(model: str, lines: Dataset, dtype: str = "float32") -> list[dict]:
    """The CER in every light, with and without the image processor's `do_correct_tones`.

    Args:
        model: Folder or Hub id.
        lines: Columns `image` and `text`.
        dtype: As of `evaluate_model`.

    Returns:
        For each light its name, `cer` and `cer_uncorrected`.
    """
    rows = []
    for light in LIGHTS:
        photos = lines.map(
            lambda row, number, light: {
                "image": Image.fromarray(photographed(row["image"], light, number))
            },
            with_indices=True,
            fn_kwargs={"light": light},
            desc=f"Light: {light}",
        )
        cers = [
            evaluate_model(
                model, photos, dtype=dtype, image_processor_options={"do_correct_tones": corrected}
            ).cer
            for corrected in (True, False)
        ]
        rows.append(
            {"light": light, "cer": round(cers[0], 5), "cer_uncorrected": round(cers[1], 5)}
        )
    return rows


def lighting_figure(image) -> Image.Image:
    """A line in every light, each photo beside what is read of it."""
    photos = [photographed(image, light) for light in LIGHTS]
    pairs = [side for photo in photos for side in (photo, to_grey(photo))]
    row_height = 64
    widest = max(photo.shape[1] * row_height / photo.shape[0] for photo in photos)
    return contact_sheet(pairs, width=2 * round(widest) + 40, row_height=row_height)
