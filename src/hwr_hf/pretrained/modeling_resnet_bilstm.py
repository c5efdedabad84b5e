"""From line images to one score vector per frame: ResNet -> max over height -> BiLSTM -> heads.

Goes in: `pixel_values` (batch, channels, height, width) and `pixel_mask` (batch, width), 1 on the
image's own columns and 0 on padding to its right. Comes out: `logits` (batch, frames, classes).

What a line reads does not depend on what it is batched with: padded columns are set to zero before
every convolution, where they look like the convolution's own zero padding, and the backward LSTM
starts at each line's last frame.

References: He et al. (2016), https://arxiv.org/abs/1512.03385 (ResNet); Graves et al. (2006),
https://doi.org/10.1145/1143844.1143891 (CTC); Retsinas et al. (2022),
https://arxiv.org/abs/2404.11339 (max over height, CTC shortcut); Ma (2023),
https://doi.org/10.5220/0012801000003885 (per-step heads).
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import ModelOutput

from .configuration_resnet_bilstm import ResNetBiLstmConfig
from .ctc_resnet_bilstm import IGNORED_LABEL, min_ctc_frames
from .hub_files_resnet_bilstm import HubFolderMixin
from .strips_resnet_bilstm import strips_of

# Finite, so that a padded frame's certainty survives float16 and never turns a sum into NaN.
CERTAINLY_NOT = -1e4


@dataclass
class ResNetBiLstmModelOutput(ModelOutput):
    """What the network knows of a line before any head.

    Args:
        last_hidden_state: `(batch, frames, 2 * lstm_hidden_size)`.
        features: Convolutional features under each frame, `(batch, frames, hidden_sizes[-1])`.
        frame_mask: `(batch, frames)`, True on the line's own frames; None without `pixel_mask`.
        hidden_states: With `output_hidden_states`, the stem's and every stage's feature maps
            `(batch, channels, rows, columns)`, then the BiLSTM's output.
    """

    last_hidden_state: torch.FloatTensor | None = None
    features: torch.FloatTensor | None = None
    frame_mask: torch.BoolTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None


@dataclass
class ResNetBiLstmOutput(ModelOutput):
    """Scores of a recogniser.

    Args:
        loss: Scalar, when labels were given.
        logits: `(batch, frames, vocab_size)`.
        hidden_states: As in `ResNetBiLstmModelOutput`.
    """

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None


def shrink_mask(mask: torch.Tensor | None, stride: int) -> torch.Tensor | None:
    """The column mask after a convolution of this stride: a column lives if its centre did."""
    return mask if mask is None or stride == 1 else mask[:, ::stride]


def zero_padding(feature_maps: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Feature maps `(batch, channels, rows, columns)` with the padded columns set to zero."""
    if mask is None:
        return feature_maps
    return feature_maps * mask[:, None, None, :].to(feature_maps.dtype)


class NormalisedConv2d(nn.Conv2d):
    """A convolution without bias that is followed by batch normalisation.

    In evaluation the normalisation is a fixed scale and shift of each channel. Multiplied into the
    weights, which are few, it spares one pass over the feature maps, which are many.
    """

    def forward(self, feature_maps: torch.Tensor, norm: nn.BatchNorm2d) -> torch.Tensor:
        """Normalised feature maps of `(batch, in_channels, rows, columns)`."""
        if norm.training or torch.is_grad_enabled():
            return norm(super().forward(feature_maps))
        # At least in float32: half precision would round at every step, as the layer does not.
        dtype = self.weight.dtype
        wide = torch.promote_types(dtype, torch.float32)
        scale = norm.weight.to(wide) * (norm.running_var.to(wide) + norm.eps).rsqrt()  # (channels,)
        shift = norm.bias - norm.running_mean * scale
        weight = self.weight * scale[:, None, None, None]
        return self._conv_forward(feature_maps, weight.to(dtype), shift.to(dtype))


