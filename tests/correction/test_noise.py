"""The noise has the recogniser's errors at the recogniser's rates."""

import numpy as np
import pytest

from hwr_hf.correction.noise import Confusion, ConfusionModel, confusions_between
from hwr_hf.metrics import cer

LINES = 4000


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def model(confusions=None, insertions=None, cer=0.1, dispersion=0.0):
    return ConfusionModel(confusions or {}, insertions or {}, cer, dispersion)


@pytest.mark.parametrize(
    ("reference", "prediction", "expected"),
    [
        pytest.param("house", "house", [], id="right"),
        pytest.param("house", "horse", [("u", "r")], id="substitution"),
        pytest.param("house", "hose", [("u", "")], id="deletion"),
        pytest.param("hose", "house", [("", "u")], id="insertion"),
        pytest.param("corner", "comer", [("rn", "m")], id="two-for-one"),
        pytest.param("clown", "down", [("cl", "d")], id="neighbours-together"),
        pytest.param("in side", "inside", [(" ", "")], id="join"),
        pytest.param("inside", "in side", [("", " ")], id="split"),
        pytest.param(
            "abcd", "wxyz", [("a", "w"), ("b", "x"), ("c", "y"), ("d", "z")], id="long-taken-apart"
        ),
        pytest.param("", "ab", [("", "ab")], id="nothing-stands-there"),
    ],
)
def test_confusions_of_a_line(reference, prediction, expected):
    found = [(c.true, c.read) for c in confusions_between(reference, prediction)]
    assert found == expected


def test_confusions_say_where_they_begin():
    assert list(confusions_between("a corner", "a comer x")) == [
        Confusion(4, "rn", "m"),
        Confusion(8, "", " x"),
    ]


def test_fitted_rates_are_counts_over_occurrences():
    fitted = ConfusionModel.fit(["aab", "aba"], ["acb", "aba"])  # a: 1 of 4 mistaken
    assert fitted.confusions == {"a": {"c": 0.25}}
    assert fitted.insertions == {}
    assert fitted.cer == pytest.approx(1 / 6)


def test_fitted_insertions_are_counts_over_gaps():
    fitted = ConfusionModel.fit(["abc"], ["abxc"])
    assert fitted.insertions == {"x": 0.25}  # before a, b, c, and at the end


def test_confusions_come_at_their_rates(rng):
    noise = model({"a": {"o": 0.2, "": 0.1}})
    read = "".join(noise.corrupt("a" * 10, rng).ljust(10, "_") for _ in range(LINES))
    assert read.count("o") / len(read) == pytest.approx(0.2, abs=0.01)
    assert read.count("_") / len(read) == pytest.approx(0.1, abs=0.01)


def test_insertions_come_at_their_rate(rng):
    noise = model(insertions={"x": 0.1})
    inserted = sum(noise.corrupt("b" * 9, rng).count("x") for _ in range(LINES))
    assert inserted / (10 * LINES) == pytest.approx(0.1, abs=0.01)


def test_neighbours_are_mistaken_together(rng):
    noise = model({"rn": {"m": 0.5}})
    read = [noise.corrupt("corner", rng) for _ in range(LINES)]
    assert set(read) == {"corner", "comer"}
    assert read.count("comer") / LINES == pytest.approx(0.5, abs=0.03)


def test_words_are_split_and_joined(rng):
    noise = model({" ": {"": 0.5}}, {" ": 0.05})
    read = {noise.corrupt("in side", rng) for _ in range(LINES)}
    assert {"inside", "in side", "in s ide"} <= read


def test_noise_of_fitted_errors_has_their_rate(rng):
    words = "the corner of a house in modern times was clean and burning".split()
    references = [" ".join(rng.permutation(words)) for _ in range(LINES)]
    maker = model({"rn": {"m": 0.5}, "e": {"c": 0.2, "": 0.05}, " ": {"": 0.05}}, {"i": 0.02})
    predictions = [maker.corrupt(text, rng) for text in references]
    fitted = ConfusionModel.fit(references, predictions)
    again = [fitted.corrupt(text, rng) for text in references]
    assert cer(references, again) == pytest.approx(cer(references, predictions), rel=0.03)


def test_fitting_recovers_the_rates_of_the_noise(rng):
    references = ["the corner of a huge house"] * LINES
    noise = model({"rn": {"m": 0.5}, "u": {"v": 0.2, "": 0.1}})
    fitted = ConfusionModel.fit(references, [noise.corrupt(text, rng) for text in references])
    assert set(fitted.confusions) == {"rn", "u"}
    assert fitted.confusions["rn"] == pytest.approx({"m": 0.5}, abs=0.02)
    assert fitted.confusions["u"] == pytest.approx({"v": 0.2, "": 0.1}, abs=0.02)


@pytest.mark.parametrize("wanted", [0.0, 0.05, 0.2])
def test_another_rate_can_be_asked_for(rng, wanted):
    noise = model({"a": {"o": 0.1}}, cer=0.1)
    text = "a" * 40
    read = [noise.corrupt(text, rng, cer=wanted) for _ in range(400)]
    assert cer([text] * 400, read) == pytest.approx(wanted, abs=0.01)


def test_lines_differ_as_much_as_those_counted(rng):
    text = "a" * 40
    maker = model({"a": {"o": 0.1}}, dispersion=0.5)
    fitted = ConfusionModel.fit([text] * LINES, [maker.corrupt(text, rng) for _ in range(LINES)])
    assert fitted.dispersion == pytest.approx(0.5, abs=0.1)
    alike = model({"a": {"o": 0.1}})
    fitted = ConfusionModel.fit([text] * LINES, [alike.corrupt(text, rng) for _ in range(LINES)])
    assert fitted.dispersion < 0.05


def test_spaces_stay_single(rng):
    noise = model({"a": {"": 0.9}}, cer=0.9)
    assert noise.corrupt("a a a", rng, cer=1.0) in ("", "a", "a a", "a a a")


def test_save_and_load(tmp_path):
    noise = model({"é": {"e": 0.5}}, {" ": 0.01}, cer=0.07, dispersion=0.3)
    noise.save(tmp_path / "confusions.json")
    assert ConfusionModel.load(tmp_path / "confusions.json") == noise


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', '{"format": 2}'])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(ValueError, match=r"other\.json holds no confusions"):
        ConfusionModel.load(tmp_path / "other.json")


def test_lines_that_do_not_pair_up_are_refused():
    with pytest.raises(ValueError, match="2 true texts and 1 read"):
        ConfusionModel.fit(["a", "b"], ["a"])


def test_nothing_to_count_in_is_refused():
    with pytest.raises(ValueError, match="no true text"):
        ConfusionModel.fit([""], ["a"])


@pytest.mark.parametrize("wrong", [-0.1, 12.0])
def test_a_rate_that_is_none_is_refused(rng, wrong):
    with pytest.raises(ValueError, match="no rate"):
        model({"a": {"o": 0.1}}).corrupt("a", rng, cer=wrong)


def test_errors_cannot_be_made_of_none(rng):
    perfect = ConfusionModel.fit(["abc"], ["abc"])
    assert perfect.corrupt("abc", rng) == "abc"
    with pytest.raises(ValueError, match="without errors"):
        perfect.corrupt("abc", rng, cer=0.1)
