"""Image processor and tokenizer as one: line images and their texts in, a model's inputs out."""

from transformers import BatchFeature, ProcessorMixin
from transformers.image_utils import ImageInput

from .ctc_resnet_bilstm import IGNORED_LABEL
from .hub_files_resnet_bilstm import HubFolderMixin


class ResNetBiLstmProcessor(HubFolderMixin, ProcessorMixin):
    """Prepares images and texts for a ResNet-BiLSTM, and decodes what it returns.

    Args:
        image_processor: `ResNetBiLstmImageProcessor` or its PIL twin.
        tokenizer: `ResNetBiLstmTokenizer`.
    """

    def __init__(self, image_processor, tokenizer):
        super().__init__(image_processor, tokenizer)

    def __call__(
        self,
        images: ImageInput | None = None,
        text: str | list[str] | None = None,
        return_tensors: str = "pt",
        **kwargs,
    ) -> BatchFeature:
        """Model inputs of a batch of lines.

        Args:
            images: One image or a list; see the image processor for what it reads.
            text: Their texts, for training.
            return_tensors: `"pt"` or `"np"`.
            **kwargs: Settings of the image processor for this call, such as `do_deskew=False`.

        Returns:
            With images `pixel_values` `(batch, channels, height, width)` and `pixel_mask`
            `(batch, width)`; with text `labels` `(batch, length)`, padded with -100, which the
            loss ignores.

        Raises:
            ValueError: Neither images nor text, or not as many images as texts.
        """
        if images is None and text is None:
            raise ValueError(
                "Neither `images` nor `text` was given. Pass images to read, texts to learn from, "
                "or both."
            )
        inputs = BatchFeature()
        if images is not None:
            inputs.update(self.image_processor(images, return_tensors=return_tensors, **kwargs))
        if text is not None:
            labels = self._labels(text, return_tensors)
            if images is not None and len(labels) != len(inputs["pixel_values"]):
                raise ValueError(
                    f"{len(inputs['pixel_values'])} images and {len(labels)} texts given; every "
                    "image needs its one text."
                )
            inputs["labels"] = labels
        return inputs

    def _labels(self, text: str | list[str], return_tensors: str):
        texts = [text] if isinstance(text, str) else list(text)
        label_ids = [self.tokenizer(line).input_ids for line in texts]
        length = max(map(len, label_ids), default=0)
        padded = [ids + [IGNORED_LABEL] * (length - len(ids)) for ids in label_ids]
        return BatchFeature({"labels": padded}, tensor_type=return_tensors)["labels"]

    @property
    def model_input_names(self) -> list[str]:
        return [*self.image_processor.model_input_names, "labels"]


__all__ = ["ResNetBiLstmProcessor"]
