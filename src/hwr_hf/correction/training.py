"""Trains a BERT encoder-decoder to correct what a recogniser reads.

In: running text, and what `scripts/jackknife.py` wrote: lines a recogniser has read, and its
confusions. Out: a folder with the `EncoderDecoderModel` and its tokenizer, for `BertCorrector`.

A BERT on both sides, the decoder with new cross-attention, is the `BERT2BERT` of Rothe et al.
(2020), https://doi.org/10.1162/tacl_a_00313
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    BertLMHeadModel,
    EncoderDecoderModel,
    GenerationConfig,
    PreTrainedTokenizerBase,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
)

from hwr_hf.correction.encoding import IGNORED
from hwr_hf.correction.jackknife import load_lines
from hwr_hf.correction.noise import ConfusionModel
from hwr_hf.correction.pairs import NoisyPairs, PairCollator, pairs_of_lines
from hwr_hf.correction.vocabulary import frequent_pieces, trim_model, trim_tokenizer
from hwr_hf.data.corpus import TextLines
from hwr_hf.metrics import edit_counts
from hwr_hf.training_script import run_script, train_to_end

MAX_LENGTH = 128  # tokens of a line; IAM's have about 15
PIECES_COUNTED = 50_000  # lines of --text that tell which word pieces are frequent


@dataclass
class PairArguments:
    """What to learn from."""

    lines: str = field(
        metadata={"help": "lines.jsonl of scripts/jackknife.py: training lines as recognised."}
    )
    confusions: str = field(metadata={"help": "confusions.json of scripts/jackknife.py."})
    text: list[str] = field(metadata={"help": "Files of English text, .txt or .txt.xz."})
    validation_lines: str = field(
        metadata={"help": "JSON lines like --lines, of the validation lines."}
    )
    read_share: float = field(
        default=0.3, metadata={"help": "Share of --lines in training; the rest is noisy text."}
    )
    cer_range: list[float] = field(
        default_factory=lambda: [0.02, 0.25],
        metadata={"help": "Lowest and highest error rate of the noisy text, as fractions."},
    )
    with_context: bool = field(
        default=False, metadata={"help": "Show the recognised line before, where there is one."}
    )


@dataclass
class CorrectorArguments:
    """What to train."""

    bert: str = field(metadata={"help": "Folder or Hub name of a BERT, for both sides."})
    random_init: bool = field(
        default=False,
        metadata={"help": "Only the sizes and the vocabulary of --bert: weights from scratch."},
    )
    encoder_layers: int | None = field(
        default=None, metadata={"help": "Keep the first layers of the encoder only."}
    )
    decoder_layers: int | None = field(
        default=None, metadata={"help": "Keep the first layers of the decoder only."}
    )
    word_pieces: int | None = field(
        default=None,
        metadata={
            "help": "Keep so many of BERT's word pieces, those most frequent in --text and "
            "--lines: smaller and faster."
        },
    )


@dataclass
class CorrectionTrainingArguments(Seq2SeqTrainingArguments):
    """`Seq2SeqTrainingArguments` with this model's defaults."""

    output_dir: str = field(default="runs/corrector", metadata={"help": "Checkpoints and log."})
    max_steps: int = field(default=6000, metadata={"help": "Optimizer steps."})
    per_device_train_batch_size: int = field(default=32, metadata={"help": "Pairs of a batch."})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "Pairs of a batch."})
    learning_rate: float = field(default=3e-4, metadata={"help": "Peak learning rate."})
    lr_scheduler_type: str = field(default="cosine", metadata={"help": "Decay of the rate."})
    warmup_steps: float = field(default=300, metadata={"help": "Steps of linear warm-up."})
    eval_strategy: str = field(default="steps", metadata={"help": "When to evaluate."})
    eval_steps: float = field(default=1000, metadata={"help": "Steps between evaluations."})
    save_strategy: str = field(default="steps", metadata={"help": "When to save."})
    save_steps: float = field(default=1000, metadata={"help": "Steps between checkpoints."})
    save_total_limit: int | None = field(default=2, metadata={"help": "Checkpoints to keep."})
    logging_steps: float = field(default=100, metadata={"help": "Steps between log lines."})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "Keep the best."})
    metric_for_best_model: str | None = field(
        default="cer", metadata={"help": "Of the validation lines, in BERT's own spelling."}
    )
    greater_is_better: bool | None = field(default=False, metadata={"help": "It is an error."})
    predict_with_generate: bool = field(default=True, metadata={"help": "Validate on texts."})
    remove_unused_columns: bool = field(default=False, metadata={"help": "The collator needs all."})
    report_to: str = field(default="none", metadata={"help": "Where metrics go."})


