"""Trains a BERT as a masked language model, on pieces of text as long as a line.

In: a BERT, with or without a masked-LM head, and running text. Out: a folder with the
`BertForMaskedLM` and its tokenizer, for `MaskedLmScorer`.

It learns what it is asked in use: 15 % of the word pieces are hidden behind `[MASK]`, each with the
rest of its word (see `masked_lm`), and none is replaced by another. Validation is that use itself:
every piece of the validation lines is asked for, so that the loss is their mean negative
pseudo-log-likelihood a piece, with no chance in it.

Masked language models: Devlin et al. (2019), https://doi.org/10.18653/v1/N19-1423
Their pseudo-perplexity: Salazar et al. (2020), https://aclanthology.org/2020.acl-main.240/
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field

import numpy as np
import torch
import transformers
from torch.nn import functional as F
from transformers import (
    AutoTokenizer,
    DataCollatorForTokenClassification,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
)
from transformers.modeling_outputs import MaskedLMOutput

from hwr_hf.correction.encoding import IGNORED
from hwr_hf.correction.masked_lm import (
    Pieces,
    check_model_type,
    check_tokenizer,
    logits_at,
    split_into_pieces,
)
from hwr_hf.data.corpus import TextLines
from hwr_hf.training_script import run_script, train_to_end

MASKED_SHARE = 0.15

logger = logging.getLogger(__name__)


@dataclass
class TextArguments:
    """What to learn from."""

    text: list[str] = field(metadata={"help": "Files of English text, .txt or .txt.xz."})
    validation_text: list[str] = field(
        metadata={"help": "Files of text like it that --text does not hold."}
    )
    validation_lines: int = field(
        default=200, metadata={"help": "Pieces of --validation_text to measure the loss on."}
    )
    masked_share: float = field(
        default=MASKED_SHARE, metadata={"help": "Share of the word pieces that is asked for."}
    )


@dataclass
class MaskedLmArguments:
    """What to train."""

    bert: str = field(
        metadata={"help": "Folder or Hub name of a BERT; a head that it lacks begins at random."}
    )


@dataclass
class MaskedLmTrainingArguments(TrainingArguments):
    """`TrainingArguments` with this model's defaults."""

    output_dir: str = field(default="runs/masked-lm", metadata={"help": "Checkpoints and log."})
    max_steps: int = field(default=1000, metadata={"help": "Optimizer steps."})
    per_device_train_batch_size: int = field(default=64, metadata={"help": "Lines of a batch."})
    per_device_eval_batch_size: int = field(
        default=256, metadata={"help": "Masked copies of validation lines of a batch."}
    )
    learning_rate: float = field(default=3e-4, metadata={"help": "Peak learning rate."})
    lr_scheduler_type: str = field(default="linear", metadata={"help": "Decay of the rate."})
    warmup_steps: float = field(default=100, metadata={"help": "Steps of linear warm-up."})
    weight_decay: float = field(default=0.01, metadata={"help": "Of AdamW."})
    eval_strategy: str = field(default="steps", metadata={"help": "When to evaluate."})
    eval_steps: float = field(default=250, metadata={"help": "Steps between evaluations."})
    save_strategy: str = field(default="steps", metadata={"help": "When to save."})
    save_steps: float = field(default=250, metadata={"help": "Steps between checkpoints."})
    save_total_limit: int | None = field(default=2, metadata={"help": "Checkpoints to keep."})
    logging_steps: float = field(default=50, metadata={"help": "Steps between log lines."})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "Keep the best."})
    metric_for_best_model: str | None = field(
        default="loss", metadata={"help": "Mean negative log-probability of validation pieces."}
    )
    greater_is_better: bool | None = field(default=False, metadata={"help": "It is a loss."})
    report_to: str = field(default="none", metadata={"help": "Where metrics go."})


class BertForMaskedLM(transformers.BertForMaskedLM):
    """Transformers' class, with a loss that computes the logits of masked positions only.

    It keeps the name, which `save_pretrained` writes into config.json: the weights are the same.
    """

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor
    ) -> MaskedLMOutput:
        """Mean cross-entropy of the labels that are not -100; all shapes `(batch, length)`."""
        asked = labels != IGNORED  # (batch, length)
        logits = logits_at(self, asked, input_ids, attention_mask=attention_mask)
        return MaskedLMOutput(loss=F.cross_entropy(logits.float(), labels[asked]))


