"""Draw the sample images under samples/ from handwriting fonts.

python scripts/draw_samples.py --fonts path/to/fonts --output samples

The fonts have to be free to use; the samples here are drawn from Caveat, Kalam and Nanum Pen
Script (SIL Open Font License 1.1).
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hwr_hf.data.augmentation import Augmentation

SAMPLES = {
    "line.png": ("kalam", "The letter came by the morning post.", 0.0),
    "climbing.png": ("caveat", "We walked along the river until dark", 3.0),
    "word.png": ("nanum-pen-script", "handwriting", 0.0),
}
# A pen is never as regular as a font: no two letters of a line are quite the same.
PEN = Augmentation(
    shear=0.1,
    rotation=0,
    scale_x=0.05,
    scale_y=0.05,
    elastic=2.0,
    mesh_size=24,
    stroke_width=0,
    brightness=0.1,
    gamma=1.0,
    noise=4.0,
    binarize=0,
    background=0,
)


def draw_sample(font_path: Path, text: str, climb: float, seed: int) -> Image.Image:
    """One grey line of about 100 px, climbing by so many degrees."""
    font = ImageFont.truetype(font_path, 72)
    left, top, right, bottom = font.getbbox(text)
    line = Image.new("L", (right - left + 60, bottom - top + 40), 255)
    ImageDraw.Draw(line).text((30 - left, 20 - top), text, fill=40, font=font)
    line = line.rotate(climb, Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    return Image.fromarray(PEN(np.asarray(line), np.random.default_rng(seed)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fonts", type=Path, required=True, help="folder with <name>.woff2 files")
    parser.add_argument("--output", type=Path, default=Path("samples"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for seed, (name, (font, text, climb)) in enumerate(SAMPLES.items()):
        sample = draw_sample(arguments.fonts / f"{font}.woff2", text, climb, seed)
        sample.save(arguments.output / name, optimize=True)


if __name__ == "__main__":
    main()
