import json
import math
from itertools import pairwise

import pytest

from hwr_hf.correction.edits import Correction, Edit
from hwr_hf.correction.gate import GateSettings, gated_edits

# Changes of recogniser and corrector
CHANGES = [(-0.5, 3.0), (-4.0, 6.0), (-1.0, 0.5), (0.0, 0.0), (-30.0, 12.0), (2.0, -1.0)]
EDITS = [Edit(i, i + 1, "a", "b", c, r) for i, (r, c) in enumerate(CHANGES)]
THRESHOLDS = [-math.inf, -18.0, -1.0, 0.0, 0.5, 2.0, 2.5, math.inf]


def taken(settings, edits=EDITS):
    return {edit.start for edit in edits if settings.judge(edit).accepted}


def test_the_score_adds_the_weighted_change_of_the_corrector_to_the_recognisers():
    edit = GateSettings(weight=0.5, threshold=3.0).judge(Edit(0, 1, "a", "b", 8.0, -1.0))
    assert edit.score == 3.0  # -1 + 0.5 * 8
    assert edit.accepted


def test_an_edit_just_below_the_threshold_is_left():
    assert not GateSettings(weight=0.5, threshold=3.01).judge(Edit(0, 1, "a", "b", 8, -1)).accepted


def test_without_the_recogniser_the_other_threshold_holds():
    settings = GateSettings(weight=9.0, threshold=-100.0, text_threshold=2.0)
    judged = [settings.judge(Edit(0, 1, "a", "b", change)) for change in (2.0, 1.9)]
    assert [edit.score for edit in judged] == [2.0, 1.9]
    assert [edit.accepted for edit in judged] == [True, False]


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0, 4.0])
@pytest.mark.parametrize(("lower", "higher"), list(pairwise(THRESHOLDS)))
def test_a_higher_threshold_takes_a_subset(weight, lower, higher):
    assert taken(GateSettings(weight, higher)) <= taken(GateSettings(weight, lower))
    text_edits = [Edit(edit.start, edit.end, "a", "b", edit.corrector_change) for edit in EDITS]
    assert taken(GateSettings(text_threshold=higher), text_edits) <= taken(
        GateSettings(text_threshold=lower), text_edits
    )


def test_the_lowest_threshold_takes_all_and_infinity_none():
    assert taken(GateSettings(threshold=-math.inf)) == set(range(len(EDITS)))
    assert taken(GateSettings(threshold=math.inf)) == set()


@pytest.mark.parametrize("change", [-math.inf, math.nan])
def test_what_cannot_be_written_under_the_image_is_never_taken(change):
    edit = Edit(0, 1, "a", "b", corrector_change=50.0, recogniser_change=change)
    assert not GateSettings(threshold=-math.inf).judge(edit).accepted


def test_an_edit_that_was_not_scored_is_an_error():
    with pytest.raises(ValueError, match="has no corrector_change"):
        GateSettings().judge(Edit(0, 1, "a", "b"))


def test_a_text_gets_the_edits_that_image_and_text_speak_for():
    edits = (
        Edit(0, 3, "tbe", "the", corrector_change=4.0, recogniser_change=-1.0),
        Edit(4, 7, "old", "odd", corrector_change=2.0, recogniser_change=-9.0),
        Edit(8, 13, "hcuse", "horse", corrector_change=1.0, recogniser_change=-2.0),
    )
    proposed = [Correction("tbe old hcuse", "", edits)]
    gate = GateSettings(weight=1.0, threshold=0.0)  # 4 - 1, 2 - 9 and 1 - 2
    assert gated_edits(proposed, gate) == ["the old hcuse"]
    assert gated_edits(proposed, GateSettings(threshold=math.inf)) == ["tbe old hcuse"]


@pytest.mark.parametrize(
    "settings",
    [GateSettings(), GateSettings(0.35, -1.5, 2.25), GateSettings(1.0, math.inf, -math.inf)],
)
def test_settings_survive_json(settings, tmp_path):
    settings.save(tmp_path / "gate.json")
    assert GateSettings.load(tmp_path / "gate.json") == settings


def test_a_threshold_that_takes_nothing_is_null_in_json(tmp_path):
    GateSettings(threshold=math.inf).save(tmp_path / "gate.json")
    assert json.loads((tmp_path / "gate.json").read_text())["threshold"] is None


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"threshold": "high"}', '{"strength": 1}', '{"weight": null}']
)
def test_a_file_that_holds_no_settings_is_named(content, tmp_path):
    (tmp_path / "gate.json").write_text(content)
    with pytest.raises(ValueError, match=r"gate\.json holds no settings of a gate"):
        GateSettings.load(tmp_path / "gate.json")


@pytest.mark.parametrize("values", [{"weight": -1}, {"weight": math.inf}, {"threshold": math.nan}])
def test_impossible_settings_are_an_error(values):
    with pytest.raises(ValueError, match="The gate's"):
        GateSettings(**values)
