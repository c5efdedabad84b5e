"""From any image of handwriting to an upright, deskewed, tightly cropped grey line.

In: a path, PIL image, numpy array or torch tensor. Out: `np.ndarray` uint8 `(height, width)`,
0 = ink, 255 = paper, and the affine that leads from its coordinates back to the original image.

An affine is a float matrix on `(x, y, 1)` in continuous pixel coordinates: pixel `i` covers
`[i, i + 1)`. Angles are in degrees: skew is positive when the line climbs to the right, slant when
the strokes lean to the right.

References:
    Moment deskew: Ma (2023), https://doi.org/10.5220/0012801000003885
    Threshold: Otsu (1979), https://doi.org/10.1109/TSMC.1979.4310076
    Skew by projection profile: Postl (1986), "Detection of linear oblique structures and skew scan
        in digitized documents", ICPR, pp. 687-689
    Slant by projection profile: Pastor, Toselli and Vidal (2004), "Projection profile based
        algorithm for slant removal", ICIAR, LNCS 3212, pp. 183-190
"""

import math
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image

from .tones_resnet_bilstm import (
    CLEAN_CONTRAST,
    MIN_CONTRAST,
    SPECK_SIDE,
    WORKING_HEIGHT,
    normalise_tones,
    reduced,
)

MAX_SKEW = 15.0  # degrees
MAX_SLANT = 45.0  # degrees
MAX_UPSCALING = 2.0  # a lone full stop must not grow into a blob as high as a letter
MIN_WIDTH = 16  # columns of the prepared line
ANGLES_AT_ONCE = 16  # tried; more would take more memory for a very wide line
COARSE_PIXELS = 2000  # of ink, that tell an angle roughly
SLANT_STEP = 2.5  # degrees between the slants tried
CONTRAST_TO_GRAIN = 5  # of faint ink, to the deviation of the paper; normal noise halved has 2.6
ACROSS = 0.8  # of the image: so long is no stroke, but a rule or an edge
DOT_INK = 1.25  # pixels as dark as the strokes that a pale dot weighs, in a square of 3x3
DOT_HEIGHT = 1 / 3  # of the ink, at most; what is higher is a margin line or a letter
DARKEST_IN_DOT = 0.6  # of a stroke's darkness, that a pixel counts for: two are a speck, not a dot
BUSY_ROWS = 0.25  # of a line, those that cross most strokes: the height of small letters
FEW_STROKES, MANY_STROKES = 20, 40  # in a row: so few tell nothing of their density, so many all
MAX_STRETCH = 1.5  # of the columns for the density of strokes, and its inverse the least

# What Pillow raises on bytes that are no image, or half of one
UNREADABLE_IMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

# What makes an image of each EXIF orientation upright; 1 is upright
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

DESKEW_METHODS = ("moment", "line")
ON_TOO_WIDE = ("warn", "error")


# From any image to grey


def to_grey(image, correct_tones: bool = True) -> np.ndarray:
    """Greyscale image, dark ink on light paper.

    Args:
        image: A path; a PIL image of any mode (its EXIF rotation is applied unless it is damaged,
            transparency becomes white paper, or black paper behind white ink); or an array or
            tensor of shape `(height, width)`, `(height, width, channels)` or
            `(channels, height, width)` with 1 to 4 channels (L, LA, RGB, RGBA): boolean,
            floating-point in `[0, 1]` or `[0, 255]`, or integer in `[0, 255]` or, with 16 bits,
            `[0, 65535]`.
        correct_tones: Turn light writing on dark paper into dark on light, and the paper of a photo
            in uneven or dim light into white.

    Returns:
        uint8 array of shape `(height, width)`.

    Raises:
        ValueError: The file is missing or broken, or the array is empty, of another shape, not
            finite or out of range.
    """
    if isinstance(image, (str, os.PathLike)):
        grey = _read_grey(image)
    elif isinstance(image, Image.Image):
        grey = _pil_to_grey(image)
    else:
        grey = _array_to_grey(image)
    return normalise_tones(grey) if correct_tones else grey


def _read_grey(path: str | os.PathLike) -> np.ndarray:
    if not os.path.isfile(path):
        raise ValueError(f"There is no image file at {os.fspath(path)!r}.")
    try:
        image = Image.open(path)
    except UNREADABLE_IMAGE as error:
        raise ValueError(
            f"The image file {os.fspath(path)!r} is broken or of an unknown format: {error}"
        ) from error
    with image:
        return _pil_to_grey(image)


