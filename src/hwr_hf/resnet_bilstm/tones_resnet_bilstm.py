"""From a photo's tones to those of a scan: dark writing on evenly light paper.

In and out: uint8 `(height, width)`. A scan, whose paper is bright and even, stays as it is.

What is thin is told from what is wide by morphological closing and opening with a square as high as
the image. Closing fills dark strokes and leaves the paper with its shades and the edges of its
shadows; opening does so with light strokes. To fill the writing takes less than to fill what lies
between the strokes, whatever the light: Serra (1982), "Image Analysis and Mathematical Morphology".
"""

import math

import numpy as np
from PIL import Image

SPECK_SIDE = 8  # pixels; a smaller crop shows a dot and hardly any paper around it
MIN_CONTRAST = 24  # grey levels between ink and paper; less is an empty page with noise
CLEAN_CONTRAST = 12  # the same where the paper has hardly any noise
WORKING_HEIGHT = (
    64  # angles and boxes are measured on an image reduced to one to two times this height
)

ONE_TONE = 16  # grey levels to both sides of a tone that belong to it
FEW = 0.002  # share of pixels that are no writing
NEARLY_AS_LITTLE = 1.2  # to fill the paper in place of the writing, in a tight crop of bold letters
NEARLY_BLACK = 64  # mean grey level of an empty page that is taken for a dark one
EVEN = 0.85  # of the lightest paper, the darkest that needs no lighting
DIM = 128  # grey level; darker paper is lit
SMALL_CROP = 256  # rows
MAX_GAIN = 4.0  # of the lighting; more would only show noise


def normalise_tones(image: np.ndarray) -> np.ndarray:
    """Dark writing on evenly light paper: `is_light_on_dark` and `even_lighting` together."""
    return even_lighting(255 - image if is_light_on_dark(image) else image)


def is_light_on_dark(image: np.ndarray) -> bool:
    """Whether a grey image shows light writing on dark paper.

    It has to take less to fill than what lies between the strokes, or hardly more, as in a tight
    crop of bold letters, and the border has to be dark paper. An image of at most `SPECK_SIDE` rows
    and columns is too small to tell, and taken as dark on light.

    Args:
        image: uint8 of shape `(height, width)`.
    """
    if max(image.shape) <= SPECK_SIDE or _is_lightest_what_is_commonest(image):
        return False
    small = reduced(image, WORKING_HEIGHT)[0]
    dark = closed(small) - small
    light = small - opened(small)
    if max((dark >= CLEAN_CONTRAST).mean(), (light >= CLEAN_CONTRAST).mean()) < FEW:
        return bool(small.mean() < NEARLY_BLACK)
    takes_less = light.mean() < NEARLY_AS_LITTLE * dark.mean()
    return bool(takes_less and _border(light).mean() < _border(dark).mean())


def even_lighting(image: np.ndarray) -> np.ndarray:
    """The image with its paper white where it was in the shade or dim, else unchanged.

    A small crop narrower than twice its height may be all ink, and stays as it is.

    Args:
        image: uint8 of shape `(height, width)`, dark writing on lighter paper.
    """
    height, width = image.shape
    if height <= SPECK_SIDE or (width < 2 * height and height < SMALL_CROP):
        return image
    small, factor = reduced(image, WORKING_HEIGHT)
    tiles = _brightest_of_tiles(small)
    if _is_even(tiles.min(), tiles.max()):  # most scans, at a tenth of the time
        return image
    paper = closed(small, beyond_border=True)
    shaded, bright = np.quantile(paper, (0.05, 0.95))
    if _is_even(shaded, bright) or (small >= EVEN * paper).mean() < 0.5:
        return image  # in a crop of ink there is no paper
    darkest = max(1, math.ceil(bright / MAX_GAIN))
    paper_of_all = Image.fromarray(np.maximum(paper, np.uint8(darkest))).resize(
        (width, height), Image.Resampling.BILINEAR, (0, 0, width / factor, height / factor)
    )
    lit = image.astype(np.uint16) * 255 // np.asarray(paper_of_all)
    return np.minimum(lit, 255).astype(np.uint8)


def _is_lightest_what_is_commonest(image: np.ndarray) -> bool:
    """Whether most pixels are of a light tone and hardly any lighter, so that writing is dark.

    Most scans are like this, and it takes a tenth of the time of closing and opening.
    """
    counts = np.array(Image.fromarray(image).histogram())
    of_tone = np.convolve(counts, np.ones(2 * ONE_TONE + 1), "same")
    level = int(of_tone.argmax())
    lighter = counts[level + 2 * ONE_TONE + 1 :].sum()  # a tone of few levels has its peak early
    return bool(level >= DIM and of_tone[level] > 0.5 * image.size and lighter < FEW * image.size)


def _brightest_of_tiles(image: np.ndarray) -> np.ndarray:
    """Maxima of tiles so large that there is paper in most of them."""
    side = max(1, image.shape[0] // 2)
    rows, columns = (np.arange(0, length, side) for length in image.shape)
    return np.maximum.reduceat(np.maximum.reduceat(image, rows, axis=0), columns, axis=1)


def _is_even(darkest_paper: float, brightest_paper: float) -> bool:
    return bool(darkest_paper >= EVEN * brightest_paper and brightest_paper >= DIM)


def _border(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


# Morphology


def reduced(image: np.ndarray, height: int) -> tuple[np.ndarray, int]:
    """Average square blocks until less than twice `height` rows are left; also the block's side."""
    factor = max(1, image.shape[0] // height)
    if factor == 1:
        return image, 1
    return np.asarray(Image.fromarray(image).reduce(factor)), factor


def closed(image: np.ndarray, beyond_border: bool = False) -> np.ndarray:
    """Morphological closing of uint8 `(height, width)` with a square about as high as the image.

    Args:
        image: What is closed.
        beyond_border: The squares' middles may lie outside of the image too. Then shades are
            followed up to the border, but what touches it counts as wide.
    """
    side = image.shape[0] | 1  # odd, so that it has a middle
    margin = side - 1 if beyond_border else side // 2
    widened = 255 - _highest_in_squares(np.pad(image, margin), side)
    return 255 - _highest_in_squares(np.pad(widened, side - 1 - margin), side)


def opened(image: np.ndarray) -> np.ndarray:
    """Morphological opening, that of dark and light changed."""
    return 255 - closed(255 - image)


def _highest_in_squares(image: np.ndarray, side: int) -> np.ndarray:
    return _highest_of_rows(_highest_of_rows(image, side).T, side).T


def _highest_of_rows(image: np.ndarray, side: int) -> np.ndarray:
    """Maxima of every `side` consecutive rows, in steps that double their reach."""
    num_windows = len(image) - side + 1
    reach = 1
    while 2 * reach <= side:
        image = np.maximum(image[:-reach], image[reach:])
        reach *= 2
    return np.maximum(image[:num_windows], image[side - reach :])
