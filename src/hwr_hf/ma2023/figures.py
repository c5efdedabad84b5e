"""The five figures of Ma (2023), drawn from the study's own networks, and their learning curves.

In: word images with their texts, trained networks, results. Out: PNG files. IAM's words may not be
passed on: what shows them stays with the runs, and the published pictures show drawn words.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from hwr_hf.figures import deskew_figure
from hwr_hf.ma2023.comparison import first_runs
from hwr_hf.ma2023.study import HONEST, LEAKY, NETWORKS, PAPER_RATES, Network, Run
from hwr_hf.ma2023.training import decode_frames
from hwr_hf.resnet_bilstm.image_transforms_resnet_bilstm import to_grey
from hwr_hf.resnet_bilstm.processing_resnet_bilstm import ResNetBiLstmProcessor

NUM_CHANNELS = 8  # feature maps shown of each stage
RIGHT, WRONG = "tab:green", "tab:red"


class TrainedNetwork:
    """A network of the study with its processor, read from the folder of its run."""

    def __init__(self, folder: Path, network: Network):
        self.network = network
        self.model = network.architecture.from_pretrained(folder).eval()
        self.processor = ResNetBiLstmProcessor.from_pretrained(folder)

    @torch.inference_mode()
    def read(self, images: Sequence) -> list[str]:
        """Texts of word images, each anything that `to_grey` takes."""
        inputs = self.processor(images=list(images), return_tensors="pt")
        frames = self.model(**inputs).logits.argmax(-1).numpy()  # (words, frames)
        return decode_frames(frames, self.processor.tokenizer, self.network)

    @torch.inference_mode()
    def feature_maps(self, image) -> list[np.ndarray]:
        """After the first convolution and each stage, `(channels, rows, columns)`."""
        inputs = self.processor(images=[image], return_tensors="pt")
        outputs = self.model(**inputs, output_hidden_states=True)
        num_maps = 1 + len(self.model.config.hidden_sizes)
        return [maps[0].numpy() for maps in outputs.hidden_states[:num_maps]]


def draw_figures(
    images: Sequence[Image.Image],
    texts: Sequence[str],
    runs_dir: Path,
    results: dict[Run, dict],
    output_dir: Path,
) -> None:
    """Draws figures 1, 2, 3 and 5 of the paper from these words.

    Args:
        images: Word images.
        texts: What they say.
        runs_dir: Where the networks of `results` are.
        results: The study's results; of each network its first run is shown.
        output_dir: Gets `samples.png`, `deskew.png`, `feature_maps.png` and `predictions.png`.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    networks = {
        name: TrainedNetwork(runs_dir / run.name, NETWORKS[name])
        for name, run in first_runs(results).items()
    }
    samples_figure(images, texts).savefig(output_dir / "samples.png")
    deskew_figure(images[:6], row_height=48).save(output_dir / "deskew.png")
    maps = networks["cnn_rnn"].feature_maps(images[0])
    feature_map_figure(images[0], maps).savefig(output_dir / "feature_maps.png")
    predictions = {network.network.title: network.read(images) for network in networks.values()}
    predictions_figure(images, texts, predictions).savefig(output_dir / "predictions.png")