def _pil_to_grey(image: Image.Image) -> np.ndarray:
    if 0 in image.size:
        raise ValueError(f"The image is empty: width {image.width}, height {image.height}.")
    name = getattr(image, "filename", "") or "passed in"
    if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
        raise ValueError(
            f"The image {name!r} has {image.n_frames} pages; a line or word has one. "
            "Save each page as an image of its own."
        )
    try:
        image.load()
    except UNREADABLE_IMAGE as error:
        raise ValueError(f"The image {name!r} is broken: {error}") from error
    image = _upright(image)
    if image.mode.startswith("I") or image.mode == "F":
        return _array_to_grey(np.asarray(image))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _transparent_to_grey(image.convert("RGBA"))
    return np.array(image.convert("L"))


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF says; as it is where that is damaged.

    `ImageOps.exif_transpose` also writes the other tags anew, which a damaged one does not survive.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except UNREADABLE_IMAGE:
        return image
    method = UPRIGHT.get(orientation)
    return image if method is None else image.transpose(method)


def _transparent_to_grey(image: Image.Image) -> np.ndarray:
    """An RGBA image on white paper, or on black where it is light ink that white would hide."""

    def on(paper: str) -> np.ndarray:
        background = Image.new("RGBA", image.size, paper)
        return np.array(Image.alpha_composite(background, image).convert("L"))

    grey = on("white")
    is_mostly_transparent = np.mean(np.asarray(image.getchannel("A")) < 128) > 0.5
    return on("black") if is_mostly_transparent and np.ptp(grey) < MIN_CONTRAST else grey


def _array_to_grey(image) -> np.ndarray:
    if hasattr(image, "cpu"):  # a torch tensor; an open file has a `detach` too
        image = image.detach().cpu()
        image = (image.float() if image.is_floating_point() else image).numpy()
    array = np.asarray(image)
    if array.dtype.kind not in "buif":
        raise ValueError(
            "An image must be a path, a PIL image, or a numeric array or tensor, "
            f"got {type(image).__name__} of dtype {array.dtype}."
        )
    if array.size == 0:
        raise ValueError(f"The image is empty: shape {array.shape}.")
    if array.ndim == 3 and array.shape[-1] > 4 and array.shape[0] <= 4:
        array = np.moveaxis(array, 0, -1)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] > 4):
        raise ValueError(
            "An image must have shape (height, width), (height, width, channels) or "
            f"(channels, height, width) with 1 to 4 channels, got {array.shape}. "
            "Pass the images of a batch as a list."
        )
    array = _to_uint8(array)
    if array.ndim == 2:
        return array
    if array.shape[-1] == 1:
        return np.ascontiguousarray(array[..., 0])
    return _pil_to_grey(Image.fromarray(np.ascontiguousarray(array)))  # LA, RGB or RGBA