def make_model(
    arguments: CorrectorArguments,
    tokenizer: PreTrainedTokenizerBase,
    piece_ids: list[int] | None = None,
) -> EncoderDecoderModel:
    """A BERT encoder and a BERT decoder with cross-attention, ready to train and to generate.

    The cross-attention, which BERT lacks, begins as a copy of the self-attention: it learns sooner
    than from random weights to find the word that is to be written next.

    Args:
        arguments: What to make.
        tokenizer: With the model's pieces.
        piece_ids: BERT's ids of these, if they are not all of BERT's.

    Raises:
        ValueError: The model is no BERT, or has fewer layers than asked for.
        OSError: There is no such folder or Hub name.
    """
    config = AutoConfig.from_pretrained(arguments.bert)
    if config.model_type != "bert":
        raise ValueError(
            f"{arguments.bert} is of type {config.model_type}, not bert. Give a BERT such as "
            "bert-base-uncased."
        )
    sides = []
    for name, auto, options in (
        ("encoder", AutoModel, {}),
        ("decoder", BertLMHeadModel, {"is_decoder": True, "add_cross_attention": True}),
    ):
        layers = getattr(arguments, f"{name}_layers") or config.num_hidden_layers
        if not 1 <= layers <= config.num_hidden_layers:
            raise ValueError(
                f"--{name}_layers {layers}: {arguments.bert} has {config.num_hidden_layers}. "
                "Give 1 to that many."
            )
        side = AutoConfig.from_pretrained(arguments.bert, num_hidden_layers=layers, **options)
        if arguments.random_init:
            model = auto.from_config(side) if auto is AutoModel else auto(side)
        else:
            model = auto.from_pretrained(arguments.bert, config=side, dtype="float32")
        sides.append(model if piece_ids is None else trim_model(model, piece_ids))
    model = EncoderDecoderModel(encoder=sides[0], decoder=sides[1])
    for layer in model.decoder.bert.encoder.layer:
        layer.crossattention.load_state_dict(layer.attention.state_dict())
    ids = {
        "decoder_start_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    for name, token_id in ids.items():
        setattr(model.config, name, token_id)
    longest = min(MAX_LENGTH, config.max_position_embeddings)
    model.generation_config = GenerationConfig(**ids, max_length=longest)
    return model


def make_compute_metrics(
    tokenizer: PreTrainedTokenizerBase, recognised: Sequence[str]
) -> Callable[..., dict[str, float]]:
    """CER and WER of generated texts, and of the recognised ones beside them, in BERT's spelling.

    Args:
        tokenizer: Decodes both sides, so case and the spaces of punctuation do not count.
        recognised: What the validation lines were recognised as, in their order.
    """

    def respelled(texts: Sequence[str]) -> list[str]:
        return tokenizer.batch_decode(tokenizer(list(texts))["input_ids"], skip_special_tokens=True)

    def compute_metrics(evaluation) -> dict[str, float]:
        generated, labels = (
            tokenizer.batch_decode(
                np.where(np.asarray(ids) == IGNORED, tokenizer.pad_token_id, ids),
                skip_special_tokens=True,
            )
            for ids in (evaluation.predictions, evaluation.label_ids)
        )
        after, before = edit_counts(labels, generated), edit_counts(labels, respelled(recognised))
        return {
            "cer": after.cer,
            "wer": after.wer,
            "recognised_cer": before.cer,
            "recognised_wer": before.wer,
        }

    return compute_metrics


def make_trainer(
    pairs: PairArguments, corrector: CorrectorArguments, args: CorrectionTrainingArguments
) -> Seq2SeqTrainer:
    """Model, pairs and metrics put together.

    Raises:
        ValueError, OSError: The arguments or the files do not fit.
    """
    texts = TextLines(pairs.text)
    tokenizer, piece_ids = AutoTokenizer.from_pretrained(corrector.bert), None
    if corrector.word_pieces is not None:
        piece_ids = frequent_pieces(tokenizer, _texts(texts, pairs), corrector.word_pieces)
        tokenizer = trim_tokenizer(tokenizer, piece_ids)
    validation = pairs_of_lines(load_lines(pairs.validation_lines), pairs.with_context)
    train_pairs = NoisyPairs(
        texts,
        ConfusionModel.load(pairs.confusions),
        length=args.max_steps * args.train_batch_size * args.gradient_accumulation_steps,
        read_pairs=pairs_of_lines(load_lines(pairs.lines), pairs.with_context),
        read_share=pairs.read_share,
        cer_range=tuple(pairs.cer_range),
        seed=args.seed,
    )
    return Seq2SeqTrainer(
        model=make_model(corrector, tokenizer, piece_ids),
        args=args,
        processing_class=tokenizer,
        data_collator=PairCollator(tokenizer, MAX_LENGTH),
        train_dataset=train_pairs,
        eval_dataset=validation,
        compute_metrics=make_compute_metrics(tokenizer, [pair.recognised for pair in validation]),
    )


def _texts(texts: TextLines, pairs: PairArguments) -> Iterator[str]:
    rng = np.random.default_rng(0)
    for _ in range(PIECES_COUNTED):
        yield texts.sample(rng)
    for line in load_lines(pairs.lines):
        yield line["text"]


def train(
    pairs: PairArguments, corrector: CorrectorArguments, args: CorrectionTrainingArguments
) -> Seq2SeqTrainer:
    """Trains, goes on from the last checkpoint if there is one, and saves the best model.

    Raises:
        ValueError, OSError: The arguments or the files do not fit; the message says how.
    """
    return train_to_end(make_trainer, pairs, corrector, args)


def main(argv: list[str] | None = None) -> int:
    """`scripts/train_corrector.py`: parses the arguments, trains, returns the exit code."""
    return run_script(
        train,
        "train_corrector",
        (PairArguments, CorrectorArguments, CorrectionTrainingArguments),
        "Train a BERT encoder-decoder on recognised lines and noisy text. Started again with the "
        "same --output_dir, it goes on where it stopped.",
        argv,
    )
