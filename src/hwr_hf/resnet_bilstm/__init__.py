"""Image of one handwritten line or word -> its text: ResNet, BiLSTM, CTC.

This flat folder is uploaded to the Hub as it is, so its files import only each other, the standard
library, numpy, PIL, torch, torchvision and transformers.
"""

from .configuration_resnet_bilstm import ResNetBiLstmConfig
from .image_processing_pil_resnet_bilstm import ResNetBiLstmImageProcessorPil
from .image_processing_resnet_bilstm import ResNetBiLstmImageProcessor
from .modeling_resnet_bilstm import (
    ResNetBiLstmForCharacterSequence,
    ResNetBiLstmForCTC,
    ResNetBiLstmModel,
    ResNetForCharacterSequence,
)
from .pipeline_resnet_bilstm import ResNetBiLstmPipeline
from .processing_resnet_bilstm import ResNetBiLstmProcessor
from .tokenization_resnet_bilstm import ResNetBiLstmTokenizer

__all__ = [
    "ResNetBiLstmConfig",
    "ResNetBiLstmForCTC",
    "ResNetBiLstmForCharacterSequence",
    "ResNetBiLstmImageProcessor",
    "ResNetBiLstmImageProcessorPil",
    "ResNetBiLstmModel",
    "ResNetBiLstmPipeline",
    "ResNetBiLstmProcessor",
    "ResNetBiLstmTokenizer",
    "ResNetForCharacterSequence",
]
