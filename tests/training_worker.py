"""One training of a tiny recogniser on four drawn lines, as a process of its own.

`python training_worker.py FOLDER OPTIONS`: FOLDER gets the trained weights (`weights.safetensors`)
and the losses (`losses.json`); OPTIONS are training arguments as JSON, and `kill_at`, the step
after which the process kills itself.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import TrainerCallback, set_seed

from hwr_hf.data.collator import LineCollator
from hwr_hf.resnet_bilstm import ResNetBiLstmConfig, ResNetBiLstmForCTC, ResNetBiLstmImageProcessor
from hwr_hf.training import RecognitionTrainer, RecognitionTrainingArguments, end_processes
from hwr_hf.training_checkpoints import last_complete_checkpoint


class DrawnLines(torch.utils.data.Dataset):
    """Four lines of noise of one width, each with a text of its own."""

    widths = [64] * 4

    def __len__(self):
        return len(self.widths)

    def __getitem__(self, key):
        index, _ = key
        image = np.random.default_rng(index).integers(0, 256, (48, 64), dtype=np.uint8)
        return {"image": image, "labels": [5 + index, 9, 7 + index]}


class KillAfter(TrainerCallback):
    """Ends the process as a power cut would."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def main(folder, options):
    options = json.loads(options)
    kill_at = options.pop("kill_at", None)
    torch.set_num_threads(1)
    set_seed(0)
    config = ResNetBiLstmConfig(
        stem_channels=8,
        hidden_sizes=[8, 8, 8],
        depths=[1, 1, 1],
        lstm_hidden_size=16,
        num_lstm_layers=1,
        dropout=options.pop("dropout", 0.0),
    )
    args = RecognitionTrainingArguments(
        output_dir=folder,
        use_cpu=True,
        eval_strategy="no",
        load_best_model_at_end=False,
        logging_steps=1,
        learning_rate=1e-3,
        warmup_steps=0,
        dataloader_num_workers=0,
        report_to="none",
        disable_tqdm=True,
        **options,
    )
    trainer = RecognitionTrainer(
        model=ResNetBiLstmForCTC(config),
        args=args,
        data_collator=LineCollator(ResNetBiLstmImageProcessor(pad_to_multiple_of=1)),
        train_dataset=DrawnLines(),
        callbacks=[KillAfter(kill_at)] if kill_at else [],
    )
    trainer.train(resume_from_checkpoint=last_complete_checkpoint(folder))
    if trainer.is_world_process_zero():
        weights = {name: w.contiguous() for name, w in trainer.model.state_dict().items()}
        save_file(weights, Path(folder) / "weights.safetensors")
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        (Path(folder) / "losses.json").write_text(json.dumps(losses))
    end_processes(trainer)


if __name__ == "__main__":
    main(*sys.argv[1:])
