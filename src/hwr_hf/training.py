"""Training of a recogniser with `Trainer`: from arguments to a saved model, its log and curve.

`main(argv)` is what `hwr-hf train` and `scripts/train.py` call. It prepares the images once, trains
on batches of like width, evaluates each kind of images on its validation split, keeps the
checkpoint of the lowest validation CER, and goes on from the last one when started again.
"""

import difflib
import itertools
import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import datasets
import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import load_model
from transformers import (
    HfArgumentParser,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.utils import SAFE_WEIGHTS_NAME

from hwr_hf import DEFAULT_MODEL
from hwr_hf.consistency import HiddenSpans, disagreement, two_views
from hwr_hf.data.augmentation import Augmentation
from hwr_hf.data.batching import WidthBucketSampler
from hwr_hf.data.collator import LineCollator
from hwr_hf.data.preparation import PreparedLines, fitting_lines, prepare_lines
from hwr_hf.generated_card import RECIPE
from hwr_hf.hub_trainer import HubTrainer, training_recipe
from hwr_hf.json_files import differences
from hwr_hf.learning_curve import draw_learning_curve
from hwr_hf.metrics import make_compute_metrics
from hwr_hf.model_folders import checked_model
from hwr_hf.pruning import prune
from hwr_hf.resnet_bilstm.configuration_resnet_bilstm import ResNetBiLstmConfig
from hwr_hf.resnet_bilstm.image_processing_resnet_bilstm import ResNetBiLstmImageProcessor
from hwr_hf.resnet_bilstm.modeling_resnet_bilstm import ResNetBiLstmForCTC
from hwr_hf.resnet_bilstm.ngram_resnet_bilstm import NGRAM_FILE, find_ngram
from hwr_hf.resnet_bilstm.processing_resnet_bilstm import ResNetBiLstmProcessor
from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import ResNetBiLstmTokenizer
from hwr_hf.training_data import DataArguments, load_sources
from hwr_hf.weight_averaging import WeightAveragingTrainer

PRESETS = ("small", "medium", "base")
METRICS = ("cer", "wer", "loss")
TRAINER_STATE = "trainer_state.json"  # `Trainer` writes it last into a checkpoint

logger = logging.getLogger(__name__)


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


@dataclass
class RecognitionTrainingArguments(TrainingArguments):
    """`TrainingArguments` with this model's defaults."""

    output_dir: str = field(default="runs/recogniser", metadata={"help": "Checkpoints and log."})
    batch_columns: int = field(
        default=10240,
        metadata={"help": "Image columns of a batch, padding included: 16 lines or 80 words."},
    )
    max_steps: int = field(default=6000, metadata={"help": "Optimizer steps."})
    learning_rate: float = field(default=1.2e-3, metadata={"help": "Peak learning rate."})
    lr_scheduler_type: str = field(default="cosine", metadata={"help": "Decay of the rate."})
    warmup_steps: float = field(default=300, metadata={"help": "Steps of linear warm-up."})
    weight_decay: float = field(default=0.01, metadata={"help": "AdamW's weight decay."})
    max_grad_norm: float = field(default=5.0, metadata={"help": "Gradient clipping."})
    per_device_eval_batch_size: int = field(default=16, metadata={"help": "Images per batch."})
    eval_strategy: str = field(default="steps", metadata={"help": "When to evaluate."})
    eval_steps: float = field(default=500, metadata={"help": "Steps between evaluations."})
    save_strategy: str = field(default="steps", metadata={"help": "When to save."})
    save_steps: float = field(default=500, metadata={"help": "Steps between checkpoints."})
    save_total_limit: int | None = field(default=2, metadata={"help": "Checkpoints to keep."})
    logging_steps: float = field(default=50, metadata={"help": "Steps between log lines."})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "Keep the best."})
    metric_for_best_model: str | None = field(
        default=None,
        metadata={
            "help": "Default: CER of the validation images of --dataset, else of IAM's first unit."
        },
    )
    greater_is_better: bool | None = field(default=False, metadata={"help": "A CER is an error."})
    report_to: str = field(default="tensorboard", metadata={"help": "Where metrics go."})
    remove_unused_columns: bool = field(default=False, metadata={"help": "The collator needs all."})
    label_names: list[str] | None = field(
        default_factory=lambda: ["labels"], metadata={"help": "Inputs that are labels."}
    )
    dataloader_num_workers: int = field(default=1, metadata={"help": "Augmenting processes."})
    freeze_batch_norm: bool = field(
        default=False,
        metadata={
            "help": "Estimate the batch-norm statistics anew, over words and lines together, and "
            "train on with them fixed: for the last stage."
        },
    )
    consistency: float = field(
        default=0.0,
        metadata={
            "help": "Weight of the agreement between two views of each line, of which other parts "
            "are hidden (CR-CTC, where it is 0.2), for a network that reads its training lines "
            "much better than others; a step takes twice as long and twice the memory. 0: one "
            "view, nothing hidden."
        },
    )
    ema_decay: float = field(
        default=0.999,
        metadata={"help": "Of the moving average of the weights, which is saved; 0: no average."},
    )
    restart: bool = field(
        default=False, metadata={"help": "Begin anew, and remove the checkpoints in output_dir."}
    )

    def __post_init__(self):
        if self.per_device_train_batch_size != TrainingArguments.per_device_train_batch_size:
            raise ValueError(
                f"--per_device_train_batch_size {self.per_device_train_batch_size} says nothing of "
                "lines, some of which are wide. Give --batch_columns instead."
            )
        if self.batch_columns < 1:
            raise ValueError(f"--batch_columns {self.batch_columns} is too small: use 1 or more.")
        super().__post_init__()
        if self.consistency < 0:
            raise ValueError(
                f"--consistency {self.consistency} is not allowed: use 0 for none, or a weight "
                "such as 0.2."
            )


