"""Images of text that the tests draw themselves, in the font that comes with PIL."""

import struct

from PIL import Image, ImageDraw, ImageFont

NO_EXIF = b"Exif\0\0garbagegarbage"
# Two tags: turned by 90 degrees, and a resolution of "a" dots, which Pillow reads but cannot write.
ODD_EXIF = b"Exif\0\0MM\0*" + struct.pack(
    ">IHHHIIHHI4sI", 8, 2, 0x0112, 3, 1, 6 << 16, 0x011A, 2, 2, b"a\0\0\0", 0
)


def draw_text_line(
    text: str, font_size: int = 32, margin: int = 8, ink: int = 0, paper: int = 255
) -> Image.Image:
    """Grey image (mode L) of one line of print, cut to the text with a margin in pixels."""
    font = ImageFont.load_default(size=font_size)
    left, top, right, bottom = font.getbbox(text or " ")
    size = (round(right - left) + 2 * margin, round(bottom - top) + 2 * margin)
    image = Image.new("L", size, paper)
    ImageDraw.Draw(image).text((margin - left, margin - top), text, fill=ink, font=font)
    return image
