"""Choose the weights of the beam search on IAM's validation lines, and store them in the n-gram.

python scripts/tune_decoder.py --iam path/to/iam --model path/to/model --ngram ngram.safetensors
"""

import argparse
from pathlib import Path

from transformers import AutoTokenizer

from hwr_hf import DEFAULT_MODEL
from hwr_hf.data.iam import load_iam
from hwr_hf.decoder_tuning import GRID, tune_decoder
from hwr_hf.json_files import write_json
from hwr_hf.line_logits import cached_logits
from hwr_hf.resnet_bilstm.ngram_resnet_bilstm import NGRAM_FILE, CharacterNgram
from hwr_hf.weights_files import weights_sha256

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iam", required=True, help="folder with IAM's downloads")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="folder of the model")
    parser.add_argument("--ngram", type=Path, help="n-gram to tune (the one beside the model)")
    parser.add_argument("--name", default="IAM", help="the data set's name in the report")
    parser.add_argument("--logits", default="runs/validation_logits.npz", help="kept logits")
    parser.add_argument("--output", type=Path, default=Path("results/decoder_tuning.json"))
    for name, values in GRID.items():
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=float, nargs="+", default=values, help="values to try")
    arguments = parser.parse_args()
    path = arguments.ngram or Path(arguments.model, NGRAM_FILE)
    ngram = CharacterNgram.load(path)
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    logits, texts, _ = cached_logits(
        arguments.logits, arguments.model, load_iam(arguments.iam)["validation"]
    )
    grid = {name: getattr(arguments, name) for name in GRID}
    tuning = tune_decoder(logits, texts, tokenizer.get_vocab(), ngram, grid, tokenizer.pad_token_id)
    about = {
        "dataset": arguments.name,
        "split": "aachen",
        "subset": "validation",
        "unit": "lines",
        "text": "natural, case-sensitive",
        "model_sha256": weights_sha256(arguments.model),
    }
    write_json(arguments.output, about | tuning)
    ngram.settings |= {name: tuning["best"][name] for name in GRID}
    ngram.save(path)
    print(f"greedy {tuning['greedy']}\nbest {tuning['best']}, stored in {path}")