class RecognitionTrainer(HubTrainer, WeightAveragingTrainer):
    """`Trainer` on batches of like width; the train dataset is a `PreparedLines`."""

    def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
        if self.args.freeze_batch_norm:
            for batch_norm in batch_norms(model):
                batch_norm.eval()
        if not (self.args.consistency and model.training):
            return super().compute_loss(model, inputs, return_outputs, **kwargs)
        inputs = two_views(inputs, HiddenSpans())
        loss, outputs = super().compute_loss(model, inputs, True, **kwargs)
        loss = loss + self.args.consistency * disagreement(outputs.logits, inputs["labels"])
        return (loss, outputs) if return_outputs else loss

    def load_finished(self, checkpoint: str) -> None:
        """Takes up the state and the model that a training ended with."""
        # What is written after the last checkpoint has the totals too.
        has_ended = is_finished(self.args.output_dir, self.args.max_steps)
        folder = Path(self.args.output_dir if has_ended else checkpoint)
        self.state = TrainerState.load_from_json(str(folder / TRAINER_STATE))
        best = self.state.best_model_checkpoint if self.args.load_best_model_at_end else None
        load_model(self.model, Path(best or checkpoint, SAFE_WEIGHTS_NAME))

    def get_train_dataloader(self) -> torch.utils.data.DataLoader:
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        sampler = WidthBucketSampler(self.train_dataset.widths, self.args.batch_columns, seed=seed)
        loader = torch.utils.data.DataLoader(
            self.train_dataset,
            batch_sampler=sampler,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory and torch.cuda.is_available(),
        )
        return self.accelerator.prepare(loader)


class BatchNormEstimation(TrainerCallback):
    """Before the first step, averages the batch-norm statistics over batches of every kind.

    A batch holds only lines or only words, and the running average follows the last few batches;
    what a model reads must not depend on which kind came last.
    """

    def __init__(self, trainer: RecognitionTrainer, num_batches: int = 90):
        self.trainer = trainer
        self.num_batches = num_batches

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        if state.global_step:  # resumed: the checkpoint has the statistics to go on with
            return
        dataset, collate = self.trainer.train_dataset, self.trainer.data_collator
        batches = WidthBucketSampler(dataset.widths, args.batch_columns, seed=args.seed + 1)
        layers = batch_norms(model)
        momentum = [layer.momentum for layer in layers]
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # the plain mean of all batches
        model.train()
        with torch.no_grad(), self.trainer.autocast_smart_context_manager():
            for examples in itertools.islice(batches, self.num_batches):
                batch = self.trainer._prepare_inputs(collate([dataset[key] for key in examples]))
                model(batch["pixel_values"], batch["pixel_mask"])
        for layer, value in zip(layers, momentum, strict=True):
            layer.momentum = value


