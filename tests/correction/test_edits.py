import pytest

from hwr_hf.correction.edits import align_characters, apply_edits, word_edits


@pytest.mark.parametrize(
    ("recognised", "proposed", "changes"),
    [
        pytest.param("a house", "a house", [], id="none"),
        pytest.param("a  house ", "a house", [], id="spaces-do-not-count"),
        pytest.param("a hause", "a house", [("hause", "house")], id="substitution"),
        pytest.param(
            "tbe big hause", "the big house", [("tbe", "the"), ("hause", "house")], id="two"
        ),
        pytest.param("tbe hause", "the house", [("tbe", "the"), ("hause", "house")], id="side"),
        pytest.param("ofthe day", "of the day", [("ofthe", "of the")], id="split"),
        pytest.param("the re is", "there is", [("the re", "there")], id="join"),
        pytest.param("he home", "he went home", [("home", "went home")], id="insertion"),
        pytest.param("he the went", "he went", [("the went", "went")], id="deletion"),
        pytest.param("", "a house", [], id="nothing-recognised"),
        pytest.param("a house", " ", [], id="nothing-proposed"),
    ],
)
def test_edits_are_the_smallest_runs_of_words_that_differ(recognised, proposed, changes):
    edits = word_edits(recognised, proposed)
    assert [(edit.old, edit.new) for edit in edits] == changes
    assert all(recognised[edit.start : edit.end] == edit.old for edit in edits)


@pytest.mark.parametrize(
    ("recognised", "proposed"),
    [
        ("tbe big hause", "the house"),
        ("ofthe day he cane home", "of the day came home again"),
        ("a b c d", "e f"),
        ("one", "two three four"),
    ],
)
def test_all_edits_made_give_the_proposed_text(recognised, proposed):
    assert apply_edits(recognised, word_edits(recognised, proposed)) == proposed


def test_an_edit_leaves_spaces_elsewhere_as_they_are():
    text = " the  hause   there "
    assert apply_edits(text, word_edits(text, "the house there")) == " the  house   there "


def test_a_space_and_a_full_stop_do_not_stand_over_each_other():
    pairs = align_characters("ab c", "xb.c")
    assert [pair for pair in pairs if None not in pair] == [(0, 0), (1, 1), (3, 3)]


def test_of_two_equal_letters_the_first_is_kept():
    assert align_characters("hhe", "he") == [(0, 0), (1, None), (2, 1)]


def test_a_long_line_is_aligned():
    text = "every word of this is here " * 80
    (edit,) = word_edits(text, text.replace("is here every", "is hare every", 1))
    assert (edit.old, edit.new, edit.start) == ("here", "hare", 22)
