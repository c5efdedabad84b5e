"""One training of the study: from IAM's words to a saved network and its error rates.

In: a `Run` and a `Budget`. Out: a complete model folder and the result that `results` writes. A
training that was cut short goes on from its last checkpoint; one that has ended is only tested.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import torch
from transformers import TrainerCallback, TrainerState, set_seed

from hwr_hf.data.collator import LineCollator
from hwr_hf.data.iam import writers_of
from hwr_hf.data.preparation import PreparedLines, fitting_lines, prepare_lines
from hwr_hf.json_files import check_inputs, library_versions
from hwr_hf.ma2023.study import IMAGENET, NETWORKS, Budget, Network, Run
from hwr_hf.ma2023.words import load_words
from hwr_hf.metrics import bootstrap_interval, edit_counts
from hwr_hf.resnet_bilstm.image_processing_resnet_bilstm import ResNetBiLstmImageProcessor
from hwr_hf.resnet_bilstm.modeling_resnet_bilstm import (
    ResNetBiLstmPreTrainedModel,
    load_imagenet_weights,
)
from hwr_hf.resnet_bilstm.processing_resnet_bilstm import ResNetBiLstmProcessor
from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import ResNetBiLstmTokenizer
from hwr_hf.training import RecognitionTrainer, RecognitionTrainingArguments
from hwr_hf.training_checkpoints import TRAINER_STATE, last_complete_checkpoint
from hwr_hf.training_model import fastest_memory_format
from hwr_hf.weights_files import WEIGHTS

NUM_MEASURED = 2000  # training words whose mean and deviation are those of the channels
WARMUP_SHARE = 0.1
READ_TOGETHER = 64  # words
SAVE_STEPS = 250
LOGGING_STEPS = 100


@dataclass(frozen=True)
class Surroundings:
    """Where a run takes its data from and leaves its files, and what it may use.

    Attributes:
        iam: IAM's folder.
        runs_dir: Each run gets a folder in it.
        imagenet: Weights as `load_imagenet_weights` takes them, for pretrained runs.
        seed: Of the initial weights and the order of the words.
        num_processes: That prepare images.
        progress: Show each training's progress bar; otherwise print a line now and then.
    """

    iam: str
    runs_dir: Path
    imagenet: object | None = None
    seed: int = 0
    num_processes: int = 2
    progress: bool = True


def settings_of(run: Run, budget: Budget, seed: int) -> dict:
    """All that the numbers of a run depend on, to tell whether a result can stand for it."""
    return {"run": dataclasses.asdict(run), "budget": dataclasses.asdict(budget), "seed": seed}


def prepare_words(
    run: Run, budget: Budget, surroundings: Surroundings
) -> tuple[dict[str, datasets.Dataset], dict[str, list[str]], ResNetBiLstmProcessor]:
    """Words deskewed and resized for a run, the writers of each set, and the processor.

    The images lie in the `datasets` cache afterwards, where the next call finds them.
    """
    network = NETWORKS[run.network]
    words = load_words(surroundings.iam, run.protocols)
    image_processor = _image_processor(run, budget)
    prepared = {
        name: prepare_lines(dataset, image_processor, num_proc=surroundings.num_processes)
        for name, dataset in words.items()
    }
    if network.lowercase:  # only now: the prepared images serve either case
        prepared = {
            name: dataset.map(_lowercase, batched=True, input_columns="text")
            for name, dataset in prepared.items()
        }
    if not network.keeps_width:
        mean, deviation = _mean_and_deviation(prepared["train"])
        image_processor.image_mean = [mean] * image_processor.num_channels
        image_processor.image_std = [deviation] * image_processor.num_channels
    writers = {name: writers_of(dataset) for name, dataset in words.items()}
    return prepared, writers, ResNetBiLstmProcessor(image_processor, ResNetBiLstmTokenizer())


def train_and_test(run: Run, budget: Budget, surroundings: Surroundings) -> dict:
    """Trains a run's network and tests it under each of its protocols.

    Returns:
        `settings`, what was trained and how long it took, and `tests`: for each test set words,
        writers, CER, WER, their 95 % intervals by writer, and the edits of each writer.

    Raises:
        ValueError: The run's folder was begun with other settings.
    """
    network = NETWORKS[run.network]
    folder = surroundings.runs_dir / run.name
    settings = settings_of(run, budget, surroundings.seed)
    check_inputs(folder, settings)
    set_seed(surroundings.seed)
    prepared, writers, processor = prepare_words(run, budget, surroundings)
    config = budget.config(network)
    config.vocab_size = len(processor.tokenizer)
    model = network.architecture(config)
    if run.initial_weights == IMAGENET:
        load_imagenet_weights(model, surroundings.imagenet)
    train_words = fitting_lines(prepared["train"], processor.tokenizer, model, "skip")
    trainer = RecognitionTrainer(
        model=model.to(memory_format=fastest_memory_format(config)),
        args=_training_arguments(folder, budget, surroundings),
        processing_class=processor,
        data_collator=LineCollator(processor.image_processor),
        train_dataset=PreparedLines(train_words, processor.tokenizer, config.column_stride),
        callbacks=[] if surroundings.progress else [_Lines(run.name)],
    )
    seconds = _train(trainer, folder)
    tests = {
        name: rates_of(
            prepared[name]["text"][:],
            read_words(trainer.model, processor, prepared[name], network),
            writers[name],
        )
        for name in prepared
        if name != "train"
    }
    return {
        "settings": settings,
        "network": network.title,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "initial_weights": run.initial_weights,
        "text": "lower case" if network.lowercase else "case-sensitive",
        "train_words": len(train_words),
        "steps": trainer.state.global_step,
        "seconds": seconds,
        "device": trainer.args.device.type,
        "threads": torch.get_num_threads(),
        "losses": [
            (entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry
        ],
        "versions": library_versions("torch", "transformers", "datasets"),
        "tests": tests,
    }


def is_trained(folder: Path) -> bool:
    """Whether the folder of a run holds its final weights."""
    return all((folder / name).is_file() for name in (TRAINER_STATE, WEIGHTS))


@torch.inference_mode()
def read_words(
    model: ResNetBiLstmPreTrainedModel,
    processor: ResNetBiLstmProcessor,
    words: datasets.Dataset,
    network: Network,
) -> list[str]:
    """What a network reads on prepared words, in their order.

    Without labels: a word that is too narrow for its text cannot have a loss, but is read and
    counted as it comes out.
    """
    model.eval()
    collate = LineCollator(processor.image_processor)
    lines = PreparedLines(words, processor.tokenizer, model.config.column_stride)
    order = np.argsort(words["width"][:], kind="stable").tolist()  # batches of like width
    texts = [""] * len(words)
    for start in range(0, len(order), READ_TOGETHER):
        rows = order[start : start + READ_TOGETHER]
        batch = collate([lines[row] for row in rows])
        images, masks = (batch[name].to(model.device) for name in ("pixel_values", "pixel_mask"))
        frames = model(images, masks).logits.argmax(-1).cpu().numpy()  # (words, frames)
        for row, text in zip(
            rows, decode_frames(frames, processor.tokenizer, network), strict=True
        ):
            texts[row] = text
    return texts


def decode_frames(frames: np.ndarray, tokenizer, network: Network) -> list[str]:
    """Texts of the best class of every frame, or step: `(words, frames)`."""
    return tokenizer.batch_decode(frames, group_tokens=network.uses_ctc)


def rates_of(references: Sequence[str], predictions: Sequence[str], writers: Sequence[str]) -> dict:
    """Rates, intervals and the edits of each writer."""
    counts = edit_counts(references, predictions)
    by_writer: dict[str, list[int]] = {}
    columns = (counts.character_edits, counts.characters, counts.word_edits, counts.words)
    for writer, *row in zip(writers, *(column.tolist() for column in columns), strict=True):
        sums = by_writer.setdefault(writer, [0, 0, 0, 0])
        by_writer[writer] = [total + value for total, value in zip(sums, row, strict=True)]
    result = {"words": len(references), "writers": len(by_writer)}
    for name, rate, edits, totals in (
        ("cer", counts.cer, counts.character_edits, counts.characters),
        ("wer", counts.wer, counts.word_edits, counts.words),
    ):
        result[name] = round(rate, 5)
        result[f"{name}_interval"] = None
        if len(by_writer) > 1:
            low, high = bootstrap_interval(edits, totals, writers)
            result[f"{name}_interval"] = [round(low, 5), round(high, 5)]
    # Character edits, characters, word edits, words
    return result | {"by_writer": dict(sorted(by_writer.items()))}


def _image_processor(run: Run, budget: Budget) -> ResNetBiLstmImageProcessor:
    if NETWORKS[run.network].keeps_width:
        return ResNetBiLstmImageProcessor()
    return ResNetBiLstmImageProcessor(
        size={"height": budget.image_size, "width": budget.image_size},
        num_channels=3,
        do_deskew=run.num_deskew_passes > 0,
        deskew_method="moment",
        num_deskew_passes=run.num_deskew_passes,
        normalization="channel",
        image_mean=[0.0] * 3,
        image_std=[1.0] * 3,
        pad_to_multiple_of=1,
    )


def _lowercase(texts: list[str]) -> dict[str, list[str]]:
    return {"text": [text.lower() for text in texts]}


def _mean_and_deviation(words: datasets.Dataset) -> tuple[float, float]:
    """Of the grey values in [0, 1], over the first training words."""
    images = words.select(range(min(NUM_MEASURED, len(words))))["image"]
    pixels = np.concatenate([np.asarray(image).ravel() for image in images]) / 255
    return round(float(pixels.mean()), 4), round(float(pixels.std()), 4)


def _training_arguments(
    folder: Path, budget: Budget, surroundings: Surroundings
) -> RecognitionTrainingArguments:
    has_gpu = torch.cuda.is_available()
    return RecognitionTrainingArguments(
        output_dir=str(folder),
        num_train_epochs=budget.num_epochs,
        max_steps=-1,
        batch_columns=budget.batch_columns,
        learning_rate=budget.learning_rate,
        warmup_steps=WARMUP_SHARE,
        ema_decay=0.0,
        eval_strategy="no",
        save_steps=SAVE_STEPS,
        save_total_limit=1,
        logging_steps=LOGGING_STEPS,
        logging_first_step=True,  # so that the shortest of trainings has a loss to show
        load_best_model_at_end=False,
        report_to="none",
        dataloader_num_workers=surroundings.num_processes if has_gpu else 0,
        disable_tqdm=not surroundings.progress,
        fp16=has_gpu,
        seed=surroundings.seed,
    )


def _train(trainer: RecognitionTrainer, folder: Path) -> float | None:
    """Trains, or loads what was trained; the seconds it took, where it ran without a break."""
    if is_trained(folder):
        trainer._load_from_checkpoint(str(folder))
        trainer.state = TrainerState.load_from_json(str(folder / TRAINER_STATE))
        return None
    checkpoint = last_complete_checkpoint(folder)
    output = trainer.train(resume_from_checkpoint=checkpoint)
    trainer.save_model()
    trainer.save_state()
    return None if checkpoint else round(output.metrics["train_runtime"], 1)


class _Lines(TrainerCallback):
    """A line of progress now and then, for trainings that run side by side."""

    def __init__(self, name: str):
        self.name = name

    def on_log(self, args, state, control, logs=None, **kwargs):
        if logs and "loss" in logs:
            step = f"step {state.global_step:,} of {state.max_steps:,}"
            print(f"{self.name}: {step}, loss {float(logs['loss']):.3f}", flush=True)