def batch_norms(model: torch.nn.Module) -> list[torch.nn.BatchNorm2d]:
    """The model's batch-norm layers."""
    return [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]


def make_trainer(
    data: DataArguments, model_arguments: ModelArguments, args: RecognitionTrainingArguments
) -> RecognitionTrainer:
    """Model, processor and datasets put together.

    Raises:
        ValueError: Arguments contradict each other, or a text does not fit its image.
    """
    model, processor = make_model(model_arguments)
    sources = load_sources(data, args.seed)
    train_parts, evaluation_datasets = [], {}
    for source in sources:
        is_made = source.validation is None
        for method in [None] if is_made else data.deskew or [None]:
            prepared = prepare_lines(
                source.train, processor.image_processor, method, data.preparation_processes
            )
            on_too_long = "skip" if is_made else data.on_too_long
            fitting = fitting_lines(prepared, processor.tokenizer, model, on_too_long)
            train_parts += [fitting] * source.repeats
        if is_made:
            continue
        evaluation = prepare_lines(
            source.validation, processor.image_processor, num_proc=data.preparation_processes
        )
        evaluation = fitting_lines(evaluation, processor.tokenizer, model, "skip")
        evaluation = evaluation.select(np.argsort(evaluation["width"][:]))
        evaluation_datasets[source.name] = PreparedLines(
            evaluation, processor.tokenizer, model.config.column_stride
        )
    if args.metric_for_best_model == "loss":  # what TrainingArguments puts in place of None
        args.metric_for_best_model = f"eval_{sources[0].name}_cer"
    metrics = [f"{name}_{kind}" for name in evaluation_datasets for kind in METRICS]
    wanted = args.metric_for_best_model
    if args.load_best_model_at_end and wanted.removeprefix("eval_") not in metrics:
        raise ValueError(
            f"--metric_for_best_model {wanted} is not measured: use {', '.join(metrics)}."
        )
    trainer = RecognitionTrainer(
        model=model.to(memory_format=fastest_memory_format(model.config)),
        args=args,
        processing_class=processor,
        data_collator=LineCollator(processor.image_processor),
        train_dataset=PreparedLines(
            datasets.concatenate_datasets(train_parts),
            processor.tokenizer,
            model.config.column_stride,
            Augmentation().scaled(data.augment) if data.augment else None,
            args.seed,
        ),
        eval_dataset=evaluation_datasets,
        compute_metrics=make_compute_metrics(processor.tokenizer),
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1),
    )
    trainer.recipe = training_recipe(Data=data, Model=model_arguments, Arguments=args)
    return trainer


def model_folder(name: str) -> str:
    """The folder or Hub name that `--model` means; raises ValueError for no model."""
    return DEFAULT_MODEL if name == "default" else checked_model(name)


def make_model(arguments: ModelArguments) -> tuple[ResNetBiLstmForCTC, ResNetBiLstmProcessor]:
    """A recogniser and its processor, new or from a checkpoint.

    Raises:
        ValueError: The preset is unknown or the overrides are not a JSON object.
    """
    overrides = config_overrides(arguments)
    if arguments.model is not None:
        folder = model_folder(arguments.model)
        model = ResNetBiLstmForCTC.from_pretrained(folder, dtype=torch.float32)
        model.config.temperature = 1.0  # it was fitted to the weights of before
        if overrides:
            model = prune(
                model, make_config(type(model.config), model.config.to_dict() | overrides)
            )
        return model, ResNetBiLstmProcessor.from_pretrained(folder)
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
    return ResNetBiLstmForCTC(config), processor


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


