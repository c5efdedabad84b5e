"""The picture of a training: loss, and CER of every validation set, over the optimizer steps.

In: `Trainer.state.log_history`, or the `curve` of a training summary. Out: a PNG.
"""

from pathlib import Path


def draw_learning_curve(log_history: list[dict], path: Path) -> None:
    """Draws training loss (left axis) and validation CER in percent (right axis, logarithmic).

    Args:
        log_history: Entries with `step` and `loss`, or `step` and any number of `..._cer`. Without
            a loss, the picture has one axis.
        path: Of the PNG that is written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    loss_axis = figure.add_subplot()
    losses = [(entry["step"], entry["loss"]) for entry in log_history if "loss" in entry]
    if losses:
        loss_axis.plot(*zip(*losses, strict=True), color="0.7")
        loss_axis.set(ylabel="training loss (CTC, grey)", yscale="log")
    else:
        loss_axis.get_yaxis().set_visible(False)
    loss_axis.set_xlabel("optimizer step")

    cer_axis = loss_axis.twinx()
    names = {name for entry in log_history for name in entry if name.endswith("_cer")}
    for name in sorted(names):
        points = [(entry["step"], 100 * entry[name]) for entry in log_history if name in entry]
        label = name.removeprefix("eval_").removesuffix("_cer")
        cer_axis.plot(*zip(*points, strict=True), marker="o", markersize=3, label=label)
        cer_axis.annotate(f"{points[-1][1]:.1f} %", points[-1])
    cer_axis.set(ylabel="validation CER in percent", yscale="log")
    if names:
        cer_axis.legend()
    figure.savefig(path)
