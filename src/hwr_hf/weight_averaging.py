"""`Trainer` that evaluates and saves the exponential moving average of the weights (EMA).

In: `--ema_decay`. Out: checkpoints whose `model.safetensors` is the average, the model to use, with
the weights that training goes on from beside it.
The average of the last steps stands nearer the bottom of the valley that they jump about in:
Polyak and Juditsky (1992), https://doi.org/10.1137/0330046
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import Trainer, TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

TRAINED_WEIGHTS = "trained_weights.safetensors"


def ema_with_warm_up(decay: float) -> Callable:
    """How `AveragedModel` takes in a step: less of the average at first, when it knows little.

    The decay after `n` steps is `min(decay, (1 + n) / (10 + n))`.
    """

    def update(averages: list, weights: list, num_averaged: torch.Tensor) -> None:
        steps = int(num_averaged)
        get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averages, weights, steps)

    return update


class WeightAveragingTrainer(Trainer):
    """`Trainer` with `ema_decay` among its arguments: 0 for none, else in [0, 1)."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not 0 <= self.args.ema_decay < 1:
            raise ValueError(
                f"ema_decay={self.args.ema_decay} is not allowed: use 0 for no average, or a "
                "number below 1 such as 0.999."
            )
        self.averaged: AveragedModel | None = None
        if self.args.ema_decay:
            self.add_callback(_UpdateAverage(self))

    def start_average(self) -> None:
        """Begins the average with the weights as they are."""
        self.averaged = AveragedModel(
            self.model, multi_avg_fn=ema_with_warm_up(self.args.ema_decay), use_buffers=True
        )
        self.averaged.n_averaged.fill_(self.state.global_step)

    def finish_average(self) -> None:
        """Ends training with the average, unless the best checkpoint, one of it, was loaded."""
        best = self.args.load_best_model_at_end and self.state.best_model_checkpoint
        if self.averaged is not None and not (best and Path(best).is_dir()):
            self.model.load_state_dict(self.averaged.module.state_dict())
        self.averaged = None

    @contextmanager
    def _average_in_place(self) -> Iterator[None]:
        """Inside, `self.model` is the average."""
        if self.averaged is None:
            yield
            return
        trained = self.model, self.model_wrapped
        self.model = self.model_wrapped = self.averaged.module
        try:
            yield
        finally:
            self.model, self.model_wrapped = trained

    def evaluate(self, *args, **kwargs):
        with self._average_in_place():
            return super().evaluate(*args, **kwargs)

    def _save_checkpoint(self, model, trial):
        if self.averaged is not None and self.args.should_save:
            folder = Path(self._get_output_dir(trial=trial))
            folder = folder / f"{PREFIX_CHECKPOINT_DIR}-{self.state.global_step}"
            folder.mkdir(parents=True, exist_ok=True)
            save_file(
                {name: tensor.contiguous() for name, tensor in self.model.state_dict().items()},
                folder / TRAINED_WEIGHTS,
            )
        with self._average_in_place():
            super()._save_checkpoint(model, trial)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        trained = Path(resume_from_checkpoint) / TRAINED_WEIGHTS
        if self.args.ema_decay:
            self.start_average()
        if trained.is_file():
            self.model.load_state_dict(load_file(trained))


class _UpdateAverage(TrainerCallback):
    """Takes every step into the average."""

    def __init__(self, trainer: WeightAveragingTrainer):
        self.trainer = trainer

    def on_train_begin(self, args, state, control, **kwargs):
        if self.trainer.averaged is None:
            self.trainer.start_average()
        self.trainer.averaged.n_averaged.fill_(state.global_step)

    def on_step_end(self, args, state, control, **kwargs):
        self.trainer.averaged.update_parameters(self.trainer.model)
