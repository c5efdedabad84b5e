import logging
import pickle
import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from fontTools.ttLib import TTFont

from hwr_hf.data.fonts import HandwritingFonts

MATPLOTLIB_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@pytest.fixture(scope="module")
def font_folder(tmp_path_factory):
    """Two fonts with all characters, and files that are no fonts."""
    folder = tmp_path_factory.mktemp("fonts")
    for name in ("DejaVuSans", "DejaVuSerif-Italic"):
        shutil.copy(MATPLOTLIB_FONTS / f"{name}.ttf", folder)
    (folder / "README.md").write_text("fonts")
    return folder


@pytest.fixture(scope="module")
def fonts(font_folder):
    return HandwritingFonts(font_folder)


def draw(fonts, text, seed=0, **kwargs):
    return fonts.draw(text, np.random.default_rng(seed), **kwargs)


def fonts_for(fonts, text):
    return [font.name for font in fonts._covering(text)]


def num_gaps(line, width):
    """Runs of at least `width` blank columns inside the line."""
    inked = np.flatnonzero((line < 250).any(axis=0))
    return int((np.diff(inked) > width).sum())


def test_a_line_is_dark_ink_on_white_paper_cropped_to_the_ink(fonts):
    for seed in range(20):
        line = draw(fonts, "The quick fox jumps", seed)
        assert line.dtype == np.uint8
        assert 45 <= line.shape[0] <= 90
        assert line.shape[1] > 3 * line.shape[0]
        assert line.min() < 170
        assert np.median(line) == 255
        for border in (line, line.T):
            inked = np.flatnonzero((border < 250).any(axis=1))
            assert 1 <= inked[0] <= 7 and 1 <= len(border) - 1 - inked[-1] <= 7


def test_the_height_follows_the_height_asked_for(fonts):
    small, large = (draw(fonts, "Hfgpy dog", height=height) for height in (32, 128))
    assert 3 < large.shape[0] / small.shape[0] < 5
    assert 3 < large.shape[1] / small.shape[1] < 5


def test_longer_text_is_wider(fonts):
    widths = [draw(fonts, "many " * count).shape[1] for count in (1, 3, 9)]
    assert widths[0] < widths[1] < widths[2]


@pytest.mark.parametrize("seed", range(5))
def test_words_stand_apart(fonts, seed):
    assert num_gaps(draw(fonts, "one two one two", seed), width=6) >= 3
    assert num_gaps(draw(fonts, "onetwoonetwo", seed), width=14) == 0


def test_the_same_seed_gives_the_same_pixels_and_no_two_seeds_do(fonts):
    first, same, other = (draw(fonts, "a quiet house", seed) for seed in (3, 3, 4))
    assert np.array_equal(first, same)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_fonts_sent_to_another_process_draw_the_same(fonts):
    copy = pickle.loads(pickle.dumps(fonts))
    assert np.array_equal(draw(copy, "a quiet house"), draw(fonts, "a quiet house"))


def test_every_font_is_used(fonts, monkeypatch):
    drawn = set()
    monkeypatch.setattr(
        "hwr_hf.data.fonts._word_ink",
        lambda font, *_: drawn.add(font.name) or (np.full((40, 40), 255, np.uint8), 0, -40),
    )
    for seed in range(20):
        draw(fonts, "word", seed)
    assert drawn == set(fonts.names) == {"DejaVuSans", "DejaVuSerif-Italic"}


def test_letters_of_a_joined_hand_stay_joined(tmp_path):
    font = TTFont(MATPLOTLIB_FONTS / "DejaVuSans.ttf")
    for glyph, (advance, bearing) in font["hmtx"].metrics.items():
        font["hmtx"].metrics[glyph] = (int(0.6 * advance), bearing)  # so close that they touch
    font.save(tmp_path / "joined.ttf")
    joined = HandwritingFonts(tmp_path)
    for seed in range(5):
        assert num_gaps(draw(joined, "numen", seed), width=1) == 0


def test_a_lone_hash_is_a_crossed_out_word_and_no_sign(fonts):
    widths = {draw(fonts, "#", seed).shape[1] for seed in range(8)}
    assert max(widths) > 2 * min(widths)  # words of different lengths


@pytest.mark.parametrize("name", ["DejaVuSansDisplay", "cmr10", "cmex10", "STIXSizOneSymReg"])
def test_the_characters_a_font_has_are_those_of_its_cmap(tmp_path, name):
    asked = "".join(map(chr, range(33, 127))) + "€√∫ሀ"
    shutil.copy(MATPLOTLIB_FONTS / f"{name}.ttf", tmp_path)
    shutil.copy(MATPLOTLIB_FONTS / "DejaVuSans.ttf", tmp_path)
    fonts = HandwritingFonts(tmp_path, characters=asked.replace("ሀ", ""))
    in_cmap = TTFont(MATPLOTLIB_FONTS / f"{name}.ttf").getBestCmap()
    for character in asked:
        assert (name in fonts_for(fonts, character)) == (ord(character) in in_cmap), character


def test_a_text_is_drawn_in_a_font_that_has_its_characters(tmp_path):
    for name in ("DejaVuSans", "cmr10"):  # of the two only DejaVu has the euro
        shutil.copy(MATPLOTLIB_FONTS / f"{name}.ttf", tmp_path)
    fonts = HandwritingFonts(tmp_path, characters="abc€")
    assert fonts_for(fonts, "abc") == ["DejaVuSans", "cmr10"]
    assert fonts_for(fonts, "a €") == ["DejaVuSans"]


def test_a_broken_font_is_left_out_with_a_warning(tmp_path, caplog):
    shutil.copy(MATPLOTLIB_FONTS / "DejaVuSans.ttf", tmp_path)
    (tmp_path / "broken.woff2").write_bytes(b"wOF2 and no more")
    with caplog.at_level(logging.WARNING):
        fonts = HandwritingFonts(tmp_path)
    assert fonts.names == ["DejaVuSans"]
    assert "broken.woff2 is left out" in caplog.text


def test_a_folder_that_is_missing_or_without_usable_fonts_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere.*get_fonts\.py"):
        HandwritingFonts(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"no usable font.*get_fonts\.py"):
        HandwritingFonts(tmp_path)
    (tmp_path / "broken.ttf").write_bytes(b"")
    with pytest.raises(ValueError, match="no usable font"):
        HandwritingFonts(tmp_path)


def test_a_character_that_no_font_has_is_named(font_folder, fonts):
    with pytest.raises(ValueError, match=r"None of the 2 fonts .* has 'ሀ'"):
        HandwritingFonts(font_folder, characters="abcሀ")
    with pytest.raises(ValueError, match="No font can draw 'aሀ': none has 'ሀ'"):
        draw(fonts, "aሀ")


@pytest.mark.parametrize("text", ["", "  "])
def test_blank_text_is_refused(fonts, text):
    with pytest.raises(ValueError, match="blank"):
        draw(fonts, text)


@pytest.mark.parametrize("text", [".", "-", "'", "I", "," * 5, "x" * 60])
def test_tiny_and_long_words_are_drawn(fonts, text):
    for seed in range(5):
        assert draw(fonts, text, seed).min() < 200