def _to_uint8(array: np.ndarray) -> np.ndarray:
    """Scale to 0..255: booleans and floats up to 1, and integers of 8, 12 or 16 bits."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if not np.isfinite(array).all():
        raise ValueError("The image holds NaN or infinite values.")
    low, high = float(array.min()), float(array.max())
    is_float = array.dtype.kind == "f"
    if low < 0 or high > (255 if is_float else 65535):
        allowed = "[0, 1] or [0, 255]" if is_float else "[0, 255] or [0, 65535]"
        raise ValueError(
            f"Pixel values of dtype {array.dtype} must lie in {allowed}, got [{low:g}, {high:g}]."
        )
    if is_float:  # resampling can overshoot white; no image in [0, 255] is nearly black all over
        factor = 255.0 if high <= 2 else 1.0
    else:  # paper is bright, so the highest value tells how many bits are in use
        factor = 255.0 / next(limit for limit in (255, 4095, 65535) if high <= limit)
    return np.rint(np.minimum(array * factor, 255)).astype(np.uint8)


# Ink and paper


def otsu(image: np.ndarray) -> tuple[int, float, float]:
    """Otsu's threshold, and the mean grey levels of the ink up to it and of the paper above it.

    Args:
        image: uint8 of shape `(height, width)`.

    Returns:
        Threshold, ink level, paper level. An image of one grey level has no ink: the threshold is
        -1.
    """
    return _otsu_of(_histogram(image))


def _otsu_of(counts: np.ndarray) -> tuple[int, float, float]:
    counts = counts.astype(np.float64)
    dark = np.cumsum(counts)
    total = dark[-1]
    dark_sum = np.cumsum(counts * np.arange(256))
    light, light_sum = total - dark, dark_sum[-1] - dark_sum
    dark_mean, light_mean = dark_sum / np.maximum(dark, 1), light_sum / np.maximum(light, 1)
    variance_between = dark * light * (dark_mean - light_mean) ** 2
    threshold = int(variance_between.argmax())
    if variance_between[threshold] == 0:
        level = float(dark_sum[-1] / total)
        return -1, level, level
    return threshold, float(dark_mean[threshold]), float(light_mean[threshold])


def _histogram(image: np.ndarray) -> np.ndarray:
    """How many pixels there are of each of the 256 grey levels."""
    return np.array(Image.fromarray(image).histogram())


def ink_mask(image: np.ndarray) -> np.ndarray:
    """Boolean mask of the ink, without isolated specks of one or two pixels.

    Args:
        image: uint8 of shape `(height, width)`.

    Returns:
        Mask of the same shape, all False where no ink stands out: by `MIN_CONTRAST` grey levels, or
        by `CLEAN_CONTRAST` on paper of hardly any grain and in more than a rule or an edge.
    """
    return _mask_of(image, _histogram(image))


def _mask_of(image: np.ndarray, counts: np.ndarray) -> np.ndarray:
    threshold, ink_level, paper_level = _otsu_of(counts)
    contrast = paper_level - ink_level
    nothing = np.zeros(image.shape, dtype=bool)
    if not _stands_out(counts[threshold + 1 :], contrast):
        return nothing
    mask = image <= threshold
    mask &= _sums_of_squares(mask.astype(np.uint8)) >= 3
    return mask if contrast >= MIN_CONTRAST or _may_be_writing(mask) else nothing


def _stands_out(counts_of_paper: np.ndarray, contrast: float) -> bool:
    """Whether what lies below a threshold is ink, and not the darker half of the paper's grain."""
    if contrast >= MIN_CONTRAST or contrast < CLEAN_CONTRAST:
        return contrast >= MIN_CONTRAST
    levels = np.arange(len(counts_of_paper))
    mean = np.average(levels, weights=counts_of_paper)
    grain = math.sqrt(np.average((levels - mean) ** 2, weights=counts_of_paper))
    return contrast >= CONTRAST_TO_GRAIN * grain


def _may_be_writing(mask: np.ndarray) -> bool:
    """Whether faint ink is neither a shade nor all in rules and edges across the image."""
    between = mask[mask.mean(axis=1) < ACROSS][:, mask.mean(axis=0) < ACROSS]
    return bool(between.any() and mask.mean() < 0.5)