def rectified(
    feature_maps: torch.Tensor, mask: torch.Tensor | None, shortcut: torch.Tensor | None = None
) -> torch.Tensor:
    """Feature maps `(batch, channels, rows, columns)`, and those of a shortcut added to them, after
    ReLU, padded columns set to zero.

    Where no gradient is wanted they are changed in place: new memory costs a page fault a page.
    """
    if torch.is_grad_enabled():
        summed = feature_maps if shortcut is None else feature_maps + shortcut
        return zero_padding(F.relu(summed), mask)
    if shortcut is not None:
        feature_maps += shortcut
    if feature_maps.dtype == torch.bfloat16 and feature_maps.device.type == "cpu":
        # The sign bit is that of an integer of the same size, whose maximum takes a sixth as long.
        feature_maps.view(torch.int16).clamp_min_(0)
    else:
        feature_maps.relu_()
    if mask is not None and len(mask) == 1 and runs_on_cpu_at_once(mask):
        feature_maps.index_fill_(-1, (~mask[0]).nonzero().flatten(), 0)  # columns, mostly few
    elif mask is not None:
        feature_maps *= mask[:, None, None, :].to(feature_maps.dtype)
    return feature_maps


def runs_on_cpu_at_once(tensor: torch.Tensor) -> bool:
    """Whether what is computed of a tensor may depend on its values.

    A GPU would have to finish its work first, and an exported graph takes lines of any width.
    """
    is_exported = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return tensor.device.type == "cpu" and not is_exported


def highest_of_rows(feature_maps: torch.Tensor) -> torch.Tensor:
    """Maximum over the rows of `(batch, channels, rows, columns)`."""
    if torch.jit.is_tracing():  # an exported graph takes lines of any height
        return feature_maps.amax(dim=2)
    # On a CPU ten times as fast as `amax`.
    return F.max_pool2d(feature_maps, (feature_maps.shape[2], 1)).squeeze(2)


