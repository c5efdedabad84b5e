"""A smaller recogniser cut out of a larger one, to be trained on: it starts from what that knows.

The last blocks of a stage are left out, then the channels and LSTM units that weigh least: those
whose product of the weights that write them and the weights that read them is smallest. Where a
stage's blocks add to each other they share their channels. Reference: Li et al. (2017),
https://arxiv.org/abs/1608.08710, who rank filters by their norm.
"""

from collections.abc import Iterable

import torch
from torch import nn

from hwr_hf.resnet_bilstm.configuration_resnet_bilstm import ResNetBiLstmConfig
from hwr_hf.resnet_bilstm.modeling_resnet_bilstm import BasicBlock, BiLstmLayer, ResNetBiLstmForCTC

NUM_GATES = 4  # of an LSTM, whose weights PyTorch stacks
MUST_AGREE = (
    "num_channels", "stem_stride", "stem_pooling", "stage_strides", "num_steps", "height_pooling",
    "vocab_size", "pad_token_id",
)  # fmt: skip
MUST_NOT_GROW = (
    "stem_channels", "hidden_sizes", "depths", "lstm_hidden_size", "num_lstm_layers",
)  # fmt: skip


def prune(model: ResNetBiLstmForCTC, config: ResNetBiLstmConfig) -> ResNetBiLstmForCTC:
    """A recogniser of the sizes of `config` with the weightiest part of the weights of `model`.

    Args:
        model: To cut from; it is not changed.
        config: No size may be larger than the model's.

    Raises:
        ValueError: A size is larger, or the networks differ in more than sizes.
    """
    check_sizes(model.config, config)
    pruned = ResNetBiLstmForCTC(config)
    _check_shortcuts(model, pruned)
    with torch.no_grad():
        kept = _copy_backbone(model, pruned)
        _copy_head(model, pruned, kept)
    return pruned


def check_sizes(larger: ResNetBiLstmConfig, smaller: ResNetBiLstmConfig) -> None:
    """Raises ValueError unless the one network can be cut out of the other."""
    if len(larger.hidden_sizes) != len(smaller.hidden_sizes):
        raise ValueError(
            f"The model has {len(larger.hidden_sizes)} stages and what is to be cut out of it "
            f"{len(smaller.hidden_sizes)}: only sizes can shrink. Give as many hidden_sizes."
        )
    for name in MUST_AGREE:
        old, new = getattr(larger, name), getattr(smaller, name)
        if old != new:
            raise ValueError(
                f"{name} is {old} in the model and {new} in what is to be cut out of it: only "
                f"sizes can shrink ({', '.join(MUST_NOT_GROW)}). Leave {name} out."
            )
    for name in MUST_NOT_GROW:
        old, new = getattr(larger, name), getattr(smaller, name)
        if any(map(int.__gt__, new, old)) if isinstance(old, list) else new > old:
            raise ValueError(
                f"{name} is {old} in the model, and {new} cannot be cut out of it. Give at most "
                f"{old}, or train from scratch."
            )
    if smaller.ctc_shortcut_weight > 0 and larger.ctc_shortcut_weight == 0:
        raise ValueError(
            "The model has no CTC shortcut head to keep: set ctc_shortcut_weight to 0."
        )


def _check_shortcuts(model: ResNetBiLstmForCTC, pruned: ResNetBiLstmForCTC) -> None:
    """Raises ValueError where one network convolves what a stage adds and the other does not."""
    old, new = model.model.backbone, pruned.model.backbone
    for name in old.stage_names:
        blocks = old.get_submodule(name)[0], new.get_submodule(name)[0]
        if (blocks[0].downsample is None) != (blocks[1].downsample is None):
            raise ValueError(
                f"In {name} the channels before the stage and in it are equal in one of the "
                f"networks only: {model.config.stem_channels}, {model.config.hidden_sizes} in the "
                f"model, {pruned.config.stem_channels}, {pruned.config.hidden_sizes} in what is to "
                "be cut out of it. Shrink stem_channels and hidden_sizes alike."
            )


def _copy_backbone(model: ResNetBiLstmForCTC, pruned: ResNetBiLstmForCTC) -> torch.Tensor:
    """Copies the ResNet and returns which channels of its last stage were kept."""
    old, new = model.model.backbone, pruned.model.backbone
    stages = [list(old.get_submodule(name)) for name in old.stage_names]
    new_stages = [list(new.get_submodule(name)) for name in new.stage_names]
    after_last = _input_weights(model.model.bilstm[0])
    kept = None  # channels of the feature maps that the next stage reads
    for number, (blocks, new_blocks) in enumerate(zip(stages, new_stages, strict=True)):
        blocks = blocks[: len(new_blocks)]
        readers = _entrance(stages[number + 1][0]) if number + 1 < len(stages) else after_last
        is_joined_to_stem = number == 0 and blocks[0].downsample is None
        if number == 0:
            stem_readers = _entrance(blocks[0])
            if is_joined_to_stem:
                stem_readers += [block.conv1.weight for block in blocks[1:]] + readers
            writers = [(old.conv1, old.bn1)]
            writers += [(block.conv2, block.bn2) for block in blocks if is_joined_to_stem]
            kept = _weightiest(new.conv1.out_channels, writers, stem_readers)
            _copy_conv(old.conv1, old.bn1, new.conv1, new.bn1, kept, None)
        came_in = kept
        if blocks[0].downsample is not None:
            writers = [tuple(blocks[0].downsample)]
            writers += [(block.conv2, block.bn2) for block in blocks]
            inner_readers = [block.conv1.weight for block in blocks[1:]]
            kept = _weightiest(new_blocks[0].conv2.out_channels, writers, inner_readers + readers)
        for block, new_block in zip(blocks, new_blocks, strict=True):
            _copy_block(block, new_block, came_in, kept)
            came_in = kept
    return kept