def _pale_dots(
    image: np.ndarray, ink_x: np.ndarray, ink_level: float, paper_level: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of whatever has as much ink as a dot, be it paler than all strokes.

    A full stop of a small scan is spread over a few grey pixels. Only the ends of the writing are
    looked at, as far as a slanted stroke may lean over a dot. What is firmly ink is among them too.
    """
    height, width = image.shape
    contrast = paper_level - ink_level
    paper, darkest = np.uint8(paper_level), np.uint8(DARKEST_IN_DOT * contrast)
    left_end = min(width, int(ink_x.min()) + height)
    right_end = max(left_end, int(ink_x.max()) + 1 - height)
    places = []
    for start, end in ((0, left_end), (right_end, width)):
        part = image[:, start:end]
        darkness = np.minimum(paper - np.minimum(part, paper), darkest).astype(np.uint16)
        y, x = _places(_sums_of_squares(darkness) >= DOT_INK * contrast)
        places.append((y, x + start))
    (left_y, left_x), (right_y, right_x) = places
    return np.concatenate([left_y, right_y]), np.concatenate([left_x, right_x])


def _sums_of_squares(values: np.ndarray) -> np.ndarray:
    """Sums of the square of 3x3 around each pixel of `(height, width)`, in the type of `values`."""
    padded = np.pad(values, 1)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]


@dataclass(frozen=True)
class _Ink:
    """Where an image has ink.

    Attributes:
        y, x: Rows and columns of the ink's pixels.
        is_first: Whether a pixel begins a stroke: left of it, in the row that it had in the image,
            is paper.
        dot_y, dot_x: Rows and columns of what may be a dot, `_pale_dots`.
        height, width: Of the canvas that all lie on.
        paper_level: Median grey level of the paper, to fill what a warp uncovers; white where all
            is ink.
    """

    y: np.ndarray
    x: np.ndarray
    is_first: np.ndarray
    dot_y: np.ndarray
    dot_x: np.ndarray
    height: int
    width: int
    paper_level: int


def _find_ink(image: np.ndarray) -> _Ink:
    """The ink of `ink_mask`."""
    counts = _histogram(image)
    threshold, ink_level, paper_level = _otsu_of(counts)
    mask = _mask_of(image, counts)
    y, x = _places(mask)
    is_first = np.diff(y * (mask.shape[1] + 1) + x, prepend=-2) != 1
    dot_y, dot_x = y, x
    if threshold < 0 and paper_level < 128:
        paper_level = 255
    else:
        counts[: threshold + 1] = 0
        paper_level = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
        if len(y) > 0:
            dot_y, dot_x = _pale_dots(image, x, ink_level, paper_level)
    return _Ink(y, x, is_first, dot_y, dot_x, *mask.shape, paper_level)


def _places(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of what is True, in a third of the time of `np.nonzero`."""
    height, width = mask.shape
    y = np.repeat(np.arange(height), mask.sum(axis=1))
    return y, np.flatnonzero(mask) - y * width


def has_ink(image: np.ndarray) -> bool:
    """Whether there is anything to read; a crop of at most `SPECK_SIDE` is a dot unless white.

    Args:
        image: uint8 of shape `(height, width)`, 0 = ink, 255 = paper.
    """
    if max(image.shape) <= SPECK_SIDE:
        return int(image.min()) <= 255 - MIN_CONTRAST
    return bool(ink_mask(image).any())


# Deskewing


def moment_shear(image: np.ndarray) -> float:
    """Horizontal shear mu11 / mu02 of the ink, in columns per row.

    Args:
        image: Grey image of shape `(height, width)`, 0 = ink, 255 = paper.

    Returns:
        Between -1 and 1, negative when strokes lean to the right; 0.0 without ink. The bound
        matters for long lines, where a slight climb makes mu11 huge.

    Raises:
        ValueError: `image` is not two-dimensional.
    """
    _check_grey(image)
    y, x = np.nonzero(ink_mask(image))
    if len(y) == 0:
        return 0.0
    weights = 255.0 - image[y, x]
    dx, dy = x - np.average(x, weights=weights), y - np.average(y, weights=weights)
    mu11, mu02 = (weights * dx * dy).sum(), (weights * dy * dy).sum()
    return float(np.clip(mu11 / mu02, -1.0, 1.0)) if mu02 > 0 else 0.0


def skew_angle(image: np.ndarray, max_angle: float = MAX_SKEW) -> float:
    """Angle of the writing against the horizontal, by the sharpest projection profile (Postl 1986).

    Args:
        image: Grey line of shape `(height, width)`, 0 = ink, 255 = paper.
        max_angle: Largest angle searched, in degrees.

    Returns:
        Degrees, positive when the line climbs to the right; 0.0 for a blank image. A short word
        tells little about its baseline: below four times as wide as high the angle is shrunk, to
        0.0 at twice.

    Raises:
        ValueError: `image` is not two-dimensional.
    """
    _check_grey(image)
    return _skew_of(_find_ink(image), max_angle)


def _skew_of(ink: _Ink, max_angle: float = MAX_SKEW) -> float:
    y, x = ink.y, ink.x
    if len(y) == 0:
        return 0.0
    offsets = np.arange(ink.width) - ink.width // 2

    def shifts(angles: np.ndarray) -> np.ndarray:
        """By how many rows each column moves up, `(angles, width)`."""
        return np.rint(np.tan(np.radians(angles))[:, None] * offsets).astype(np.int64)

    def sharpness(angles: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        profiles = _profiles(y, shifts(angles), x)
        return (profiles * profiles).sum(axis=1)

    # From one coarse angle to the next the ends of the ink move by 8 rows: less than a letter.
    coarse_step = min(2.0, math.degrees(math.atan(16 / (np.ptp(x) + 1))))
    coarse = _coarse_angle(sharpness, max_angle, coarse_step, y, x)
    angles = coarse + np.arange(-8, 9) * coarse_step / 8
    angle = _peak(angles, sharpness(angles, y, x))
    height = np.ptp(y + shifts(np.array([angle]))[0, x]) + 1
    aspect = (np.ptp(x) + 1) / height
    return float(np.clip(angle, -max_angle, max_angle) * np.clip((aspect - 2) / 2, 0, 1))


def _coarse_angle(
    sharpness: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    max_angle: float,
    step: float,
    y: np.ndarray,
    x: np.ndarray,
) -> float:
    """The sharpest of the multiples of `step`, told by some of the pixels."""
    num_steps = int(max_angle / step)
    angles = np.array(sorted(range(-num_steps, num_steps + 1), key=abs)) * step
    every = 1 + len(y) // COARSE_PIXELS
    some = y[::every], x[::every]
    blocks = range(0, len(angles), ANGLES_AT_ONCE)
    scores = [sharpness(angles[start : start + ANGLES_AT_ONCE], *some) for start in blocks]
    return float(angles[np.concatenate(scores).argmax()])


def _profiles(
    along: np.ndarray, shifts: np.ndarray, across: np.ndarray, margin: int = 0
) -> np.ndarray:
    """How many ink pixels each row (or column) holds after each of several shears.

    Args:
        along: Rows (or columns) of the ink pixels, `(pixels,)`.
        shifts: By how much each column (or row) moves, `(shears, columns)`.
        across: Columns (or rows) of the ink pixels, `(pixels,)`.
        margin: Empty rows (or columns) at both ends.

    Returns:
        `(shears, rows)`.
    """
    shifts = shifts - shifts.min(axis=1, keepdims=True) + margin
    length = int(along.max() + shifts.max()) + 1 + margin
    profiles = np.empty((len(shifts), length), dtype=np.int64)
    positions = np.empty_like(along)
    for profile, shift in zip(profiles, shifts, strict=True):
        shift.take(across, out=positions, mode="clip")  # the other modes copy
        positions += along
        profile[:] = np.bincount(positions, minlength=length)
    return profiles


def slant_angle(image: np.ndarray, max_angle: float = MAX_SLANT) -> float:
    """Angle of the strokes against the vertical, by the sharpest vertical projection profile.

    Args:
        image: Grey line of shape `(height, width)`, 0 = ink, 255 = paper.
        max_angle: Largest angle searched, in degrees.

    Returns:
        Degrees, positive when strokes lean to the right; 0.0 for a blank image. So that `/` does
        not become `|`, the angle is shrunk for ink less than twice as wide as high, to 0.0 where it
        is no wider than high.

    Raises:
        ValueError: `image` is not two-dimensional.

    Reference: Pastor, Toselli and Vidal (2004).
    """
    _check_grey(image)
    return _slant_of(_find_ink(image), max_angle)


def _slant_of(ink: _Ink, max_angle: float = MAX_SLANT) -> float:
    y, x = ink.y, ink.x
    if len(y) == 0:
        return 0.0
    offsets = np.arange(ink.height) - ink.height // 2

    def sharpness(angles: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        # Half columns and smoothing, or the pixel grid lets upright win over all small angles.
        shifts = np.rint(2 * np.tan(np.radians(angles))[:, None] * offsets).astype(np.int64)
        profiles = _profiles(2 * x, shifts, y, margin=3)
        profiles = profiles[:, :-3] + profiles[:, 3:] + 3 * (profiles[:, 1:-2] + profiles[:, 2:-1])
        return (profiles * profiles).sum(axis=1)

    coarse = _coarse_angle(sharpness, max_angle, 3 * SLANT_STEP, y, x)
    angles = coarse + np.arange(-5, 6) * SLANT_STEP
    angles = angles[np.abs(angles) <= max_angle]
    angle = _peak(angles, sharpness(angles, y, x))
    aspect = (np.ptp(x) + 1) / (np.ptp(y) + 1)
    return float(angle * np.clip(aspect - 1, 0, 1))


def _peak(angles: np.ndarray, scores: np.ndarray) -> float:
    """Angle of the highest score, the scores smoothed and the top interpolated by a parabola."""
    first, last = scores[:1], scores[-1:]
    padded = np.concatenate([first, first, scores, last, last])
    smooth = np.convolve(padded, np.array([1, 4, 6, 4, 1]) / 16, mode="valid")
    best = smooth.max()
    top = min(np.flatnonzero(smooth >= best * (1 - 1e-9)), key=lambda i: abs(angles[i]))
    if not 0 < top < len(smooth) - 1:
        return float(angles[top])
    before, after = smooth[top - 1], smooth[top + 1]
    curvature = before - 2 * smooth[top] + after
    shift = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
    return float(angles[top] + shift * (angles[1] - angles[0]))


def deskew_moments(image: np.ndarray, num_passes: int = 1) -> np.ndarray:
    """Shear by `moment_shear` and bring the centre of mass to the middle column (Ma 2023).

    Args:
        image: Grey image of shape `(height, width)`, 0 = ink, 255 = paper.
        num_passes: How often; 0 leaves the image as it is.

    Returns:
        uint8 of shape `(height, new_width)`, wide enough to hold all the ink.

    Raises:
        ValueError: `image` is not two-dimensional or `num_passes` is negative.
    """
    _check_grey(image)
    return _apply(image, *_moment_affine(image, num_passes))


def deskew_line(image: np.ndarray) -> np.ndarray:
    """Rotate the baseline level by `skew_angle`, then shear the strokes upright by `slant_angle`.

    Args:
        image: Grey line of shape `(height, width)`, 0 = ink, 255 = paper.

    Returns:
        uint8 on a canvas large enough to hold the whole image.

    Raises:
        ValueError: `image` is not two-dimensional.
    """
    _check_grey(image)
    return _apply(image, *_line_affine(image))


def _apply(image: np.ndarray, ink: _Ink, to_image: np.ndarray) -> np.ndarray:
    return _resample(image, to_image, ink.height, ink.width, ink.paper_level)


def _moment_affine(image: np.ndarray, num_passes: int) -> tuple[_Ink, np.ndarray]:
    """Ink of the deskewed image and the 3x3 affine from it to `image`."""
    if not isinstance(num_passes, int) or num_passes < 0:
        raise ValueError(
            f"The number of deskew passes must be 0 or a positive integer, got {num_passes!r}."
        )
    deskewed, ink, to_image = image, _find_ink(image), np.eye(3)
    for _ in range(num_passes):
        y, x = ink.y, ink.x
        if len(y) == 0:
            break
        shear = moment_shear(deskewed)
        weights = 255.0 - deskewed[y, x]
        centre_x, centre_y = (
            np.average(x + 0.5, weights=weights),
            np.average(y + 0.5, weights=weights),
        )
        upright_x = x + 0.5 - shear * (y + 0.5 - centre_y)
        half_width = np.abs(upright_x - centre_x).max() + 0.5
        new_width = max(ink.width, math.ceil(2 * half_width - 1e-6))
        shift = centre_x - new_width / 2 - shear * centre_y
        to_image = to_image @ np.array([[1.0, shear, shift], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        deskewed = _warp(image, to_image, ink.height, new_width, ink.paper_level)
        ink = _find_ink(deskewed)
    return ink, to_image


def _line_affine(image: np.ndarray) -> tuple[_Ink, np.ndarray]:
    """Ink of the deskewed line and the 3x3 affine from it to `image`."""
    ink, to_image = _find_ink(image), np.eye(3)
    skew = math.radians(_skew_of(ink))
    if skew:
        cos, sin = math.cos(skew), math.sin(skew)
        ink, to_image = _straightened(ink, np.array([[cos, sin], [-sin, cos]]))
    slant = math.radians(_slant_of(ink))
    if slant:
        ink, to_rotated = _straightened(ink, np.array([[1, -math.tan(slant)], [0, 1]]))
        to_image = to_image @ to_rotated
    return ink, to_image


def _straightened(ink: _Ink, to_old: np.ndarray) -> tuple[_Ink, np.ndarray]:
    """The ink on a canvas that holds the whole image, and the 3x3 affine back.

    `to_old` (2x2) leads from directions on the new canvas to those on the old.
    """
    old_size, to_new = np.array([ink.width, ink.height]), np.linalg.inv(to_old)
    # An even difference: half a pixel of shift would put every sample on the border of two pixels.
    growth = np.ceil((np.abs(to_new) @ old_size - old_size) / 2 - 1e-6)
    width, height = new_size = old_size + 2 * growth.astype(int)
    (xx, xy), (yx, yy) = to_new
    left, top = (new_size - to_new @ (old_size - 1)) / 2  # where the centre of pixel (0, 0) goes

    def moved(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        new_y, new_x = yx * x + yy * y + top, xx * x + xy * y + left
        return new_y.astype(np.int64), new_x.astype(np.int64)

    affine = np.eye(3)
    affine[:2, :2] = to_old
    affine[:2, 2] = (old_size - to_old @ new_size) / 2
    places = *moved(ink.y, ink.x), ink.is_first, *moved(ink.dot_y, ink.dot_x)
    return _Ink(*places, int(height), int(width), ink.paper_level), affine


# Cropping


def crop_to_ink(image: np.ndarray) -> np.ndarray:
    """Cut the empty margins off.

    Specks of one or two pixels are no ink. A blank image comes back whole.

    Args:
        image: Grey image of shape `(height, width)`, 0 = ink, 255 = paper.

    Raises:
        ValueError: `image` is not two-dimensional.
    """
    _check_grey(image)
    left, top, right, bottom = _box_of(_find_ink(image))
    return image[top:bottom, left:right]


def _box_of(ink: _Ink, margin: float = 0.04) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the ink, right and bottom exclusive; the whole image without ink.

    The box has a margin in parts of its height, at least 2 pixels where the image has them. A dot
    left or right of the ink, no farther away than it is high, is in the box too.
    """
    if len(ink.y) == 0:
        return 0, 0, ink.width, ink.height
    left, top = int(ink.x.min()), int(ink.y.min())
    right, bottom = int(ink.x.max()) + 1, int(ink.y.max()) + 1
    border = max(2, round(margin * (bottom - top)))
    reach = bottom - top
    in_rows = (ink.dot_y >= top) & (ink.dot_y < bottom)
    before = in_rows & (left - reach <= ink.dot_x) & (ink.dot_x < left - border)
    after = in_rows & (right + border <= ink.dot_x) & (ink.dot_x < right + reach)
    if before.any() and np.ptp(ink.dot_y[before]) < DOT_HEIGHT * reach:
        left = int(ink.dot_x[before].min())
    if after.any() and np.ptp(ink.dot_y[after]) < DOT_HEIGHT * reach:
        right = int(ink.dot_x[after].max()) + 1
    return (
        max(0, left - border),
        max(0, top - border),
        min(ink.width, right + border),
        min(ink.height, bottom + border),
    )


def _stretch(ink: _Ink, columns_per_stroke: float, scale: float) -> float:
    """How many times as many columns give strokes so many each.

    Args:
        ink: Of a deskewed line.
        columns_per_stroke: Wanted.
        scale: Columns of the line for a column of the ink.

    Returns:
        Between the inverse of `MAX_STRETCH` and that; towards 1 where there are few strokes.
    """
    strokes_of_rows = np.sort(np.bincount(ink.y[ink.is_first]))
    strokes_of_rows = strokes_of_rows[strokes_of_rows > 0]
    num_busy = math.ceil(BUSY_ROWS * len(strokes_of_rows))
    if num_busy == 0:
        return 1.0
    num_strokes = float(strokes_of_rows[-num_busy:].mean())
    stretch = columns_per_stroke * num_strokes / (scale * (np.ptp(ink.x) + 1))
    certainty = (num_strokes - FEW_STROKES) / (MANY_STROKES - FEW_STROKES)
    stretch = stretch ** min(max(certainty, 0.0), 1.0)
    return float(min(max(stretch, 1 / MAX_STRETCH), MAX_STRETCH))


def _focus(image: np.ndarray) -> tuple[np.ndarray, int, int]:
    """The part of a large photo that holds the ink, with a wide margin, and its left and top."""
    small, factor = reduced(image, 4 * WORKING_HEIGHT)
    if factor == 1:
        return image, 0, 0
    left, top, right, bottom = (factor * side for side in _box_of(_find_ink(small), margin=0.5))
    return image[top:bottom, left:right], left, top


# All together


def prepare_line(
    image: np.ndarray,
    *,
    height: int = 48,
    width: int | None = None,
    width_scale: float = 1.0,
    columns_per_stroke: float | None = None,
    deskew_method: str | None = "line",
    num_deskew_passes: int = 1,
    do_crop: bool = True,
    do_resize: bool = True,
    max_width: int | None = None,
    on_too_wide: str = "warn",
) -> tuple[np.ndarray, np.ndarray]:
    """Deskew, crop and resize one line, with a single warp of the original pixels.

    With the width in proportion, a small crop is enlarged at most `MAX_UPSCALING` times and set on
    paper, so that a lone full stop stays a dot, and the line gets at least `MIN_WIDTH` columns.

    Args:
        image: Grey line of shape `(height, width)` from `to_grey`, 0 = ink, 255 = paper.
        height: Rows of the result.
        width: Columns of the result, the writing stretched to fit; None keeps the proportions.
        width_scale: With `width=None`: so many times as many columns as in proportion.
        columns_per_stroke: With `width=None`: squeeze wide and stretch narrow writing, so that a
            stroke of a small letter, with the paper to its right, has about so many columns before
            `width_scale`; None keeps the proportions.
        deskew_method: `"moment"`, `"line"` or None.
        num_deskew_passes: Passes of `"moment"`; `"line"` takes one, and 0 switches both off.
        do_crop: Cut the empty margins off.
        do_resize: Bring the line to `height`; otherwise its scale stays as it is.
        max_width: Most columns with `width=None`; a longer line is squashed.
        on_too_wide: `"warn"` or `"error"` when a line must be squashed.

    Returns:
        uint8 line, and the affine of shape `(2, 3)` from its coordinates to those of `image`.

    Raises:
        ValueError: An option is not one of the allowed values, or the line is too wide and
            `on_too_wide="error"`.
    """
    _check_grey(image)
    check_choice("deskew_method", deskew_method, (*DESKEW_METHODS, None))
    check_choice("on_too_wide", on_too_wide, ON_TOO_WIDE)

    border = SPECK_SIDE if do_crop and max(image.shape) <= SPECK_SIDE else 0
    if border:  # a crop of a dot has hardly any paper for it to stand out from
        image = np.pad(image, border, constant_values=255)
    part, part_left, part_top = _focus(image) if do_crop else (image, 0, 0)
    small, factor = reduced(part, WORKING_HEIGHT)
    if deskew_method == "moment":
        ink, to_small = _moment_affine(small, num_deskew_passes)
    elif deskew_method == "line" and num_deskew_passes > 0:
        ink, to_small = _line_affine(small)
    else:
        ink, to_small = _find_ink(small), np.eye(3)

    left, top, right, bottom = _box_of(ink) if do_crop else (0, 0, ink.width, ink.height)
    if np.array_equal(to_small, np.eye(3)):  # the last block of `reduced` may stick out
        right, bottom = min(right, part.shape[1] / factor), min(bottom, part.shape[0] / factor)
    box_width, box_height = right - left, bottom - top

    if not do_resize:
        new_height, new_width = round(box_height * factor), round(box_width * factor)
    elif width is not None:
        new_height, new_width = height, width
    else:
        needed_height = height / MAX_UPSCALING / factor
        if box_height < needed_height:
            top, box_height = top - (needed_height - box_height) / 2, needed_height
        if columns_per_stroke is not None:
            width_scale *= _stretch(ink, columns_per_stroke, height / box_height)
        needed_width = MIN_WIDTH * box_height / height / width_scale
        if box_width < needed_width:
            left, box_width = left - (needed_width - box_width) / 2, needed_width
        new_height, new_width = height, round(width_scale * box_width * height / box_height)
        if max_width is not None and new_width > max_width:
            _report_too_wide(new_width, max_width, on_too_wide)
            new_width = max_width

    to_image = (
        _translation(part_left, part_top)
        @ np.diag([factor, factor, 1.0])
        @ to_small
        @ _translation(left, top)
        @ np.diag([box_width / new_width, box_height / new_height, 1.0])
    )
    to_original = _translation(-border, -border) @ to_image
    line = _resample(image, to_image, new_height, new_width, ink.paper_level)
    return line, to_original[:2]


def _resample(
    image: np.ndarray, to_image: np.ndarray, height: int, width: int, paper_level: int
) -> np.ndarray:
    """Bilinear warp, averaging where the result is smaller; `to_image` (3x3) leads to `image`."""
    (scale_x, shear_x, left), (shear_y, scale_y, top), _ = to_image
    old_height, old_width = image.shape
    if shear_x == shear_y == 0:  # a crop and a resize, unless the box sticks out of the image
        box = np.round([left, top, left + scale_x * width, top + scale_y * height], 6)
        if box.min() >= 0 and box[2] <= old_width and box[3] <= old_height:
            resized = Image.fromarray(image).resize(
                (width, height), Image.Resampling.BILINEAR, box=tuple(box)
            )
            return np.array(resized)
    if scale_x > 1 or scale_y > 1:
        size = (
            max(1, round(old_width / max(1.0, scale_x))),
            max(1, round(old_height / max(1.0, scale_y))),
        )
        image = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
        to_image = np.diag([size[0] / old_width, size[1] / old_height, 1.0]) @ to_image
    return _warp(image, to_image, height, width, paper_level)


def _warp(
    image: np.ndarray, to_image: np.ndarray, height: int, width: int, paper_level: int
) -> np.ndarray:
    """Bilinear warp; what the image does not cover becomes paper."""
    warped = Image.fromarray(image).transform(
        (width, height),
        Image.Transform.AFFINE,
        tuple(to_image[:2].ravel()),
        resample=Image.Resampling.BILINEAR,
        fillcolor=paper_level,
    )
    return np.array(warped)


def _translation(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def _report_too_wide(width: int, max_width: int, on_too_wide: str) -> None:
    message = f"A line needs {width} columns at this height but max_width is {max_width}"
    if on_too_wide == "error":
        raise ValueError(f"{message}. Cut it into shorter lines or raise max_width.")
    warnings.warn(
        f"{message}: squashed to {max_width / width:.0%} of its width, which harms reading. "
        "Cut it into shorter lines or raise max_width.",
        stacklevel=3,
    )


def check_choice(name: str, value, allowed: tuple) -> None:
    """Raise a ValueError unless `value` is one of `allowed`."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}.")


def _check_grey(image: np.ndarray) -> None:
    if (
        not isinstance(image, np.ndarray)
        or image.ndim != 2
        or image.dtype != np.uint8
        or image.size == 0
    ):
        shape = (
            f"{image.dtype} of shape {image.shape}"
            if isinstance(image, np.ndarray)
            else type(image).__name__
        )
        raise ValueError(
            f"A grey image must be a uint8 array of shape (height, width), got {shape}. "
            "Use to_grey."
        )
