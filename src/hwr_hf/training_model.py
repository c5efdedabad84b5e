"""What is trained: a recogniser from scratch, one to go on with, or a smaller one cut out of it."""

import difflib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from huggingface_hub.errors import StrictDataclassError

from hwr_hf import DEFAULT_MODEL
from hwr_hf.model_folders import checked_model
from hwr_hf.pruning import prune
from hwr_hf.resnet_bilstm.configuration_resnet_bilstm import ResNetBiLstmConfig
from hwr_hf.resnet_bilstm.image_processing_resnet_bilstm import ResNetBiLstmImageProcessor
from hwr_hf.resnet_bilstm.modeling_resnet_bilstm import ResNetBiLstmForCTC
from hwr_hf.resnet_bilstm.processing_resnet_bilstm import ResNetBiLstmProcessor
from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import ResNetBiLstmTokenizer

PRESETS = ("small", "medium", "base")


@dataclass
class ModelArguments:
    """What to train."""

    model: str | None = field(
        default=None,
        metadata={
            "help": "Folder or Hub name to go on from, or the word `default` for the model in the "
            "package; without it training begins from scratch."
        },
    )
    preset: str = field(
        default="small",
        metadata={"help": "Size when training from scratch: small, medium or base."},
    )
    config_overrides: str | None = field(
        default=None,
        metadata={
            "help": "Changes to the preset as JSON, e.g. '{\"num_lstm_layers\": 3}'. With --model: "
            "smaller sizes, to which the model is pruned before it is trained on."
        },
    )
    image_height: int | None = field(
        default=None,
        metadata={
            "help": "Rows of pixels that lines are scaled to; fewer read faster and less well. "
            "Default: as --model has it, 48 from scratch. At best a multiple of the "
            "network's row stride, 8."
        },
    )
    width_scale: float | None = field(
        default=None,
        metadata={
            "help": "Columns of pixels per row that lines are scaled to, as a share of what keeps "
            "their proportions; more read lines better, and slower. Default: as --model has it, "
            "1 from scratch."
        },
    )
    columns_per_stroke: float | None = field(
        default=None,
        metadata={
            "help": "Squeeze wide and stretch narrow lines until a stroke has about so many "
            "columns, such as 12. Default: as --model has it, off from scratch."
        },
    )


def model_folder(name: str) -> str:
    """The folder or Hub name that `--model` means; raises ValueError for no model."""
    return DEFAULT_MODEL if name == "default" else checked_model(name)


def make_model(arguments: ModelArguments) -> tuple[ResNetBiLstmForCTC, ResNetBiLstmProcessor]:
    """A recogniser and its processor, new or from a checkpoint.

    Raises:
        ValueError: The preset is unknown, the overrides are not a JSON object, or a line would have
            no rows or columns.
    """
    overrides = config_overrides(arguments)
    if arguments.image_height is not None and arguments.image_height < 1:
        raise ValueError(f"--image_height {arguments.image_height} is too small: use 48 or 40.")
    if arguments.width_scale is not None and not 0 < arguments.width_scale < math.inf:
        raise ValueError(f"--width_scale {arguments.width_scale} is not allowed: use 1 or 1.2.")
    columns = arguments.columns_per_stroke
    if columns is not None and not 0 < columns < math.inf:
        raise ValueError(f"--columns_per_stroke {columns} is not allowed: use 11 or 14.")
    if arguments.model is not None:
        if arguments.preset != ModelArguments.preset:
            raise ValueError(
                f"--preset {arguments.preset} has no effect on --model, which has its own sizes. "
                "Leave one of them out, or cut the model to smaller sizes with --config_overrides."
            )
        folder = model_folder(arguments.model)
        model = ResNetBiLstmForCTC.from_pretrained(folder, dtype=torch.float32)
        model.check_weights()
        model.config.temperature = 1.0  # it was fitted to the weights of before
        if overrides:
            model = prune(
                model, make_config(type(model.config), model.config.to_dict() | overrides)
            )
        processor = ResNetBiLstmProcessor.from_pretrained(folder)
        return model, scaling_lines(processor, arguments)
    if arguments.preset not in PRESETS:
        raise ValueError(f"--preset {arguments.preset} is not known: use {', '.join(PRESETS)}.")
    config = make_config(getattr(ResNetBiLstmConfig, arguments.preset), overrides)
    tokenizer = ResNetBiLstmTokenizer()
    if config.vocab_size != len(tokenizer):
        raise ValueError(
            f"vocab_size={config.vocab_size} does not fit the tokenizer's {len(tokenizer)} ids: "
            "leave it out of --config_overrides."
        )
    processor = ResNetBiLstmProcessor(ResNetBiLstmImageProcessor(), tokenizer)
    return ResNetBiLstmForCTC(config), scaling_lines(processor, arguments)


def scaling_lines(
    processor: ResNetBiLstmProcessor, arguments: ModelArguments
) -> ResNetBiLstmProcessor:
    """The processor, which scales lines as it is asked to."""
    if arguments.image_height is not None:
        processor.image_processor.size = {"height": arguments.image_height}
    if arguments.width_scale is not None:
        processor.image_processor.width_scale = arguments.width_scale
    if arguments.columns_per_stroke is not None:
        processor.image_processor.columns_per_stroke = arguments.columns_per_stroke
    return processor


def config_overrides(arguments: ModelArguments) -> dict:
    """What `--config_overrides` says.

    Raises:
        ValueError: It is not a JSON object, or names no part of the configuration.
    """
    try:
        overrides = json.loads(arguments.config_overrides or "{}")
    except ValueError:
        overrides = None
    if not isinstance(overrides, dict):
        raise ValueError(
            f"--config_overrides {arguments.config_overrides} is no JSON object: give one such as "
            "'{\"num_lstm_layers\": 3}'."
        )
    known = list(ResNetBiLstmConfig.__annotations__)
    for name in overrides:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {nearest[0]!r}?" if nearest else f"There are {', '.join(known)}."
            raise ValueError(f"--config_overrides: {name!r} is no setting of the network. {hint}")
    return overrides


def make_config(make: Callable[..., ResNetBiLstmConfig], sizes: dict) -> ResNetBiLstmConfig:
    """A configuration of these sizes.

    Raises:
        ValueError: A size is not allowed.
    """
    try:
        return make(**sizes)
    except StrictDataclassError as error:
        raise ValueError(f"--config_overrides: {error}") from error


def fastest_memory_format(config: ResNetBiLstmConfig) -> torch.memory_format:
    """Channels last, unless the network is so narrow that it does not work."""
    # The backward pass of a strided 1x1 convolution of fewer than 16 channels in channels-last
    # order writes out of bounds and ends the process (torch 2.15 on a CPU).
    if min(config.stem_channels, *config.hidden_sizes) < 16:
        return torch.contiguous_format
    return torch.channels_last
