"""Random changes to a prepared line that keep its text: another hand or pen might have written it.

In and out: uint8 `(height, width)`, 0 = ink, 255 = paper. The height stays, the width may change.
Shear, rotation, scale and an elastic field are one mesh of quadrilaterals, so that the line is
resampled once. Elastic fields: Simard et al. (2003), https://doi.org/10.1109/ICDAR.2003.1227801;
one under a pixel does nothing for accuracy, hence the floor of 1 px.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

from .paper import PAPER, Paper

PAGE = Paper(clean=0)


@dataclass(frozen=True)
class Augmentation:
    """Largest size of each change; the drawn size is uniform up to it.

    Args:
        shear: Horizontal shear in columns per row.
        rotation: Degrees.
        scale_x: Relative change of the width.
        scale_y: Relative change of the writing's height within the fixed height.
        elastic: Displacement of the mesh's vertices in pixels; at least 1, or 0 for none.
        mesh_size: Columns and rows of one mesh cell in pixels.
        stroke_width: Probability of thinner or thicker strokes.
        brightness: Relative change of the ink's darkness.
        gamma: Largest exponent (or its inverse) of the grey curve.
        noise: Standard deviation of pixel noise in grey levels.
        binarize: Probability of black and white in place of grey.
        background: Probability of a uniformly grey paper.
        page: Probability of a page with rules, stains, shadows or blur, see `Paper`.

    Raises:
        ValueError: `elastic` lies between 0 and 1 pixel.
    """

    shear: float = 0.3
    rotation: float = 1.0
    scale_x: float = 0.15
    scale_y: float = 0.15
    elastic: float = 1.5
    mesh_size: int = 16
    stroke_width: float = 0.3
    brightness: float = 0.3
    gamma: float = 1.5
    noise: float = 10.0
    binarize: float = 0.15
    background: float = 0.1
    page: float = 0.15

    def __post_init__(self):
        if 0 < self.elastic < 1:
            raise ValueError(
                f"elastic={self.elastic} px is too small to matter: use 0 for none or at least 1."
            )

    def scaled(self, strength: float) -> "Augmentation":
        """The same changes at this part of their size; the elastic field keeps its floor of 1 px.

        Raises:
            ValueError: `strength` is not positive.
        """
        if strength <= 0:
            raise ValueError(f"strength={strength} is not allowed: use a number above 0.")
        proportional = (
            "shear rotation scale_x scale_y stroke_width brightness noise binarize background page"
        )
        return replace(
            self,
            elastic=max(1.0, self.elastic * strength) if self.elastic else 0.0,
            gamma=self.gamma**strength,
            **{name: getattr(self, name) * strength for name in proportional.split()},
        )

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A changed copy of `image`."""
        line = self._change_strokes(Image.fromarray(image), rng)
        line = self._change_shape(line, rng)
        line = self._change_tones(np.asarray(line, dtype=np.float32), rng)
        return PAGE(line, rng) if rng.random() < self.page else line

    def _change_shape(self, line: Image.Image, rng: np.random.Generator) -> Image.Image:
        shear = rng.uniform(-self.shear, self.shear)
        slope = math.tan(math.radians(rng.uniform(-self.rotation, self.rotation)))
        scale_x = 1 + rng.uniform(-self.scale_x, self.scale_x)
        scale_y = 1 + rng.uniform(-self.scale_y, self.scale_y)
        height = line.height
        margin = math.ceil(abs(shear) * height / 2)
        width = max(1, round(line.width * scale_x)) + 2 * margin

        columns = np.linspace(0, width, max(2, round(width / self.mesh_size) + 1)).round()
        rows = np.linspace(0, height, max(2, round(height / self.mesh_size) + 1)).round()
        y, x = np.meshgrid(rows - height / 2, columns - width / 2, indexing="ij")
        # Slope is bounded so that the ends of a long line stay on the canvas.
        slope = float(np.clip(slope, -0.15 * height / width, 0.15 * height / width))
        source_x = (x - shear * y) / scale_x + line.width / 2
        source_y = (y - slope * x) / scale_y + height / 2
        source_x += rng.uniform(-self.elastic, self.elastic, x.shape)
        source_y += rng.uniform(-self.elastic, self.elastic, y.shape)
        return line.transform(
            (width, height),
            Image.Transform.MESH,
            mesh_of(rows, columns, source_y, source_x),
            Image.Resampling.BILINEAR,
            fillcolor=PAPER,
        )

    def _change_strokes(self, line: Image.Image, rng: np.random.Generator) -> Image.Image:
        if rng.random() >= self.stroke_width:
            return line
        thicker = rng.random() < 0.5
        changed = line.filter(ImageFilter.MinFilter(3) if thicker else ImageFilter.MaxFilter(3))
        # Only a part of a one-pixel step: a full one erases the thin strokes of a 48 px line.
        return Image.blend(line, changed, rng.uniform(0.2, 0.7 if thicker else 0.5))

    def _change_tones(self, grey: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if rng.random() < self.binarize:
            ink = np.quantile(grey, 0.02)  # faint writing needs a threshold nearer the paper
            threshold = ink + rng.uniform(0.4, 0.8) * (PAPER - ink)
            return np.where(grey < threshold, 0, PAPER).astype(np.uint8)
        darkness = 1 - grey / PAPER
        darkness **= self.gamma ** rng.uniform(-1, 1)
        darkness *= 1 + rng.uniform(-self.brightness, self.brightness)
        if rng.random() < self.background:
            darkness = darkness * 0.8 + rng.uniform(0, 0.2)
        sigma = rng.uniform(0, self.noise) / PAPER
        darkness += sigma * rng.standard_normal(grey.shape, dtype=np.float32)
        return ((1 - darkness).clip(0, 1) * PAPER).round().astype(np.uint8)


def mesh_of(
    rows: np.ndarray, columns: np.ndarray, source_y: np.ndarray, source_x: np.ndarray
) -> list[tuple[tuple[int, ...], tuple[float, ...]]]:
    """PIL's mesh: for every cell its target box and the four source corners that fill it.

    Args:
        rows, columns: Target coordinates of the cells' edges.
        source_y, source_x: Source coordinates of every vertex, `(len(rows), len(columns))`.
    """
    mesh = []
    for i in range(len(rows) - 1):
        for j in range(len(columns) - 1):
            box = (int(columns[j]), int(rows[i]), int(columns[j + 1]), int(rows[i + 1]))
            corners = ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))  # counter-clockwise
            quad = tuple(float(v) for c in corners for v in (source_x[c], source_y[c]))
            mesh.append((box, quad))
    return mesh
