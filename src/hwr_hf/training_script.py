"""What the training scripts share: arguments in, an exit code out, a training that goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from transformers import HfArgumentParser, Trainer, set_seed

from hwr_hf.training_checkpoints import last_complete_checkpoint


def train_to_end(make_trainer: Callable[..., Trainer], *arguments) -> Trainer:
    """Trains, goes on from the last checkpoint if there is one, and saves the best model.

    Args:
        make_trainer: From the arguments to a `Trainer`.
        *arguments: Dataclasses, the last of them the `TrainingArguments`.
    """
    args = arguments[-1]
    set_seed(args.seed)
    trainer = make_trainer(*arguments)
    trainer.train(resume_from_checkpoint=last_complete_checkpoint(args.output_dir))
    trainer.save_model()
    trainer.save_state()
    return trainer


def run_script(
    run: Callable[..., object],
    prog: str,
    argument_types: tuple[type, ...],
    description: str,
    argv: Sequence[str] | None = None,
    **defaults,
) -> int:
    """Parses a script's arguments and calls `run` with them.

    Args:
        run: Called with one dataclass of each type; ValueError and OSError become a message.
        prog: The script's name.
        argument_types: Dataclasses.
        description: For `--help`.
        argv: Arguments in place of the process's own.
        **defaults: In place of the dataclasses' own.

    Returns:
        The exit code: 0, or 2 if the arguments or the files do not fit.
    """
    parser = HfArgumentParser(argument_types, prog=prog, description=description)
    parser.set_defaults(**defaults)
    try:
        run(*parser.parse_args_into_dataclasses(argv))
    except (ValueError, OSError) as error:
        print(f"{prog}: error: {error}", file=sys.stderr)
        return 2
    return 0
