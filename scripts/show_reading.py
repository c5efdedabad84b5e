"""Draw what the model reads in an image: every word in its box, coloured by its score.

python scripts/show_reading.py samples/line.png --output samples/reading.png
"""

import argparse

from transformers import pipeline

import hwr_hf
from hwr_hf.figures import reading_figure

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", help="image file of a line or a word")
    parser.add_argument("--model", default=hwr_hf.DEFAULT_MODEL, help="folder or Hub name")
    parser.add_argument("--output", default="reading.png", help="the picture (%(default)s)")
    arguments = parser.parse_args()
    reader = pipeline("image-to-text", model=arguments.model)
    reading = reader(arguments.image, return_words=True)[0]
    print(reading["generated_text"])
    reading_figure(arguments.image, reading).save(arguments.output, optimize=True)