def _entrance(block: BasicBlock) -> list[torch.Tensor]:
    """The weights of a block that read what comes into it."""
    weights = [block.conv1.weight]
    return weights if block.downsample is None else [*weights, block.downsample[0].weight]


def _copy_block(
    block: BasicBlock, new_block: BasicBlock, came_in: torch.Tensor, kept: torch.Tensor
) -> None:
    inner = _weightiest(
        new_block.conv1.out_channels, [(block.conv1, block.bn1)], [block.conv2.weight]
    )
    _copy_conv(block.conv1, block.bn1, new_block.conv1, new_block.bn1, inner, came_in)
    _copy_conv(block.conv2, block.bn2, new_block.conv2, new_block.bn2, kept, inner)
    if block.downsample is not None:
        _copy_conv(*block.downsample, *new_block.downsample, kept, came_in)


def _weightiest(
    count: int,
    writers: Iterable[tuple[nn.Conv2d, nn.BatchNorm2d]],
    readers: Iterable[torch.Tensor],
) -> torch.Tensor:
    """Which channels to keep, in their order.

    Args:
        count: How many.
        writers: Convolutions whose outputs are the channels, with what normalises them.
        readers: Weights whose second axis are the channels.
    """
    written = sum(_folded(conv, norm).square().flatten(1).sum(dim=1) for conv, norm in writers)
    read = sum(weight.square().transpose(0, 1).flatten(1).sum(dim=1) for weight in readers)
    return (written * read).topk(count).indices.sort().values


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> torch.Tensor:
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return conv.weight * scale[:, None, None, None]


def _copy_conv(
    conv: nn.Conv2d,
    norm: nn.BatchNorm2d,
    new_conv: nn.Conv2d,
    new_norm: nn.BatchNorm2d,
    outputs: torch.Tensor,
    inputs: torch.Tensor | None,
) -> None:
    weight = conv.weight[outputs]
    new_conv.weight.copy_(weight if inputs is None else weight[:, inputs])
    for name in ("weight", "bias", "running_mean", "running_var"):
        getattr(new_norm, name).copy_(getattr(norm, name)[outputs])


def _copy_head(
    model: ResNetBiLstmForCTC, pruned: ResNetBiLstmForCTC, features: torch.Tensor
) -> None:
    """Copies BiLSTM and heads; `features` are the channels kept of what they read."""
    layers = list(model.model.bilstm)[: len(pruned.model.bilstm)]
    inputs = features
    for number, (layer, new_layer) in enumerate(zip(layers, pruned.model.bilstm, strict=True)):
        is_last = number + 1 == len(layers)
        readers = [model.ctc_head.weight] if is_last else _input_weights(layers[number + 1])
        size = layer.forward_lstm.hidden_size
        read = sum(weight.square().sum(dim=0) for weight in readers)  # (2 * size,)
        count = new_layer.forward_lstm.hidden_size
        units = [half.topk(count).indices.sort().values for half in read.split(size)]
        directions = ("forward_lstm", "backward_lstm")
        for direction, kept in zip(directions, units, strict=True):
            _copy_lstm(getattr(layer, direction), getattr(new_layer, direction), kept, inputs)
        inputs = torch.cat([units[0], size + units[1]])
    pruned.ctc_head.weight.copy_(model.ctc_head.weight[:, inputs])
    pruned.ctc_head.bias.copy_(model.ctc_head.bias)
    if pruned.shortcut_head is not None:
        pruned.shortcut_head.weight.copy_(model.shortcut_head.weight[:, features])
        pruned.shortcut_head.bias.copy_(model.shortcut_head.bias)


def _input_weights(layer: BiLstmLayer) -> list[torch.Tensor]:
    return [layer.forward_lstm.weight_ih_l0, layer.backward_lstm.weight_ih_l0]


def _copy_lstm(lstm: nn.LSTM, new_lstm: nn.LSTM, units: torch.Tensor, inputs: torch.Tensor) -> None:
    rows = torch.cat([gate * lstm.hidden_size + units for gate in range(NUM_GATES)])
    new_lstm.weight_ih_l0.copy_(lstm.weight_ih_l0[rows][:, inputs])
    new_lstm.weight_hh_l0.copy_(lstm.weight_hh_l0[rows][:, units])
    new_lstm.bias_ih_l0.copy_(lstm.bias_ih_l0[rows])
    new_lstm.bias_hh_l0.copy_(lstm.bias_hh_l0[rows])