def train(
    data: DataArguments, model: ModelArguments, args: RecognitionTrainingArguments
) -> RecognitionTrainer:
    """Trains, goes on from the last checkpoint if there is one, and saves model, log and curve.

    Returns:
        The trainer, holding the best model.
    """
    checkpoint = None if args.restart else last_complete_checkpoint(args.output_dir)
    if checkpoint is not None:
        check_recipe(checkpoint, training_recipe(Data=data, Model=model))
        logger.warning("Going on from %s (--restart begins anew).", checkpoint)
    set_seed(args.seed)
    trainer = make_trainer(data, model, args)
    if args.restart:
        if trainer.is_world_process_zero():
            for folder in checkpoints(args.output_dir):
                shutil.rmtree(folder)
            Path(args.output_dir, TRAINER_STATE).unlink(missing_ok=True)
        trainer.accelerator.wait_for_everyone()
    if args.freeze_batch_norm:
        trainer.add_callback(BatchNormEstimation(trainer))
    if checkpoint is not None and is_finished(checkpoint, args.max_steps):
        logger.warning("Its %d steps are done; give a larger --max_steps for more.", args.max_steps)
        trainer.load_finished(checkpoint)
    else:
        trainer.train(resume_from_checkpoint=checkpoint)
    trainer.finish_average()
    trainer.save_model(_internal_call=True)  # a call from outside would push before all is saved
    trainer.save_state()
    if trainer.is_world_process_zero():
        if model.model is not None:
            copy_ngram(model.model, args.output_dir)
        draw_learning_curve(trainer.state.log_history, Path(args.output_dir) / "learning_curve.png")
    if args.push_to_hub:
        trainer.push_to_hub()
    return trainer


def checkpoints(output_dir: str | Path) -> list[Path]:
    """The checkpoint folders of a training, in the order of their steps."""
    folders = (path for path in Path(output_dir).glob("checkpoint-*") if path.is_dir())
    numbered = [path for path in folders if path.name.removeprefix("checkpoint-").isdecimal()]
    return sorted(numbered, key=lambda path: int(path.name.removeprefix("checkpoint-")))


def last_complete_checkpoint(output_dir: str | Path) -> str | None:
    """The last checkpoint that was written to its end, or None."""
    # `Trainer` writes this file last, so a checkpoint that a kill has cut short lacks it.
    complete = [path for path in checkpoints(output_dir) if (path / TRAINER_STATE).is_file()]
    return str(complete[-1]) if complete else None


def end_processes(trainer: RecognitionTrainer) -> None:
    """Ends what the processes of a training have in common, once all have come so far.

    One that ends on its own may abort, and its launcher ends the others before they have saved.
    """
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()


def check_recipe(checkpoint: str, recipe: dict[str, dict]) -> None:
    """Raises ValueError if a checkpoint is of a training on other data or of another model."""
    path = Path(checkpoint, RECIPE)
    if not path.is_file():  # saved by `Trainer` alone
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    for part in ("Data", "Model"):
        # What this version has beside, the other one did as is the default here.
        names = before[part].keys() & recipe[part].keys() - {"preparation_processes"}
        differing = differences(
            *({name: of[part][name] for name in names} for of in (before, recipe))
        )
        if differing:
            raise ValueError(
                f"{Path(checkpoint).parent} holds a training with {differing}. Repeat those to go "
                "on with it, give another --output_dir, or begin anew there with --restart, which "
                "removes its checkpoints."
            )


def is_finished(folder: str, max_steps: int) -> bool:
    """Whether a checkpoint, or a training's folder, has the state after so many steps."""
    path = Path(folder, TRAINER_STATE)
    if not path.is_file():
        return False
    return 0 < max_steps <= json.loads(path.read_text(encoding="utf-8"))["global_step"]


def copy_ngram(model: str, output_dir: str | Path) -> None:
    """Sets the n-gram beside a model, if there is one, beside the one that was trained from it."""
    ngram = find_ngram(model_folder(model))
    target = Path(output_dir, NGRAM_FILE)
    if ngram is not None and not (target.exists() and target.samefile(ngram)):
        shutil.copyfile(ngram, target)


def main(argv: list[str] | None = None) -> None:
    """`hwr-hf train`: parses the arguments and trains.

    Raises:
        ValueError, OSError: The arguments or the data do not fit; the message says how.
    """
    parser = HfArgumentParser(
        (DataArguments, ModelArguments, RecognitionTrainingArguments),
        prog="hwr-hf train",
        description="Train a recogniser on IAM, on a data set of your own, or on both. Started "
        "again with the same --output_dir, it goes on where it stopped.",
    )
    end_processes(train(*parser.parse_args_into_dataclasses(argv)))
