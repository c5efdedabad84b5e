"""One picture of the study: the word error rate of every arm with its 95 % interval.

In: the study's results (`report` gives their form). Out: a PNG file, a panel for each regime.
Colours are those of Okabe & Ito (2008), https://jfly.uni-koeln.de/color/; shapes tell them apart
as well.
"""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from .plan import ARMS, BERT, BERT_AFTER_NGRAM, BERT_GATED, MASKED_LM, NONE, Arm

WITH_BERT = (BERT, BERT_GATED, MASKED_LM, BERT_AFTER_NGRAM)
STYLES = {  # of the kinds of arms: colour, marker, whether it is filled
    "without BERT": ("#0072B2", "o", True),
    "with BERT": ("#D55E00", "s", True),
    "oracle, no method": ("#666666", "D", False),
}


def draw_intervals(results: Mapping, path: str | Path) -> None:
    """Writes the picture; arms and regimes that are not there are left out.

    Raises:
        ValueError: There is no regime.
    """
    intervals_figure(results).savefig(path)


def intervals_figure(results: Mapping) -> Figure:
    """The picture itself."""
    regimes = results["regimes"]
    if not regimes:
        raise ValueError("The results have no regime to draw. Run the study first.")
    figure = Figure(figsize=(5.2 * len(regimes) + 1.2, 5), dpi=110, layout="constrained")
    panels = figure.subplots(1, len(regimes), squeeze=False)[0]
    for panel, (name, regime) in zip(panels, regimes.items(), strict=True):
        shown = [arm for arm in ARMS if arm.name in regime["arms"]]
        for place, arm in enumerate(shown):
            measured = regime["arms"][arm.name]
            colour, marker, is_filled = STYLES[_kind(arm)]
            low, high = (100 * end for end in measured["wer_interval"])
            panel.hlines(place, low, high, color=colour, linewidth=1.5)
            panel.plot(
                100 * measured["wer"],
                place,
                color=colour,
                marker=marker,
                markerfacecolor=colour if is_filled else "white",
                linestyle="none",
                label=_kind(arm),
            )
        if NONE.name in regime["arms"]:
            wer = 100 * regime["arms"][NONE.name]["wer"]
            panel.axvline(wer, color="0.7", linestyle="--", linewidth=1, zorder=0)
        panel.set_yticks(range(len(shown)), [arm.name for arm in shown])
        panel.invert_yaxis()
        panel.set(title=name, xlabel="WER in percent")
    data = results["data"]
    figure.suptitle(
        f"{data['name']}, {data['test_lines']:,} test lines of {data['test_writers']:,} writers, "
        "95 % intervals",
        fontsize=10,
    )
    handles = {}
    for panel in panels:
        handles |= dict(zip(*panel.get_legend_handles_labels()[::-1], strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _kind(arm: Arm) -> str:
    without, with_bert, oracle = STYLES
    if arm.is_oracle:
        return oracle
    return with_bert if arm in WITH_BERT else without
