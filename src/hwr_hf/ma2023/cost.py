"""What a budget costs on this machine: the time of one training step, times the steps.

Out: hours for each network and for the whole study, and on a GPU the most memory it took.
"""

import time
from collections.abc import Callable

import torch

from hwr_hf.ma2023.study import NETWORKS, Budget, Network, planned_runs
from hwr_hf.training_model import fastest_memory_format

NUM_TIMED = 3  # steps, after one that is not
DEFAULT_HEIGHT, WORD_WIDTH = 48, 128  # pixels of a prepared word that keeps its width, about
LABEL_LENGTH = 5


def measure_cost(
    budget: Budget, num_train_words: int, report: Callable[[str], object] = print
) -> dict:
    """Times training steps on random images of the budget's size.

    Args:
        budget: Sizes of the study.
        num_train_words: Words that an epoch shows.
        report: Gets a line for each network.

    Returns:
        `device`, `threads`, and for each network `seconds_per_step`, `steps` and `hours`;
        `hours` of the whole study; with CUDA `peak_memory_gib`, the most of any network.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = {}
    for name, network in NETWORKS.items():
        words, seconds = _step(budget, network, device)
        steps = round(budget.num_epochs * num_train_words / words)
        rows[name] = {
            "seconds_per_step": round(seconds, 4),
            "words_per_step": words,
            "steps": steps,
            "hours": round(steps * seconds / 3600, 2),
        }
        report(f"{network.title}: {seconds:.3f} s a step of {words} words")
    total = sum(rows[run.network]["hours"] for run in planned_runs(budget))
    cost = {
        "budget": budget.name,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "train_words": num_train_words,
        "networks": rows,
        "hours": round(total, 1),
        "how": f"{NUM_TIMED} steps of each network timed on random images, the rest calculated",
    }
    if device == "cuda":
        cost["peak_memory_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return cost


def _step(budget: Budget, network: Network, device: str) -> tuple[int, float]:
    """Words in a batch, and seconds of a training step."""
    config = budget.config(network)
    side = (budget.image_size,) * 2
    height, width = (DEFAULT_HEIGHT, WORD_WIDTH) if network.keeps_width else side
    columns = -(-width // 64) * 64  # as the batches are made
    num_words = budget.batch_columns // columns
    memory_format = fastest_memory_format(config)
    model = network.architecture(config).to(device, memory_format=memory_format)
    optimizer = torch.optim.AdamW(model.parameters())
    images = torch.randn(num_words, config.num_channels, height, width, device=device)
    images = images.contiguous(memory_format=memory_format)
    # No label twice in a row: the shortest frames will do
    labels = torch.arange(1, LABEL_LENGTH + 1, device=device).repeat(num_words, 1)
    for step in range(1 + NUM_TIMED):
        if step == 1:
            start = time.perf_counter()
        with torch.autocast(device, dtype=torch.float16, enabled=device == "cuda"):
            loss = model(pixel_values=images, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()
    return num_words, (time.perf_counter() - start) / NUM_TIMED
