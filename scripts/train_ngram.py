"""Estimate the character n-gram of the beam search from IAM's training lines and other texts.

python scripts/train_ngram.py --iam path/to/iam 0.3 --text brown.txt.xz 0.1 --text novels.txt 0.02

Between texts the weights say how much one counts beside another. Smaller ones for all leave more to
shorter contexts: a tenth each, in place of 1, made the validation text of IAM more probable.
"""

import argparse
import json
from pathlib import Path

from hwr_hf.json_files import write_json
from hwr_hf.language_model import estimate_ngram, iam_corpus, ngram_report, read_corpus
from hwr_hf.resnet_bilstm.ngram_resnet_bilstm import NGRAM_FILE

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--iam", nargs=2, metavar=("DIR", "WEIGHT"), help="IAM's downloads; training lines only")
    add(
        "--text",
        nargs=2,
        action="append",
        default=[],
        metavar=("FILE", "WEIGHT"),
        help="UTF-8 text, .txt or .txt.xz, and the factor of its counts; may be repeated",
    )
    add("--order", type=int, default=6, help="longest n-gram, in characters (%(default)s)")
    add(
        "--min-counts",
        type=int,
        nargs="+",
        default=[1, 1, 1, 3],
        help="fewest occurrences of an n-gram of order 1, 2, ...; the last for all longer ones",
    )
    add("--max-megabytes", type=float, default=5.0, help="size of the file (%(default)s)")
    add("--num-words", type=int, default=30_000, help="words of the vocabulary (%(default)s)")
    add("--output", type=Path, default=Path(NGRAM_FILE), help="(%(default)s)")
    add("--report", type=Path, default=Path("results/ngram.json"), help="(%(default)s)")
    arguments = parser.parse_args()
    corpora = [read_corpus(path, float(weight)) for path, weight in arguments.text]
    if arguments.iam:
        folder, weight = arguments.iam
        corpora.insert(0, iam_corpus(folder, "train", float(weight)))
    ngram = estimate_ngram(
        corpora,
        order=arguments.order,
        min_counts=arguments.min_counts,
        max_megabytes=arguments.max_megabytes,
        num_words=arguments.num_words,
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    ngram.save(arguments.output)
    validation = iam_corpus(arguments.iam[0], "validation") if arguments.iam else None
    report = ngram_report(ngram, corpora, arguments.output, validation)
    write_json(arguments.report, report)
    print(json.dumps({k: v for k, v in report.items() if k != "corpora"}, indent=2))
