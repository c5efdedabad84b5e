"""Configuration of the ResNet-BiLSTM recogniser: every size that shapes the network, and the
temperature of its scores.

Image geometry (height, deskew, normalisation) belongs to the image processor, not here.
"""

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig


@strict
class ResNetBiLstmConfig(PreTrainedConfig):
    """Sizes of a ResNet-BiLSTM.

    Args:
        num_channels: Colour channels of the input, 1 (grey) or 3.
        stem_channels: Channels after the 7x7 stem convolution.
        stem_stride: Stride of the stem convolution, `[down, across]`.
        stem_pooling: Whether a 3x3 max pooling of stride 2 follows the stem, as in ResNet-34.
        hidden_sizes: Channels of each ResNet stage.
        depths: Basic blocks in each stage.
        stage_strides: `[down, across]` stride of each stage's first block. The product of all
            strides across is the number of image columns per frame.
        height_pooling: How the rows of the last feature map become one, `"max"` or `"mean"`.
        num_steps: Pool the width to this many frames; `None` keeps one frame per column stride.
        lstm_hidden_size: Units of each LSTM direction.
        num_lstm_layers: Stacked bidirectional layers.
        dropout: Dropout between the LSTM layers and before the head.
        ctc_shortcut_weight: Weight of the auxiliary CTC loss on the convolutional features, used in
            training only; 0 leaves the shortcut head out. Retsinas et al. (2022) use 0.1.
        vocab_size: Classes, the blank or padding class included.
        pad_token_id: Class of the CTC blank, which is also the padding class.
        initializer_range: Standard deviation of the heads' initial weights.
        temperature: Divides the logits before a text is scored, and only there: what is read stays
            the same. Fitted to a trained model, so that of the texts with score 0.8 four in five
            are right (Guo et al., 2017, https://arxiv.org/abs/1706.04599); 1 changes nothing.

    Raises:
        StrictDataclassError: (`huggingface_hub.errors`) A field has the wrong type or lies outside
            its range; the message names field, value and range.
    """

    model_type = "resnet_bilstm"

    num_channels: int = 1
    stem_channels: int = 32
    stem_stride: list[int] | tuple[int, ...] = (2, 2)
    stem_pooling: bool = False
    hidden_sizes: list[int] | tuple[int, ...] = (32, 64, 128)
    depths: list[int] | tuple[int, ...] = (1, 2, 2)
    stage_strides: list[list[int]] | tuple[tuple[int, ...], ...] = ((1, 1), (2, 2), (2, 1))
    height_pooling: str = "max"
    num_steps: int | None = None
    lstm_hidden_size: int = 256
    num_lstm_layers: int = 2
    dropout: float = 0.2
    ctc_shortcut_weight: float = 0.1
    vocab_size: int = 81
    pad_token_id: int | None = 0
    initializer_range: float = 0.02
    temperature: float = 1.0

    def __post_init__(self, **kwargs):
        self.stem_stride = list(self.stem_stride)
        self.hidden_sizes = list(self.hidden_sizes)
        self.depths = list(self.depths)
        self.stage_strides = [list(stride) for stride in self.stage_strides]
        if not type(self).__module__.startswith("transformers_modules."):
            # The installed package registers its pipeline itself; pipeline() would ask to trust it.
            kwargs.pop("custom_pipelines", None)
        super().__post_init__(**kwargs)

    @classmethod
    def paper(cls, **kwargs) -> "ResNetBiLstmConfig":
        """Ma (2023): ResNet-34 on 224x224 RGB, 96 steps, 4 BiLSTM layers, one class per step."""
        sizes = dict(
            num_channels=3,
            stem_channels=64,
            stem_pooling=True,
            hidden_sizes=[64, 128, 256, 512],
            depths=[3, 4, 6, 3],
            stage_strides=[[1, 1], [2, 2], [2, 2], [2, 2]],
            height_pooling="mean",
            num_steps=96,
            num_lstm_layers=4,
            ctc_shortcut_weight=0.0,
        )
        return cls(**(sizes | kwargs))

    @classmethod
    def base(cls, **kwargs) -> "ResNetBiLstmConfig":
        """About 12 M parameters: for a GPU, and the most that fits the 25 MB of the wheel."""
        sizes = dict(
            stem_channels=64,
            hidden_sizes=[64, 128, 256],
            depths=[2, 3, 4],
            lstm_hidden_size=320,
            num_lstm_layers=3,
        )
        return cls(**(sizes | kwargs))

    @classmethod
    def medium(cls, **kwargs) -> "ResNetBiLstmConfig":
        """About 5 M parameters and 2.3 times the multiplications of `small`."""
        return cls(**(dict(hidden_sizes=[32, 96, 192], depths=[2, 2, 3]) | kwargs))

    @classmethod
    def small(cls, **kwargs) -> "ResNetBiLstmConfig":
        """About 3 M parameters, the default: trains and reads on two CPU cores."""
        return cls(**kwargs)

    @property
    def column_stride(self) -> int:
        """Image columns per frame (meaningless when `num_steps` fixes the frames)."""
        stride = self.stem_stride[1] * (2 if self.stem_pooling else 1)
        for _, across in self.stage_strides:
            stride *= across
        return stride

    def validate_sizes(self):
        """Each field on its own."""
        one_or_more = ["stem_channels", "lstm_hidden_size", "num_lstm_layers"]
        for name in one_or_more:
            self._require(name, getattr(self, name) >= 1, "an integer of at least 1")
        self._require("num_channels", self.num_channels in (1, 3), "1 (grey) or 3 (RGB)")
        self._require("vocab_size", self.vocab_size >= 2, "at least 2: a blank and a character")
        self._require(
            "num_steps", self.num_steps is None or self.num_steps >= 1, "None or at least 1"
        )
        self._require("height_pooling", self.height_pooling in ("max", "mean"), "'max' or 'mean'")
        self._require("dropout", 0 <= self.dropout < 1, "at least 0 and below 1")
        self._require("ctc_shortcut_weight", self.ctc_shortcut_weight >= 0, "0 or more")
        self._require("initializer_range", self.initializer_range > 0, "more than 0")
        self._require("temperature", 0 < self.temperature < float("inf"), "a finite number above 0")
        self._require(
            "pad_token_id",
            self.pad_token_id is not None and 0 <= self.pad_token_id < self.vocab_size,
            f"a class between 0 and {self.vocab_size - 1}",
        )

    def validate_stages(self):
        """The lists that describe the stages, and their lengths."""
        self._require(
            "hidden_sizes",
            len(self.hidden_sizes) >= 1 and min(self.hidden_sizes) >= 1,
            "one positive channel count for each stage",
        )
        num_stages = len(self.hidden_sizes)
        self._require(
            "depths",
            len(self.depths) == num_stages and min(self.depths) >= 1,
            f"{num_stages} positive block counts, one for each of hidden_sizes",
        )
        self._require(
            "stem_stride", self._is_stride(self.stem_stride), "[down, across], each 1 or 2"
        )
        self._require(
            "stage_strides",
            len(self.stage_strides) == num_stages and all(map(self._is_stride, self.stage_strides)),
            f"{num_stages} pairs [down, across], each 1 or 2, one for each of hidden_sizes",
        )

    @staticmethod
    def _is_stride(stride: list[int]) -> bool:
        return len(stride) == 2 and all(step in (1, 2) for step in stride)

    def _require(self, field: str, holds: bool, allowed: str) -> None:
        if not holds:
            raise ValueError(f"{field}={getattr(self, field)!r} is not allowed: use {allowed}.")


__all__ = ["ResNetBiLstmConfig"]