class BasicBlock(GradientCheckpointingLayer):
    """Two 3x3 convolutions and a shortcut, under torchvision's parameter names."""

    def __init__(self, in_channels: int, channels: int, stride: list[int]):
        super().__init__()
        self.column_stride = stride[1]
        self.conv1 = NormalisedConv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = NormalisedConv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != [1, 1] or in_channels != channels:
            self.downsample = nn.Sequential(
                NormalisedConv2d(in_channels, channels, 1, stride, bias=False),
                nn.BatchNorm2d(channels),
            )

    def forward(self, feature_maps: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """`mask` is the column mask of the incoming feature maps."""
        mask = shrink_mask(mask, self.column_stride)
        shortcut = feature_maps
        if self.downsample is not None:
            conv, norm = self.downsample
            shortcut = conv(feature_maps, norm)
        inner = rectified(self.conv1(feature_maps, self.bn1), mask)
        return rectified(self.conv2(inner, self.bn2), mask, shortcut)


class ResNetBackbone(nn.Module):
    """A ResNet of basic blocks with torchvision's parameter names and our strides."""

    def __init__(self, config: ResNetBiLstmConfig):
        super().__init__()
        self.stem_column_stride = config.stem_stride[1]
        self.conv1 = NormalisedConv2d(
            config.num_channels, config.stem_channels, 7, config.stem_stride, padding=3, bias=False
        )
        self.bn1 = nn.BatchNorm2d(config.stem_channels)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if config.stem_pooling else None
        self.stage_names = []
        in_channels = config.stem_channels
        stages = zip(config.hidden_sizes, config.depths, config.stage_strides, strict=True)
        for number, (channels, depth, stride) in enumerate(stages, start=1):
            blocks = [BasicBlock(in_channels, channels, stride)]
            blocks += [BasicBlock(channels, channels, [1, 1]) for _ in range(depth - 1)]
            self.add_module(f"layer{number}", nn.ModuleList(blocks))
            self.stage_names.append(f"layer{number}")
            in_channels = channels

    def forward(
        self, pixel_values: torch.Tensor, mask: torch.Tensor | None, keep_all: bool = True
    ) -> tuple[list[torch.Tensor], torch.Tensor | None]:
        """Feature maps after the stem and after every stage, and the last one's column mask.

        With `keep_all=False` the last ones alone: the others' memory is free again before the end.
        """
        feature_maps = self.conv1(zero_padding(pixel_values, mask), self.bn1)
        mask = shrink_mask(mask, self.stem_column_stride)
        feature_maps = rectified(feature_maps, mask)
        if self.maxpool is not None:
            mask = shrink_mask(mask, 2)
            feature_maps = zero_padding(self.maxpool(feature_maps), mask)
        all_feature_maps = [feature_maps]
        for name in self.stage_names:
            for block in self.get_submodule(name):
                feature_maps = block(feature_maps, mask)
                mask = shrink_mask(mask, block.column_stride)
            if not keep_all:
                all_feature_maps.clear()
            all_feature_maps.append(feature_maps)
        return all_feature_maps, mask


class BiLstmLayer(nn.Module):
    """One bidirectional LSTM layer that never reads padding.

    Each direction is an LSTM of its own; the backward one is fed every line reversed within its own
    length. This gives what a packed sequence gives at a quarter of its time on a CPU, and exports.
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.forward_lstm = nn.LSTM(input_size, hidden_size, batch_first=True)
        self.backward_lstm = nn.LSTM(input_size, hidden_size, batch_first=True)

    def forward(self, frames: torch.Tensor, reversal: torch.Tensor | None) -> torch.Tensor:
        """`(batch, frames, input_size)` to `(batch, frames, 2 * hidden_size)`."""
        rightward, _ = self.forward_lstm(frames)
        leftward, _ = self.backward_lstm(reverse_frames(frames, reversal))
        return torch.cat([rightward, reverse_frames(leftward, reversal)], dim=-1)


def reverse_frames(frames: torch.Tensor, reversal: torch.Tensor | None) -> torch.Tensor:
    """Each line's frames in reverse order, its padding left in place; its own inverse."""
    if reversal is None:
        return frames.flip(1)
    return frames.flatten(0, 1).index_select(0, reversal).view_as(frames)


def reversal_of(frame_mask: torch.Tensor | None) -> torch.Tensor | None:
    """Numbers `(batch * frames,)` of the batch's frames, each line reversed within its length."""
    if frame_mask is None:
        return None
    batch_size, num_frames = frame_mask.shape
    position = torch.arange(num_frames, device=frame_mask.device).expand(frame_mask.shape)
    mirrored = frame_mask.sum(dim=1, keepdim=True) - 1 - position
    first = torch.arange(batch_size, device=frame_mask.device)[:, None] * num_frames
    return (first + torch.where(frame_mask, mirrored, position)).flatten()


class ResNetBiLstmPreTrainedModel(HubFolderMixin, PreTrainedModel):
    config_class = ResNetBiLstmConfig
    base_model_prefix = "model"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    supports_gradient_checkpointing = True
    _no_split_modules = ["BasicBlock", "BiLstmLayer"]
    # The losses below are means over the batch, so the Trainer has to average them over
    # accumulation steps; with forward(**kwargs) it would otherwise take them for sums.
    accepts_loss_kwargs = False
    # What stands beside the weights in a repository of the Hub has to be read at their revision.
    revision: str | None = None

    # Names of the weights that the configuration and what was loaded do not both have.
    unfit_weights: tuple[str, ...] = ()

    @classmethod
    def from_pretrained(
        cls, *args, revision: str = "main", output_loading_info: bool = False, **kwargs
    ):
        """Loads as the library does, and keeps the revision and which weights do not fit."""
        model, info = super().from_pretrained(
            *args, revision=revision, output_loading_info=True, **kwargs
        )
        model.revision = revision
        model.unfit_weights = (*sorted(info["missing_keys"]), *sorted(info["unexpected_keys"]))
        return (model, info) if output_loading_info else model

    def train(self, mode: bool = True):
        """As of every module; weights that are trained are at random no more."""
        if mode:
            self.unfit_weights = ()
        return super().train(mode)

    def check_weights(self) -> None:
        """Raises ValueError for weights that do not fit the configuration.

        The library leaves those it has no place for out, and fills those it lacks at random, as it
        should be for a new head that is to be trained; nothing is to be read with them.
        """
        if self.unfit_weights:
            raise ValueError(
                f"The weights of {self.name_or_path} do not fit its config.json: one of the two "
                f"lacks {len(self.unfit_weights)} tensors of the other, such as "
                f"{self.unfit_weights[0]}. Get the model again."
            )

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
            nn.init.zeros_(module.running_mean)
            nn.init.ones_(module.running_var)
            nn.init.zeros_(module.num_batches_tracked)
        elif isinstance(module, nn.LSTM):
            for name, parameter in module.named_parameters():
                if name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(parameter)
                elif name.startswith("weight_hh"):
                    nn.init.orthogonal_(parameter)
                else:
                    nn.init.zeros_(parameter)
            # A forget gate that starts open lets the gradient reach far frames from the first step
            # (Jozefowicz et al., 2015).
            nn.init.ones_(module.bias_ih_l0[module.hidden_size : 2 * module.hidden_size])
        elif isinstance(module, (nn.Linear, nn.Conv1d)):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
            nn.init.zeros_(module.bias)

    def num_frames(self, num_columns: int | torch.Tensor) -> int | torch.Tensor:
        """Frames that an image of this many columns gives."""
        if self.config.num_steps is not None:
            return num_columns * 0 + self.config.num_steps
        return (num_columns + self.config.column_stride - 1) // self.config.column_stride


class ResNetBiLstmModel(ResNetBiLstmPreTrainedModel):
    """ResNet and BiLSTM without a head."""

    def __init__(self, config: ResNetBiLstmConfig):
        super().__init__(config)
        self.backbone = ResNetBackbone(config)
        sizes = [config.hidden_sizes[-1]] + [2 * config.lstm_hidden_size] * config.num_lstm_layers
        self.bilstm = nn.ModuleList(
            BiLstmLayer(size, config.lstm_hidden_size) for size in sizes[: config.num_lstm_layers]
        )
        self.dropout = nn.Dropout(config.dropout)
        self.post_init()

    def forward(
        self,
        pixel_values: torch.Tensor,
        pixel_mask: torch.Tensor | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs,
    ) -> ResNetBiLstmModelOutput | tuple:
        """Reads a batch of lines.

        Args:
            pixel_values: `(batch, channels, height, width)`.
            pixel_mask: `(batch, width)`, 1 on the line's own columns; None when nothing is padded.
            output_hidden_states: Whether to return the feature maps of every stage.
            return_dict: False for a plain tuple.

        Raises:
            ValueError: `pixel_values` or `pixel_mask` has the wrong shape.
        """
        check_inputs(pixel_values, pixel_mask, self.config.num_channels)
        output_hidden_states = _default(output_hidden_states, self.config.output_hidden_states)
        mask = None if pixel_mask is None else pixel_mask.bool()
        if not output_hidden_states and self._reads_strips(mask):
            features = self._features_of_strips(pixel_values, mask)
            frame_mask = mask[:, :: self.config.column_stride]
        else:
            all_feature_maps, mask = self.backbone(pixel_values, mask, output_hidden_states)
            features, frame_mask = self.pool_height(all_feature_maps[-1], mask)
        hidden_state = features  # (batch, frames, channels)
        reversal = reversal_of(frame_mask)
        for layer in self.bilstm:
            hidden_state = layer(
                self.dropout(hidden_state), reversal
            )  # (batch, frames, 2 * hidden)
        hidden_state = self.dropout(hidden_state)
        hidden_states = None
        if output_hidden_states:
            hidden_states = (*all_feature_maps, hidden_state)
        outputs = ResNetBiLstmModelOutput(hidden_state, features, frame_mask, hidden_states)
        return outputs if _default(return_dict, self.config.return_dict) else outputs.to_tuple()

    def _reads_strips(self, mask: torch.Tensor | None) -> bool:
        """Whether lines are convolved side by side: on a CPU, where each shape costs memory.

        In training the gaps would count in the batch-norm statistics.
        """
        return (
            not self.training
            and mask is not None
            and len(mask) > 1
            and self.config.num_steps is None
            and not torch.is_grad_enabled()
            and runs_on_cpu_at_once(mask)
        )

    def _features_of_strips(self, pixel_values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`(batch, frames, channels)` of lines that are convolved side by side."""
        parts = []
        for strip in strips_of(pixel_values, mask, self.config.column_stride):
            (feature_maps,), _ = self.backbone(strip.pixel_values, strip.mask, keep_all=False)
            parts.append(strip.apart(self.pool_height(feature_maps, None)[0]))
        return torch.cat(parts)

    def pool_height(
        self, feature_maps: torch.Tensor, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """`(batch, channels, rows, columns)` to `(batch, frames, channels)` and the frame mask."""
        if self.config.height_pooling == "max":
            features = highest_of_rows(feature_maps)
        else:
            features = feature_maps.mean(dim=2)
        if self.config.num_steps is not None:
            if mask is not None and not mask.all():
                raise ValueError(
                    f"num_steps={self.config.num_steps} shares the whole width among the steps, "
                    "so lines must not be padded. Resize all to one width, for example with "
                    "size={'height': 224, 'width': 224} in the image processor."
                )
            features = F.adaptive_avg_pool1d(features, self.config.num_steps)
            mask = None  # the steps share the whole width out among them
        return features.transpose(1, 2), mask


class ResNetBiLstmForCTC(ResNetBiLstmPreTrainedModel):
    """The recogniser: one distribution over the blank and the characters for every frame."""

    # Nothing is read with the shortcut.
    _keys_to_ignore_on_load_missing = [r"^shortcut_head\."]
    _keys_to_ignore_on_load_unexpected = [r"^shortcut_head\."]

    def __init__(self, config: ResNetBiLstmConfig):
        super().__init__(config)
        self.model = ResNetBiLstmModel(config)
        self.ctc_head = nn.Linear(2 * config.lstm_hidden_size, config.vocab_size)
        self.shortcut_head = None
        if config.ctc_shortcut_weight > 0:
            self.shortcut_head = nn.Conv1d(
                config.hidden_sizes[-1], config.vocab_size, kernel_size=3, padding=1
            )
        self.post_init()

    def forward(
        self,
        pixel_values: torch.Tensor,
        pixel_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs,
    ) -> ResNetBiLstmOutput | tuple:
        """Reads a batch of lines, and scores them against their texts when `labels` are given.

        Args:
            pixel_values: `(batch, channels, height, width)`.
            pixel_mask: `(batch, width)`, 1 on the line's own columns; None when nothing is padded.
            labels: `(batch, length)` character ids, padded with -100.
            output_hidden_states: Whether to return the feature maps of every stage.
            return_dict: False for a plain tuple.

        Returns:
            Frames beyond a line's own width are blank with certainty, so decoders need no lengths.

        Raises:
            ValueError: A text needs more frames than its image has.
        """
        outputs = self.model(pixel_values, pixel_mask, output_hidden_states, return_dict=True)
        logits = self.ctc_head(outputs.last_hidden_state)  # (batch, frames, vocab_size)
        loss = None
        if labels is not None:
            loss = self.ctc_loss(logits, labels, outputs.frame_mask)
            if self.training and self.shortcut_head is not None:
                shortcut_logits = self.shortcut_head(outputs.features.transpose(1, 2))
                shortcut_loss = self.ctc_loss(
                    shortcut_logits.transpose(1, 2), labels, outputs.frame_mask
                )
                loss = loss + self.config.ctc_shortcut_weight * shortcut_loss
        if outputs.frame_mask is not None:
            logits = self.blank_padding(logits, outputs.frame_mask)
        result = ResNetBiLstmOutput(loss, logits, outputs.hidden_states)
        return result if _default(return_dict, self.config.return_dict) else result.to_tuple()

    def ctc_loss(
        self, logits: torch.Tensor, labels: torch.Tensor, frame_mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Mean over the batch of each text's negative log-probability per character.

        Args:
            logits: `(batch, frames, vocab_size)`.
            labels: `(batch, length)`, padded with -100 on the right.
            frame_mask: `(batch, frames)`, or None when every frame counts.

        Raises:
            ValueError: A text needs more frames than its image has.
        """
        batch_size, num_frames, _ = logits.shape
        check_label_ids(labels, self.config)
        lengths = (labels != IGNORED_LABEL).sum(dim=1).tolist()
        frames = [num_frames] * batch_size if frame_mask is None else frame_mask.sum(1).tolist()
        for text, length, available in zip(labels.tolist(), lengths, frames, strict=True):
            check_label_fits(text[:length], available, self.config.column_stride)
        # cuDNN's CTC wants every input length equal to the batch's; padded lines are shorter.
        with torch.backends.cudnn.flags(enabled=False):
            return F.ctc_loss(
                logits.transpose(0, 1).float().log_softmax(-1),
                labels.clamp(min=0),
                torch.tensor(frames),
                torch.tensor(lengths),
                blank=self.config.pad_token_id,
                reduction="mean",
            )

    def blank_padding(self, logits: torch.Tensor, frame_mask: torch.Tensor) -> torch.Tensor:
        """Logits whose padded frames are blank with certainty."""
        certain_blank = torch.full_like(logits[0, 0], CERTAINLY_NOT)
        certain_blank[self.config.pad_token_id] = 0.0
        return torch.where(frame_mask[..., None], logits, certain_blank)


class ResNetBiLstmForCharacterSequence(ResNetBiLstmPreTrainedModel):
    """Ma (2023): a 1x1 convolution gives step t the class of the t-th character, or padding."""

    def __init__(self, config: ResNetBiLstmConfig):
        super().__init__(config)
        check_num_steps(config)
        self.model = ResNetBiLstmModel(config)
        self.classifier = nn.Conv1d(2 * config.lstm_hidden_size, config.vocab_size, kernel_size=1)
        self.post_init()

    def forward(
        self,
        pixel_values: torch.Tensor,
        pixel_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs,
    ) -> ResNetBiLstmOutput | tuple:
        """As `ResNetBiLstmForCTC.forward`, with one character per step in reading order."""
        outputs = self.model(pixel_values, pixel_mask, output_hidden_states, return_dict=True)
        hidden_state = outputs.last_hidden_state.transpose(1, 2)
        logits = self.classifier(hidden_state).transpose(1, 2)  # (batch, steps, vocab_size)
        loss = None
        if labels is not None:
            loss = character_sequence_loss(logits, labels, self.config.pad_token_id)
        result = ResNetBiLstmOutput(loss, logits, outputs.hidden_states)
        return result if _default(return_dict, self.config.return_dict) else result.to_tuple()


class ResNetForCharacterSequence(ResNetBiLstmPreTrainedModel):
    """Ma (2023), baseline: the pooled ResNet features and one fully connected layer, no BiLSTM."""

    def __init__(self, config: ResNetBiLstmConfig):
        super().__init__(config)
        check_num_steps(config)
        self.backbone = ResNetBackbone(config)
        self.classifier = nn.Linear(config.hidden_sizes[-1], config.num_steps * config.vocab_size)
        self.post_init()

    def forward(
        self,
        pixel_values: torch.Tensor,
        pixel_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs,
    ) -> ResNetBiLstmOutput | tuple:
        """As `ResNetBiLstmForCharacterSequence.forward`."""
        check_inputs(pixel_values, pixel_mask, self.config.num_channels)
        mask = None if pixel_mask is None else pixel_mask.bool()
        all_feature_maps, mask = self.backbone(pixel_values, mask)
        features = mean_over_line(all_feature_maps[-1], mask)  # (batch, channels)
        logits = self.classifier(features).view(len(features), self.config.num_steps, -1)
        loss = None
        if labels is not None:
            loss = character_sequence_loss(logits, labels, self.config.pad_token_id)
        hidden_states = None
        if _default(output_hidden_states, self.config.output_hidden_states):
            hidden_states = tuple(all_feature_maps)
        result = ResNetBiLstmOutput(loss, logits, hidden_states)
        return result if _default(return_dict, self.config.return_dict) else result.to_tuple()


def check_num_steps(config: ResNetBiLstmConfig) -> None:
    """Raises ValueError when a head with one class per step does not know its steps."""
    if config.num_steps is None:
        raise ValueError(
            "num_steps=None: one class per step needs a fixed number of steps. "
            "Set num_steps to the longest text, as ResNetBiLstmConfig.paper() does (96)."
        )


def mean_over_line(feature_maps: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Mean of `(batch, channels, rows, columns)` over each line's own rows and columns."""
    columns = feature_maps.mean(dim=2)  # (batch, channels, columns), padding is zero
    if mask is None:
        return columns.mean(dim=2)
    return columns.sum(dim=2) / mask.sum(dim=1, keepdim=True)


def character_sequence_loss(
    logits: torch.Tensor, labels: torch.Tensor, pad_token_id: int
) -> torch.Tensor:
    """Cross-entropy of one class per step, the padding class after the text's end.

    Args:
        logits: `(batch, steps, vocab_size)`.
        labels: `(batch, length)`, padded with -100.
        pad_token_id: Class of the steps after the text.

    Raises:
        ValueError: A text has more characters than there are steps.
    """
    num_steps = logits.shape[1]
    longest = int((labels != IGNORED_LABEL).sum(dim=1).max())
    if longest > num_steps:
        raise ValueError(
            f"A text of {longest} characters does not fit {num_steps} steps. "
            "Leave such texts out, or raise num_steps in the configuration."
        )
    labels = labels[:, :num_steps].masked_fill(labels[:, :num_steps] == IGNORED_LABEL, pad_token_id)
    targets = F.pad(labels, (0, num_steps - labels.shape[1]), value=pad_token_id)
    return F.cross_entropy(logits.transpose(1, 2).float(), targets)


def check_inputs(
    pixel_values: torch.Tensor, pixel_mask: torch.Tensor | None, num_channels: int
) -> None:
    """Raises ValueError when the tensors do not have the shapes that `forward` documents."""
    if pixel_values.dim() != 4 or pixel_values.shape[1] != num_channels:
        raise ValueError(
            f"pixel_values has shape {tuple(pixel_values.shape)}; needed is "
            f"(batch, {num_channels}, height, width). The model's own image processor makes such "
            "a batch."
        )
    expected = (pixel_values.shape[0], pixel_values.shape[3])
    if pixel_mask is not None and pixel_mask.shape != expected:
        raise ValueError(
            f"pixel_mask has shape {tuple(pixel_mask.shape)}; needed is {expected}: "
            "one entry for every image and column of pixel_values."
        )


def check_label_ids(labels: torch.Tensor, config: ResNetBiLstmConfig) -> None:
    """Raises ValueError when a label is the blank or no class of the model."""
    ids = labels[labels != IGNORED_LABEL]
    wrong = ids[(ids < 0) | (ids >= config.vocab_size) | (ids == config.pad_token_id)]
    if len(wrong):
        raise ValueError(
            f"Label {int(wrong[0])} is no character of a model with {config.vocab_size} classes "
            f"and blank {config.pad_token_id}. Take the labels from the model's own tokenizer and "
            f"pad them with {IGNORED_LABEL}, as its processor does."
        )


def check_label_fits(label_ids: list[int], num_frames: int, column_stride: int) -> None:
    """Raises ValueError when CTC cannot spell `label_ids` in `num_frames` frames."""
    needed = min_ctc_frames(label_ids)
    if needed > num_frames:
        raise ValueError(
            f"A line of {num_frames} frames cannot spell a text of {len(label_ids)} characters, "
            f"which needs {needed} (label ids {label_ids}). Use an image at least "
            f"{needed * column_stride} columns wide, a smaller column stride than "
            f"{column_stride}, or leave the line out."
        )


def load_imagenet_weights(model: ResNetBiLstmPreTrainedModel, weights) -> list[str]:
    """Copies ImageNet weights into a model's backbone, by torchvision's parameter names.

    Args:
        model: Any model of this file.
        weights: A torchvision weights enum member such as `ResNet34_Weights.IMAGENET1K_V1`
            (downloaded by torchvision), or the path of a state dict (`.safetensors`, or `.pth`,
            read with `weights_only=True`).

    Returns:
        Names of the backbone's parameters that were loaded. A grey model gets the sum of the RGB
        stem over its input channels.

    Raises:
        ValueError: No parameter of the backbone, or not all, have their counterpart.
    """
    state = _read_weights(weights)
    backbone = next(module for module in model.modules() if isinstance(module, ResNetBackbone))
    wanted = backbone.state_dict()
    stem = state.get("conv1.weight")
    if stem is not None and stem.shape[1] == 3 and wanted["conv1.weight"].shape[1] == 1:
        state["conv1.weight"] = stem.sum(dim=1, keepdim=True)
    # The published files have no count of training batches, which nothing here reads.
    wanted = {
        name: value for name, value in wanted.items() if not name.endswith("num_batches_tracked")
    }
    misfits = [
        name
        for name, value in wanted.items()
        if name not in state or state[name].shape != value.shape
    ]
    if misfits:
        raise ValueError(
            f"{weights} does not fit the backbone: {len(misfits)} of {len(wanted)} parameters are "
            f"missing or of another shape, first {misfits[0]!r}. Use the sizes of the network that "
            "the weights come from, for example ResNetBiLstmConfig.paper() for ResNet-34."
        )
    backbone.load_state_dict({name: state[name] for name in wanted}, strict=False)
    return list(wanted)


def _read_weights(weights) -> dict[str, torch.Tensor]:
    if hasattr(weights, "get_state_dict"):
        return dict(weights.get_state_dict(progress=True, check_hash=True))
    path = Path(weights)
    if not path.is_file():
        raise ValueError(f"No weights file {str(path)!r}. Give a state dict or a torchvision enum.")
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _default(value: bool | None, configured: bool) -> bool:
    return configured if value is None else value


__all__ = [
    "ResNetBiLstmForCTC",
    "ResNetBiLstmForCharacterSequence",
    "ResNetBiLstmModel",
    "ResNetBiLstmPreTrainedModel",
    "ResNetForCharacterSequence",
    "load_imagenet_weights",
]
