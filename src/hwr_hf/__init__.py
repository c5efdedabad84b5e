"""Handwriting recognition the Hugging Face way: images of English handwriting in, text out.

Importing this package registers its models with transformers' Auto classes and its pipeline as
`pipeline("image-to-text")`.
"""

from pathlib import Path

from .auto import register
from .resnet_bilstm import (
    ResNetBiLstmConfig,
    ResNetBiLstmForCharacterSequence,
    ResNetBiLstmForCTC,
    ResNetBiLstmImageProcessor,
    ResNetBiLstmImageProcessorPil,
    ResNetBiLstmModel,
    ResNetBiLstmPipeline,
    ResNetBiLstmProcessor,
    ResNetBiLstmTokenizer,
    ResNetForCharacterSequence,
)

__version__ = "0.1.0"

# The trained model that comes with the package: a complete Hub folder, read without a network.
DEFAULT_MODEL = str(Path(__file__).parent / "pretrained")

register()

__all__ = [
    "DEFAULT_MODEL",
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
    "__version__",
]
