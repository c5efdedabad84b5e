"""Registers the models with transformers, so that nothing has to be trusted to load them.

After `register()` the Auto classes and `pipeline("image-to-text")` know `model_type`
"resnet_bilstm" and take this package's classes, also for a folder that carries its own code.
"""

import functools

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCTC,
    AutoModelForTextRecognition,
    AutoProcessor,
    AutoTokenizer,
    pipelines,
)
from transformers.pipelines import PIPELINE_REGISTRY

from .backends import BackendPipeline
from .resnet_bilstm import (
    ResNetBiLstmConfig,
    ResNetBiLstmForCharacterSequence,
    ResNetBiLstmForCTC,
    ResNetBiLstmImageProcessor,
    ResNetBiLstmImageProcessorPil,
    ResNetBiLstmModel,
    ResNetBiLstmProcessor,
    ResNetBiLstmTokenizer,
    ResNetForCharacterSequence,
)

TASK = "image-to-text"


def register() -> None:
    """Registers configuration, models, processors, tokenizer and pipeline; twice is once."""
    AutoConfig.register(ResNetBiLstmConfig.model_type, ResNetBiLstmConfig, exist_ok=True)
    AutoModel.register(ResNetBiLstmConfig, ResNetBiLstmModel, exist_ok=True)
    AutoModelForCTC.register(ResNetBiLstmConfig, ResNetBiLstmForCTC, exist_ok=True)
    # Of several classes the library takes the one in the configuration's `architectures`.
    heads = (ResNetBiLstmForCTC, ResNetBiLstmForCharacterSequence, ResNetForCharacterSequence)
    AutoModelForTextRecognition.register(ResNetBiLstmConfig, heads, exist_ok=True)
    AutoImageProcessor.register(
        ResNetBiLstmConfig,
        image_processor_classes={
            "torchvision": ResNetBiLstmImageProcessor,
            "pil": ResNetBiLstmImageProcessorPil,
        },
        exist_ok=True,
    )
    AutoTokenizer.register(ResNetBiLstmConfig, ResNetBiLstmTokenizer, exist_ok=True)
    AutoProcessor.register(ResNetBiLstmConfig, ResNetBiLstmProcessor, exist_ok=True)
    register_pipeline()


def register_pipeline() -> None:
    """Makes `pipeline("image-to-text")` this package's.

    Transformers 5 has no such task of its own, and rewrites the name to "image-text-to-text" before
    it looks into the registry of tasks, so that registering alone has no effect. The one function
    that rewrites is wrapped to leave a name alone that the registry knows. Should a release come
    without that function, nothing rewrites the name and registering is enough.
    """
    if TASK not in PIPELINE_REGISTRY.supported_tasks:
        PIPELINE_REGISTRY.register_pipeline(
            TASK, pipeline_class=BackendPipeline, pt_model=AutoModelForCTC, type="image"
        )
    rewrite = getattr(pipelines, "_resolve_deprecated_task", None)
    if rewrite is None or hasattr(rewrite, "__wrapped__"):
        return

    @functools.wraps(rewrite)
    def rewrite_unless_registered(task):
        return task if task in PIPELINE_REGISTRY.supported_tasks else rewrite(task)

    pipelines._resolve_deprecated_task = rewrite_unless_registered
