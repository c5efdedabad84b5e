"""`Trainer(push_to_hub=True)` that uploads what `hwr-hf push` does, and nothing else.

In: the library's own options, `push_to_hub`, `hub_model_id`, `hub_token`, `hub_private_repo`,
`hub_revision` and `hub_strategy`. Out: a complete repository, at the end and, with the strategy
"every_save", from every checkpoint, each as one commit. The library itself would also upload the
training's arguments as a pickle and its logs, and make the repository before the first step.
"""

import dataclasses
import logging
import os
from pathlib import Path

from transformers import Trainer
from transformers.trainer_utils import HubStrategy

from .generated_card import GENERATED_MARK, generated_card
from .hub import Pushed, full_name, push_model
from .hub_files import CARD
from .json_files import write_json
from .training_checkpoints import RECIPE

logger = logging.getLogger(__name__)

# Of the many arguments those that decide what a model becomes.
RECORDED_ARGUMENTS = (
    "max_steps",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "batch_columns",
    "gradient_accumulation_steps",
    "consistency",
    "ema_decay",
    "freeze_batch_norm",
    "bf16",
    "fp16",
    "seed",
    "data_seed",
)


def training_recipe(**parts) -> dict[str, dict]:
    """What a training was asked for, to be saved with its model: arguments by their kind.

    Args:
        **parts: Dataclasses of arguments. Of paths the last part is kept.
    """
    return {
        title: {
            item.name: _recorded(getattr(part, item.name))
            for item in dataclasses.fields(part)
            if title != "Arguments" or item.name in RECORDED_ARGUMENTS
        }
        for title, part in parts.items()
    }


class HubTrainer(Trainer):
    """The part of a trainer that pushes.

    Attributes:
        recipe: From `training_recipe`, saved with the model; empty for none.
    """

    recipe: dict[str, dict] = {}

    def init_hf_repo(self, token: str | None = None, private: bool | None = None) -> None:
        """Checks name and token now, hours before they are needed; nothing is made on the Hub.

        Raises:
            ValueError: The name is not allowed, or the strategy would upload pickles.
            PermissionError: There is no valid token.
            ConnectionError: The Hub cannot be reached.
        """
        if self.args.hub_strategy in (HubStrategy.CHECKPOINT, HubStrategy.ALL_CHECKPOINTS):
            raise ValueError(
                f"hub_strategy={self.args.hub_strategy.value!r} would publish the optimizer's "
                "state and pickled files. Use 'end' or 'every_save'."
            )
        self.hub_model_id = self.args.hub_model_id or Path(self.args.output_dir).absolute().name
        self.push_in_progress = None
        if self.is_world_process_zero():
            self.hub_model_id = full_name(self.hub_model_id, token or self.args.hub_token)

    def create_model_card(self, **_) -> None:
        """Writes the card that a push uploads into the output folder; the options are not used.

        A card that somebody wrote there stays.
        """
        folder = Path(self.args.output_dir)
        path = folder / CARD
        if not self.is_world_process_zero():
            return
        if not path.is_file() or GENERATED_MARK in path.read_text(encoding="utf-8"):
            card = generated_card(folder, self.hub_model_id or folder.absolute().name)
            path.write_text(card, encoding="utf-8")

    def push_to_hub(
        self,
        commit_message: str | None = "End of training",
        blocking: bool = True,
        token: str | None = None,
        revision: str | None = None,
        private: bool | None = None,
        **_,
    ) -> Pushed | None:
        """Saves the model and uploads it.

        Args:
            commit_message: Of the commit.
            blocking: Pushing always waits for the upload, whose outcome is to be known.
            token, revision, private: Instead of the arguments'.

        Returns:
            Where it is; None in the other processes of a parallel training.

        Raises:
            ValueError, PermissionError, ConnectionError: As for `hub.push_model`. The model is in
                the output folder all the same; `hwr-hf push` uploads it from there.
        """
        if self.hub_model_id is None:
            self.init_hf_repo(token, private)
        self.save_model(_internal_call=True)
        self.save_state()
        return self._push(self.args.output_dir, commit_message, token, revision, private)

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """Uploads a checkpoint; one that cannot be uploaded does not end the training."""
        if self.args.hub_strategy == HubStrategy.END:
            return
        try:
            self._push(checkpoint_folder, f"Training in progress, step {self.state.global_step}")
        except (ValueError, OSError) as error:
            logger.warning("%s is not on the Hub, training goes on. %s", checkpoint_folder, error)

    def _push(self, folder, message, token=None, revision=None, private=None) -> Pushed | None:
        if not self.is_world_process_zero():
            return None
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        pushed = push_model(
            folder,
            self.hub_model_id,
            private=bool(self.args.hub_private_repo if private is None else private),
            revision=revision or self.args.hub_revision,
            message=message,
            token=token or self.args.hub_token,
        )
        logger.info("%s is at %s", folder, pushed.url)
        return pushed

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        super()._save(output_dir, state_dict)
        if self.recipe and self.args.should_save:
            write_json(Path(output_dir or self.args.output_dir, RECIPE), self.recipe)


def _recorded(value):
    """A value as JSON holds it; a path tells nothing of the machine."""
    if isinstance(value, (list, tuple)):
        return [_recorded(item) for item in value]
    if isinstance(value, str) and (os.path.isabs(value) or os.path.exists(value)):
        return Path(value).name
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)
