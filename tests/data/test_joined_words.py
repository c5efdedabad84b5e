import datasets
import numpy as np
import pytest
from PIL import Image

from hwr_hf.data import joined_words
from hwr_hf.data.joined_words import extent, join_words, load_joined_words


def crop(height, width=20):
    return np.zeros((height, width), dtype=np.uint8)


def join(*words, seed=0):
    heights, texts = zip(*words, strict=True)
    return join_words([crop(h) for h in heights], list(texts), np.random.default_rng(seed))


def rows_of(line, number):
    """First and last inked row of the word of this number."""
    inked = (line < 128).any(axis=0)
    starts = np.flatnonzero(np.diff(inked.astype(int), prepend=0) == 1)
    rows = np.flatnonzero(line[:, starts[number] + 2] < 128)
    return rows[0], rows[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", (1.0, 0.0)),
        ("day", (1.8, 0.8)),
        ("hill", (1.8, 0.0)),
        ("in", (1.4, 0.0)),
        ("you", (1.0, 0.8)),
        (".", (0.3, 0.0)),
        (",", (0.3, 0.4)),
        ('"', (1.8, -1.0)),
        ("-", (0.7, -0.4)),
    ],
)
def test_extent(text, expected):
    assert extent(text) == expected


def test_words_stand_on_one_baseline():
    # Small letters of 20 px: "no" is 20 px high, "hill" 36, "you" 36 of which 16 hang below.
    line, text = join((20, "no"), (36, "hill"), (36, "you"))
    assert text == "no hill you"
    bottoms = [rows_of(line, n)[1] for n in range(3)]
    assert bottoms[0] == pytest.approx(bottoms[1], abs=4)
    assert bottoms[2] - bottoms[0] == pytest.approx(16, abs=4)


def test_a_stop_follows_without_a_space():
    line, text = join((20, "no"), (6, "."), (20, "more"))
    assert text == "no. more"
    assert rows_of(line, 1)[1] == pytest.approx(rows_of(line, 0)[1], abs=4)


def test_words_do_not_touch():
    for seed in range(20):
        line, _ = join((20, "no"), (20, "on"), (20, "us"), seed=seed)
        inked = (line < 128).any(axis=0).astype(int)
        assert (np.diff(inked, prepend=0) == 1).sum() == 3


def test_a_line_needs_as_many_texts_as_crops():
    with pytest.raises(ValueError, match="1 crops and 2 texts"):
        join_words([crop(20)], ["a", "b"], np.random.default_rng(0))


@pytest.fixture
def words(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    image = Image.new("L", (60, 30), 255)
    image.paste(0, (10, 5, 50, 25))
    texts = ["ann", "ear", "our", "was", "sea", "zoo"]
    return datasets.Dataset.from_dict(
        {"image": [image] * 6, "text": texts, "writer_id": ["1", "1", "1", "2", "2", "2"]},
        features=datasets.Features(
            {
                "image": datasets.Image(),
                "text": datasets.Value("string"),
                "writer_id": datasets.Value("string"),
            }
        ),
    )


def test_a_line_is_of_one_writer(words):
    lines = load_joined_words(words, 12)
    assert len(lines) == 12
    for text in lines["text"]:
        assert set(text.split()) <= {"ann", "ear", "our"} or set(text.split()) <= {
            *("was", "sea", "zoo")
        }
        assert len(text.split()) == 3


def test_the_same_seed_joins_the_same_lines(words):
    first, other = (load_joined_words(words, 6, seed)["text"][:] for seed in (1, 2))
    assert load_joined_words(words, 6, 1)["text"][:] == first != other


def test_lines_are_joined_anew_where_the_code_is_another(words, monkeypatch):
    def files():
        return [file["filename"] for file in load_joined_words(words, 6).cache_files]

    before = files()
    assert files() == before
    monkeypatch.setattr(joined_words, "code_fingerprint", lambda *parts: "another")
    assert files() != before


def test_no_words_give_no_lines(words):
    with pytest.raises(ValueError, match="There is no word to join"):
        load_joined_words(words.select([]), 5)


def test_without_writers_a_line_is_of_one_form(words):
    forms = ["a01-000u"] * 3 + ["a01-003"] * 3
    words = words.remove_columns("writer_id").add_column("form_id", forms)
    unknown = words.add_column("writer_id", [None] * 6, feature=datasets.Value("string"))
    for lines in (load_joined_words(words, 12), load_joined_words(unknown, 12)):
        for text in lines["text"]:
            assert len({word in ("ann", "ear", "our") for word in text.split()}) == 1


def test_words_of_nobody_known_are_refused(words):
    with pytest.raises(ValueError, match="6 of 6 images have neither a writer_id nor a form_id"):
        load_joined_words(words.remove_columns("writer_id"), 5)
