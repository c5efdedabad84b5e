"""The mean of the weights of models that were trained one from the other.

In: folders of recognisers of one network, such as the ends of two stages of training with a falling
rate each. Out: one recogniser as large and as fast as each, which often reads better than any.
References: Izmailov et al. (2018), https://arxiv.org/abs/1803.05407, who average along such cycles;
Wortsman et al. (2022), https://arxiv.org/abs/2203.05482, "model soups"
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch

from hwr_hf.resnet_bilstm import ResNetBiLstmForCTC


def average_models(
    folders: Sequence[str | Path], shares: Sequence[float] | None = None
) -> ResNetBiLstmForCTC:
    """A recogniser whose weights, and statistics of batch normalisation, are the models' mean.

    The weights of models that were trained apart do not go together: begin each training with the
    model of another. The temperature of the scores is 1; fit it anew.

    Args:
        folders: Of the models.
        shares: How much each counts, relative to the others; None for all alike.

    Raises:
        ValueError: The networks differ, or the shares do not fit the folders.
    """
    shares = [1.0] * len(folders) if shares is None else list(shares)
    are_positive = shares and all(share > 0 for share in shares)  # NaN is not
    if len(shares) != len(folders) or not are_positive or not math.isfinite(sum(shares)):
        raise ValueError(
            f"The shares {shares} do not fit {len(folders)} models: give each a finite number "
            "above 0."
        )
    models = [ResNetBiLstmForCTC.from_pretrained(folder, dtype=torch.float32) for folder in folders]
    for model in models:
        model.check_weights()
    states = [model.state_dict() for model in models]
    for folder, state in zip(folders, states, strict=True):
        for name in state.keys() | states[0].keys():
            ours, first = (tuple(s[name].shape) if name in s else None for s in (state, states[0]))
            if ours != first:
                raise ValueError(
                    f"{folder} and {folders[0]} are not the same network: the shape of {name} is "
                    f"{ours} and {first}. Only models trained one from the other have a mean."
                )
    averaged = models[0]
    with torch.no_grad():
        for name, mean in averaged.state_dict().items():
            if mean.is_floating_point():  # the rest counts the batches of batch normalisation
                weighted = [share * s[name] for share, s in zip(shares, states, strict=True)]
                mean.copy_(sum(weighted) / sum(shares))
    averaged.config.temperature = 1.0
    return averaged
