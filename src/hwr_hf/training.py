"""Training of a recogniser with `Trainer`: from arguments to a saved model, its log and curve.

`main(argv)` is what `hwr-hf train` and `scripts/train.py` call. It prepares the images once, trains
on batches of like width, evaluates each kind of images on its validation split, keeps the
checkpoint of the lowest validation CER, and goes on from the last one when started again.
"""

import itertools
import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import datasets
import numpy as np
import torch
from safetensors.torch import load_model
from transformers import (
    HfArgumentParser,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.utils import SAFE_WEIGHTS_NAME

from hwr_hf.consistency import HiddenSpans, disagreement, two_views
from hwr_hf.data.augmentation import Augmentation
from hwr_hf.data.batching import WidthBucketSampler
from hwr_hf.data.collator import LineCollator
from hwr_hf.data.preparation import PreparedLines, fitting_lines, prepare_lines
from hwr_hf.hub_trainer import HubTrainer, training_recipe
from hwr_hf.learning_curve import draw_learning_curve
from hwr_hf.metrics import make_compute_metrics
from hwr_hf.resnet_bilstm.ngram_resnet_bilstm import NGRAM_FILE, find_ngram
from hwr_hf.training_checkpoints import (
    TRAINER_STATE,
    check_recipe,
    checkpoints,
    is_finished,
    last_complete_checkpoint,
)
from hwr_hf.training_data import DataArguments, load_sources
from hwr_hf.training_model import ModelArguments, fastest_memory_format, make_model, model_folder
from hwr_hf.weight_averaging import WeightAveragingTrainer

METRICS = ("cer", "wer", "loss")

logger = logging.getLogger(__name__)


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
        if self.max_steps > 0 and self.num_train_epochs != TrainingArguments.num_train_epochs:
            raise ValueError(
                f"--num_train_epochs {self.num_train_epochs} has no effect beside --max_steps "
                f"{self.max_steps}, which says when to end. Give --max_steps alone, or with "
                "--max_steps -1 the epochs."
            )
        if self.resume_from_checkpoint is not None:
            raise ValueError(
                f"--resume_from_checkpoint {self.resume_from_checkpoint} is not taken: a training "
                "goes on from the last checkpoint in its folder. Give --output_dir alone, or "
                "--model to train on from other weights."
            )
        super().__post_init__()
        if self.consistency < 0:
            raise ValueError(
                f"--consistency {self.consistency} is not allowed: use 0 for none, or a weight "
                "such as 0.2."
            )


class RecognitionTrainer(HubTrainer, WeightAveragingTrainer):
    """`Trainer` on batches of like width; the train dataset is a `PreparedLines`."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        self.sampler = WidthBucketSampler(
            self.train_dataset.widths, self.args.batch_columns, seed=seed
        )
        self.add_callback(_EpochOfSampler(self.sampler))

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
        if self.args.load_best_model_at_end and self.state.best_model_checkpoint:
            # By its name: the training's folder may have been moved since.
            best = Path(checkpoint).with_name(Path(self.state.best_model_checkpoint).name)
            self.state.best_model_checkpoint = str(best)
            if best.is_dir():
                checkpoint = best
            elif has_ended:
                checkpoint = self.args.output_dir
        load_model(self.model, Path(checkpoint, SAFE_WEIGHTS_NAME))

    def get_train_dataloader(self) -> torch.utils.data.DataLoader:
        loader = torch.utils.data.DataLoader(
            self.train_dataset,
            batch_sampler=self.sampler,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory and torch.cuda.is_available(),
        )
        return self.accelerator.prepare(loader)


class _EpochOfSampler(TrainerCallback):
    """Tells the sampler every epoch.

    A `Trainer` on several processes that goes on within an epoch tells only what wraps the sampler,
    and that does not pass it on.
    """

    def __init__(self, sampler: WidthBucketSampler):
        self.sampler = sampler

    def on_epoch_begin(self, args, state, control, **kwargs):
        self.sampler.set_epoch(int(state.epoch))


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


def end_processes(trainer: RecognitionTrainer) -> None:
    """Ends what the processes of a training have in common, once all have come so far.

    One that ends on its own may abort, and its launcher ends the others before they have saved.
    """
    trainer.accelerator.wait_for_everyone()
    trainer.accelerator.end_training()


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