def samples_figure(images: Sequence, texts: Sequence[str], num_columns: int = 4) -> Figure:
    """Figure 1: words, the text of each above it."""
    num_rows = -(-len(images) // num_columns)
    figure = Figure(figsize=(2.4 * num_columns, 1.2 * num_rows), dpi=110, layout="constrained")
    axes = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axis, image, text in zip(axes, images, texts, strict=False):
        _show(axis, image)
        axis.set_title(_plain(text), fontsize=10)
    for axis in axes[len(images) :]:
        axis.set_axis_off()
    return figure


def feature_map_figure(image, stages: Sequence[np.ndarray]) -> Figure:
    """Figure 3: some channels after the first convolution and after R1 to R4, one row each.

    Args:
        image: What the network saw, anything that `to_grey` takes.
        stages: Feature maps `(channels, rows, columns)` of the stem and of every stage.
    """
    figure = Figure(
        figsize=(1.1 * (NUM_CHANNELS + 1), 1.15 * len(stages)), dpi=110, layout="constrained"
    )
    axes = figure.subplots(len(stages), NUM_CHANNELS + 1, squeeze=False)
    for number, (row, maps) in enumerate(zip(axes, stages, strict=True)):
        name = f"R{number}" if number else "first\nconvolution"
        row[0].set_ylabel(f"{name}\n{maps.shape[1]}x{maps.shape[2]}", rotation=0, ha="right")
        _show(row[0], image) if number == 0 else _hide(row[0])
        # The channels in which most happens
        busiest = np.argsort(-maps.std(axis=(1, 2)))[:NUM_CHANNELS]
        for axis in row[1:]:
            _hide(axis)
        for axis, channel in zip(row[1:], busiest, strict=False):
            axis.imshow(maps[channel], cmap="viridis", aspect="auto")
    return figure


def error_rates_figure(results: dict[Run, dict]) -> Figure:
    """Figure 4: CER and WER of every network under both protocols, with their 95 % intervals."""
    figure = Figure(figsize=(9, 4), dpi=110, layout="constrained")
    runs = {}
    for run, result in results.items():
        for test_set in (LEAKY, HONEST):
            if test_set in result["tests"]:
                runs.setdefault((run.network, test_set), result["tests"][test_set])
    names = [name for name in NETWORKS if (name, HONEST) in runs]
    for axis, rate in zip(figure.subplots(1, 2), ("cer", "wer"), strict=True):
        for offset, test_set, colour in ((-0.2, LEAKY, "tab:orange"), (0.2, HONEST, "tab:blue")):
            tests = [runs[name, test_set] for name in names]
            heights = np.array([100 * test[rate] for test in tests])
            ends = [test[f"{rate}_interval"] or (test[rate], test[rate]) for test in tests]
            below_above = np.abs(100 * np.array(ends).T - heights)
            places = np.arange(len(names)) + offset
            axis.bar(places, heights, 0.4, color=colour, label=test_set)
            axis.errorbar(places, heights, below_above, fmt="none", ecolor="black", capsize=3)
        paper = 100 * PAPER_RATES[rate]
        axis.axhline(paper, color="0.4", linestyle="--", label=f"paper's CNN-RNN, {paper:.1f} %")
        labels = [NETWORKS[name].title.replace(", ", ",\n") for name in names]
        axis.set_xticks(range(len(names)), labels, rotation=30, ha="right", fontsize=8)
        axis.set(ylabel=f"{rate.upper()} in percent")
        axis.legend(fontsize=8, loc="upper right")
    return figure


def learning_figure(losses: dict[str, Sequence[tuple[int, float]]]) -> Figure:
    """Training loss over the steps, a line for each network.

    Args:
        losses: Steps and losses by the network's title; all of one kind, or they do not compare.
    """
    figure = Figure(figsize=(6, 3.2), dpi=110, layout="constrained")
    axis = figure.subplots()
    for title, points in losses.items():
        axis.plot(*zip(*points, strict=True), label=title)
    axis.set(xlabel="optimizer step", ylabel="cross-entropy per step", yscale="log")
    axis.legend()
    return figure


def predictions_figure(
    images: Sequence, texts: Sequence[str], predictions: dict[str, Sequence[str]]
) -> Figure:
    """Figure 5: words, their true text, and what each network read: green if right, else red."""
    figure = Figure(
        figsize=(2.6 + 1.9 * (1 + len(predictions)), 0.3 + 0.5 * len(images)),
        dpi=110,
        layout="constrained",
    )
    axes = figure.subplots(len(images), 2 + len(predictions), squeeze=False)
    heads = ["", "true", *predictions]
    for axis, head in zip(axes[0], heads, strict=True):
        axis.set_title(head.replace(", ", ",\n"), fontsize=8)
    for row, image, text, *read in zip(axes, images, texts, *predictions.values(), strict=True):
        _show(row[0], image)
        for axis, written in zip(row[1:], [text, *read], strict=True):
            _hide(axis)
            is_right = written.lower() == text.lower()
            colour = "black" if axis is row[1] else RIGHT if is_right else WRONG
            axis.text(0.5, 0.5, _plain(written), ha="center", va="center", color=colour, size=9)
    return figure


def _show(axis, image) -> None:
    axis.imshow(to_grey(image), cmap="gray", vmin=0, vmax=255)
    _hide(axis)


def _hide(axis) -> None:
    """No ticks and no frame; the label of the row stays."""
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set_visible(False)


def _plain(text: str) -> str:
    """Text that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")