class MaskedLines(torch.utils.data.Dataset):
    """Pieces of text drawn at random, with some word pieces hidden.

    Number `i` is the same in every process and every start, so that a training can resume.

    Args:
        texts: Running text.
        tokenizer: BERT's.
        length: Number of lines.
        masked_share: Each word piece is asked for with this probability, one of a line at least;
            the word pieces after it in its word are hidden and asked for, too.
        seed: Of everything that is drawn.

    Raises:
        ValueError: The share is none.
    """

    def __init__(
        self,
        texts: TextLines,
        tokenizer: PreTrainedTokenizerBase,
        length: int,
        masked_share: float = MASKED_SHARE,
        seed: int = 0,
    ):
        if not 0 < masked_share <= 1:
            raise ValueError(
                f"masked_share={masked_share} is no share. Give a number above 0, up to 1."
            )
        self.texts, self.tokenizer, self.length = texts, tokenizer, length
        self.masked_share, self.seed = masked_share, seed

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        if not 0 <= index < self.length:
            raise IndexError(f"There is no line {index} of {self.length}.")
        rng = np.random.default_rng([self.seed, index])
        (pieces,) = split_into_pieces(self.tokenizer, [self.texts.sample(rng)])
        positions = np.array(pieces.positions)
        chosen = positions[rng.random(len(positions)) < self.masked_share]
        hidden = pieces.hidden_positions(chosen if len(chosen) else [rng.choice(positions)])
        return _example(pieces, hidden, hidden, self.tokenizer.mask_token_id)


def questions(
    texts: TextLines, tokenizer: PreTrainedTokenizerBase, num_lines: int
) -> list[dict[str, list[int]]]:
    """An example for every word piece of some lines, that piece asked for as in use."""
    rng = np.random.default_rng(0)  # whatever the seed of the training, to compare trainings
    lines = split_into_pieces(tokenizer, [texts.sample(rng) for _ in range(num_lines)])
    return [
        _example(pieces, pieces.hidden_positions([place]), [place], tokenizer.mask_token_id)
        for pieces in lines
        for place in pieces.positions
    ]


def _example(
    pieces: Pieces, hidden: list[int], asked: list[int], mask_id: int
) -> dict[str, list[int]]:
    return {
        "input_ids": pieces.masked(hidden, mask_id),
        "labels": [id_ if place in asked else IGNORED for place, id_ in enumerate(pieces.ids)],
    }


class MaskedLmTrainer(Trainer):
    """`Trainer` that logs the perplexity beside the loss."""

    def evaluation_loop(self, *args, metric_key_prefix: str = "eval", **kwargs):
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        loss = output.metrics[f"{metric_key_prefix}_loss"]
        output.metrics[f"{metric_key_prefix}_perplexity"] = math.exp(loss)
        return output


def make_model(bert: str) -> BertForMaskedLM:
    """A BERT with a masked-LM head, tied to its word embeddings.

    Raises:
        ValueError: The model is no BERT, or the weights lack more than the head.
        OSError: There is no such folder or Hub name.
    """
    check_model_type(bert)
    model, loading = BertForMaskedLM.from_pretrained(
        bert, dtype=torch.float32, output_loading_info=True
    )
    missing = sorted(loading["missing_keys"])
    if lacking := [name for name in missing if not name.startswith("cls.")]:
        raise ValueError(
            f"{bert} has no weights for {', '.join(lacking[:3])} ({len(lacking)} in all). Give a "
            "folder with all weights of a BERT."
        )
    if missing:
        logger.warning("%s has no masked-LM head; a new one is trained.", bert)
    return model


def make_trainer(
    text: TextArguments, masked_lm: MaskedLmArguments, args: MaskedLmTrainingArguments
) -> MaskedLmTrainer:
    """Model, lines and metrics put together.

    Raises:
        ValueError, OSError: The arguments or the files do not fit.
    """
    if text.validation_lines < 1:
        raise ValueError(f"--validation_lines {text.validation_lines}: give 1 at least.")
    model = make_model(masked_lm.bert)
    tokenizer = AutoTokenizer.from_pretrained(masked_lm.bert)
    check_tokenizer(tokenizer, model.config.vocab_size)
    train_lines = MaskedLines(
        TextLines(text.text),
        tokenizer,
        length=args.max_steps * args.train_batch_size * args.gradient_accumulation_steps,
        masked_share=text.masked_share,
        seed=args.seed,
    )
    return MaskedLmTrainer(
        model=model,
        args=args,
        processing_class=tokenizer,
        data_collator=DataCollatorForTokenClassification(tokenizer),  # pads labels, too
        train_dataset=train_lines,
        eval_dataset=questions(TextLines(text.validation_text), tokenizer, text.validation_lines),
    )


def train(
    text: TextArguments, masked_lm: MaskedLmArguments, args: MaskedLmTrainingArguments
) -> MaskedLmTrainer:
    """Trains, goes on from the last checkpoint if there is one, and saves the best model.

    Raises:
        ValueError, OSError: The arguments or the files do not fit; the message says how.
    """
    return train_to_end(make_trainer, text, masked_lm, args)


def main(argv: list[str] | None = None) -> int:
    """`scripts/train_masked_lm.py`: parses the arguments, trains, returns the exit code."""
    return run_script(
        train,
        "train_masked_lm",
        (TextArguments, MaskedLmArguments, MaskedLmTrainingArguments),
        "Train a BERT as a masked language model on line-sized pieces of text, to rank what a "
        "recogniser reads. On a CPU give --use_cpu, and --bf16 where it has AVX512-BF16 or AMX. "
        "Started again with the same --output_dir, it goes on where it stopped.",
        argv,
    )
