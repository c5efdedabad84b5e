"""The whole study, from models and IAM to verdicts: `scripts/test_bert_hypothesis.py`.

In: the command line. Out: `results.json`, `README.md` and `word_errors.png` in the output folder.
In the folder of the run stay the n-gram, the recognisers' logits and each arm's texts, which hold
IAM's lines and are not for publishing. What is there already is not made again.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import multiprocessing
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCTC, EncoderDecoderModel

from hwr_hf import DEFAULT_MODEL
from hwr_hf.bert_hypothesis import arms, plan
from hwr_hf.bert_hypothesis.examples import examples
from hwr_hf.bert_hypothesis.figure import draw_intervals
from hwr_hf.bert_hypothesis.report import FIGURE, report_page
from hwr_hf.bert_hypothesis.spelling_checker import WORD
from hwr_hf.bert_hypothesis.statistics import compare_arms, holm, measure_arm, verdicts
from hwr_hf.bert_hypothesis.text_overlap import text_overlap
from hwr_hf.correction.corrector import BertCorrector
from hwr_hf.correction.edits import Correction
from hwr_hf.correction.gate import gated_edits
from hwr_hf.correction.gate_fitting import fit_gate
from hwr_hf.correction.masked_lm import MaskedLmScorer
from hwr_hf.correction.noise import ConfusionModel
from hwr_hf.correction.readings import Readings, read_lines
from hwr_hf.data.iam import load_iam
from hwr_hf.json_files import check_inputs, utc_now, write_json
from hwr_hf.language_model import Corpus, estimate_ngram, iam_corpus, read_corpus
from hwr_hf.metrics import cer
from hwr_hf.resnet_bilstm.ngram_resnet_bilstm import NGRAM_FILE, CharacterNgram
from hwr_hf.training_checkpoints import TRAINER_STATE
from hwr_hf.weights_files import weights_sha256

IAM_WEIGHT = 5.0  # of IAM's training text in the n-gram, which is the nearest to what is read
NGRAM_ORDER, NGRAM_MEGABYTES = 6, 10.0
SUBSETS = ("validation", "test")
RESULTS_FILE, PAGE_FILE = "results.json", "README.md"

DESCRIPTION = """\
Test whether BERT helps handwriting recognition: two recognisers, thirteen arms, one verdict each.

Needed are IAM, a recogniser that reads badly (a fold of scripts/jackknife.py), the text that all
language models learn from, correctors trained on it from BERT and from random weights with the same
seeds (scripts/train_corrector.py), and a masked language model (scripts/train_masked_lm.py).
Stopped and started again with the same --work_dir, it goes on.
"""
EXAMPLES = """\
example:
  python scripts/test_bert_hypothesis.py --iam iam/ --weak runs/jackknife/fold-0 \\
      --confusions runs/jackknife/confusions.json --text brown.txt.xz speeches.txt.xz \\
      --bert runs/bert-0 runs/bert-1 --random runs/random-0 runs/random-1 \\
      --masked_lm runs/masked-lm

exit code: 0 done; 2 a mistake in the call or in the data; 130 interrupted.
"""

logger = logging.getLogger(__name__)

TextsBySeed = list[list[str]]


@dataclass(frozen=True)
class ArmTexts:
    """What an arm made of the lines.

    Attributes:
        settings: What was chosen on the validation lines, of each seed.
        validation: Its texts of these lines, of each seed.
        test: The same of the test lines.
    """

    settings: list[dict]
    validation: TextsBySeed
    test: TextsBySeed


@dataclass(frozen=True)
class Regime:
    """One recogniser's readings and the language models that are set beside them.

    Attributes:
        validation: Lines to fit on.
        test: Lines to judge by.
        folder: Where the texts of the arms are kept.
        ngram: Character n-gram.
        word_counts: Of the same text.
        masked_lm: Folder of a masked language model.
        bert: Folders of the correctors begun from BERT, one a seed.
        random: The same of those begun from random weights.
    """

    validation: Readings
    test: Readings
    folder: Path
    ngram: CharacterNgram
    word_counts: Counter[str]
    masked_lm: str
    bert: Sequence[str]
    random: Sequence[str]

    def texts(self) -> dict[str, ArmTexts]:
        """Every arm's texts, by its name."""
        ngram = partial(arms.ngram_arm, ngram=self.ngram)
        lexicon = partial(arms.lexicon_arm, ngram=self.ngram)
        spelling = partial(arms.spelling_arm, word_counts=self.word_counts)
        texts = {
            plan.NONE.name: self._kept(plan.NONE, lambda _: arms.greedy_arm()),
            plan.BEAM.name: self._kept(plan.BEAM, lambda _: arms.beam_arm()),
            plan.CHAR_NGRAM.name: self._kept(plan.CHAR_NGRAM, ngram),
            plan.LEXICON.name: self._kept(plan.LEXICON, lexicon),
            plan.SYMSPELL.name: self._kept(plan.SYMSPELL, spelling),
            plan.ORACLE_NBEST.name: self._kept(plan.ORACLE_NBEST, lambda _: arms.n_best_oracle()),
        }
        greedy, after_ngram = texts[plan.NONE.name], texts[plan.CHAR_NGRAM.name]
        for every, gated, oracle, folders, before in (
            (plan.RANDOM, plan.RANDOM_GATED, None, self.random, greedy),
            (plan.BERT, plan.BERT_GATED, plan.ORACLE_DETECTOR, self.bert, greedy),
            (None, plan.BERT_AFTER_NGRAM, None, self.bert, after_ngram),
        ):
            texts |= self._corrected(every, gated, oracle, folders, before)
        texts[plan.MASKED_LM.name] = self._kept(
            plan.MASKED_LM,
            lambda validation: arms.masked_lm_arm(
                validation, MaskedLmScorer.from_pretrained(self.masked_lm)
            ),
        )
        return {arm.name: texts[arm.name] for arm in plan.ARMS}

    def _kept(self, arm: plan.Arm, fit) -> ArmTexts:
        path = self._path(arm)
        if path.is_file():
            return ArmTexts(**json.loads(path.read_text(encoding="utf-8")))
        fitted = fit(self.validation)
        logger.warning("%s: %s fitted %s", self.folder.name, arm.name, fitted.settings)
        return self._keep(
            arm,
            ArmTexts([fitted.settings], [fitted.read(self.validation)], [fitted.read(self.test)]),
        )

    def _corrected(
        self,
        every: plan.Arm | None,
        gated: plan.Arm,
        oracle: plan.Arm | None,
        folders: Sequence[str],
        before: ArmTexts,
    ) -> dict[str, ArmTexts]:
        """The texts of correctors, one a seed: with every edit, behind a gate, and by an oracle."""
        wanted = [arm for arm in (every, gated, oracle) if arm is not None]
        if not all(self._path(arm).is_file() for arm in wanted):
            texts = {arm: ArmTexts([], [], []) for arm in wanted}
            for folder in folders:
                proposed = self._proposed(BertCorrector.from_pretrained(folder), before)
                gate = fit_gate(proposed["validation"], self.validation.references)
                logger.warning("%s: %s fitted %s", self.folder.name, gated.name, gate)
                ways = {
                    every: ({}, lambda lines, _: arms.all_edits(lines)),
                    gated: (
                        asdict(gate),
                        lambda lines, _, gate=gate: gated_edits(lines, gate),
                    ),
                    oracle: ({}, arms.edits_of_wrong_words),
                }
                for arm in wanted:
                    settings, read = ways[arm]
                    _add_seed(texts[arm], settings, self._read(read, proposed))
            for arm, of_arm in texts.items():
                self._keep(arm, of_arm)
        return {
            arm.name: ArmTexts(**json.loads(self._path(arm).read_text(encoding="utf-8")))
            for arm in wanted
        }

    def _proposed(self, corrector: BertCorrector, before: ArmTexts) -> dict[str, list[Correction]]:
        """What a corrector would change in what was read before it, by subset."""
        return {
            subset: arms.corrections(getattr(self, subset), getattr(before, subset)[0], corrector)
            for subset in SUBSETS
        }

    def _read(self, read, proposed: Mapping[str, list[Correction]]) -> dict[str, list[str]]:
        return {
            subset: read(lines, getattr(self, subset).references)
            for subset, lines in proposed.items()
        }

    def _path(self, arm: plan.Arm) -> Path:
        return self.folder / f"{arm.name.replace(':', '').replace(',', '').replace(' ', '_')}.json"

    def _keep(self, arm: plan.Arm, texts: ArmTexts) -> ArmTexts:
        write_json(self._path(arm), asdict(texts))
        return texts


def _add_seed(texts: ArmTexts, settings: dict, read: Mapping[str, list[str]]) -> None:
    texts.settings.append({n: None if v == math.inf else v for n, v in settings.items()})
    for subset in SUBSETS:
        getattr(texts, subset).append(read[subset])


def run_regime(name: str, options: argparse.Namespace) -> dict:
    """Every arm of one regime: its rates on both subsets, and the planned comparisons."""
    torch.set_num_threads(max(1, torch.get_num_threads() // options.jobs))
    model = options.strong if name == plan.LOW_NOISE else options.weak
    folder = Path(options.work_dir, name.replace(" ", "_"))
    folder.mkdir(parents=True, exist_ok=True)
    check_inputs(folder, inputs_of(model, options))
    lines = load_iam(options.iam, unit="lines", split=options.split)
    readings = {
        subset: read_lines(model, lines[subset], folder / f"logits_{subset}.npz")
        for subset in SUBSETS
    }
    texts = Regime(
        **readings,
        folder=folder,
        ngram=CharacterNgram.load(Path(options.work_dir, NGRAM_FILE)),
        word_counts=count_words(read_corpora(options)),
        masked_lm=options.masked_lm,
        bert=options.bert,
        random=options.random,
    ).texts()
    return {
        "recogniser": describe_recogniser(name, model, readings),
        "arms": measured(readings["test"], texts, "test"),
        "validation_arms": measured(readings["validation"], texts, "validation"),
        "comparisons": compared(name, readings["test"], texts),
    }


def inputs_of(model: str, options: argparse.Namespace) -> dict:
    """What a folder's texts are made of, lest those of other models are taken for them."""
    models = {"recogniser": [model], "masked_lm": [options.masked_lm]}
    models |= {"bert": options.bert, "random": options.random}
    inputs = {name: [weights_sha256(place) for place in places] for name, places in models.items()}
    return inputs | {"split": options.split, "text": [Path(path).name for path in options.text]}


def describe_recogniser(name: str, model: str, readings: Mapping[str, Readings]) -> dict:
    """What the regime's lines were read with."""
    network = AutoModelForCTC.from_pretrained(model)
    validation = readings["validation"]
    return {
        "description": plan.REGIMES[name],
        "parameters": network.num_parameters(),
        "model_sha256": weights_sha256(model),
        "validation_cer": cer(validation.references, validation.greedy_texts()),
    }


def measured(readings: Readings, texts: Mapping[str, ArmTexts], subset: str) -> dict[str, dict]:
    """The rates of every arm on one subset."""
    recognised = getattr(texts[plan.NONE.name], subset)[0]
    return {
        arm: {
            **measure_arm(
                readings.references, readings.writers, recognised, getattr(of_arm, subset)
            ),
            "settings": _by_seed(of_arm.settings),
        }
        for arm, of_arm in texts.items()
    }


def _by_seed(settings: Sequence[dict]) -> dict:
    chosen = {f"seed {seed}": of_seed for seed, of_seed in enumerate(settings) if of_seed}
    return settings[0] if len(settings) == 1 else chosen


def compared(regime: str, test: Readings, texts: Mapping[str, ArmTexts]) -> list[dict]:
    """The planned comparisons on the test lines."""
    return [
        {
            "regime": regime,
            "arm": comparison.arm.name,
            "against": comparison.against.name,
            "question": comparison.question,
            **compare_arms(
                test.references,
                test.writers,
                texts[comparison.arm.name].test,
                texts[comparison.against.name].test,
            ),
        }
        for comparison in plan.COMPARISONS
    ]


def read_corpora(options: argparse.Namespace) -> list[Corpus]:
    """The text that all language models of the study learn from."""
    corpora = [read_corpus(path) for path in options.text]
    return [iam_corpus(options.iam, weight=IAM_WEIGHT, split=options.split), *corpora]


def count_words(corpora: Sequence[Corpus]) -> Counter[str]:
    """How often each word occurs, whatever its case."""
    return Counter(word.lower() for corpus in corpora for word in WORD.findall(corpus.text))


def make_ngram(corpora: Sequence[Corpus], path: Path) -> None:
    """Estimates the character n-gram, unless it is there."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        estimate_ngram(corpora, order=NGRAM_ORDER, max_megabytes=NGRAM_MEGABYTES).save(path)


def run_regimes(options: argparse.Namespace) -> list[dict]:
    """Every regime's results, in a process each if there are several."""
    run_one = partial(run_regime, options=options)
    if options.jobs == 1:
        return list(map(run_one, plan.REGIMES))
    context = multiprocessing.get_context("spawn")  # a fork would copy PyTorch's threads
    with ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        return list(pool.map(run_one, plan.REGIMES))


def run(options: argparse.Namespace) -> dict:
    """The study's results, as `report_page` takes them.

    Raises:
        ValueError, OSError: A model, a text or the data is not what it should be.
    """
    if len(options.bert) != len(options.random):
        raise ValueError(
            f"{len(options.bert)} correctors begun from BERT and {len(options.random)} begun from "
            "random weights are no pairs. Give as many of each, trained with the same seeds."
        )
    MaskedLmScorer.from_pretrained(options.masked_lm)  # a wrong one is noticed before hours of work
    corpora = read_corpora(options)
    make_ngram(corpora, Path(options.work_dir, NGRAM_FILE))
    regimes = dict(zip(plan.REGIMES, run_regimes(options), strict=True))
    comparisons = [entry for regime in regimes.values() for entry in regime.pop("comparisons")]
    adjusted = holm([entry["p_value"] for entry in comparisons])
    for entry, p_value in zip(comparisons, adjusted, strict=True):
        entry["p_holm"] = p_value
    lines = load_iam(options.iam, unit="lines", split=options.split)
    test = lines["test"]
    return {
        "data": {
            "name": options.name,
            "split": options.split,
            "validation_lines": len(lines["validation"]),
            "test_lines": len(test),
            "test_writers": len(set(test["writer_id"][:])),
        },
        "text": {
            "corpora": [
                {"name": corpus.name, "words": len(corpus.text.split())} for corpus in corpora
            ],
            "overlap": [
                {"corpus": corpus.name, **text_overlap(corpus.text, test["text"][:])}
                for corpus in corpora
            ],
        },
        "regimes": regimes,
        "comparisons": comparisons,
        "verdicts": verdicts(comparisons),
        "correctors": describe_correctors(options),
        "examples": correct_examples(options, regimes),
        "date": utc_now(),
    }


def describe_correctors(options: argparse.Namespace) -> dict:
    """Size and training of the correctors, from the files that the training left."""
    config = AutoConfig.from_pretrained(options.bert[0])
    bert, random = (
        [json.loads(Path(folder, TRAINER_STATE).read_text("utf-8")) for folder in folders]
        for folders in (options.bert, options.random)
    )
    steps, batch_size = bert[0]["global_step"], bert[0]["train_batch_size"]
    return {
        "bert": options.bert_name,
        "encoder_layers": config.encoder.num_hidden_layers,
        "decoder_layers": config.decoder.num_hidden_layers,
        "word_pieces": config.encoder.vocab_size,
        "parameters": EncoderDecoderModel.from_pretrained(options.bert[0]).num_parameters(),
        "steps": steps,
        "batch_size": batch_size,
        "pairs_seen": steps * batch_size,
        "seeds": len(bert),
        "validation_cer_without_gate": {  # in BERT's spelling, without case
            "BERT": [state["best_metric"] for state in bert],
            "random init": [state["best_metric"] for state in random],
        },
    }


def correct_examples(options: argparse.Namespace, regimes: Mapping[str, dict]) -> dict[str, dict]:
    """Sentences of the project's own with each recogniser's rate of noise, before and after."""
    confusions = ConfusionModel.load(options.confusions)
    corrector = BertCorrector.from_pretrained(options.bert[0])
    return {
        name: examples(corrector, confusions, min(1.0, regime["recogniser"]["validation_cer"]))
        for name, regime in regimes.items()
    }


def main(argv: Sequence[str] | None = None) -> int:
    """`scripts/test_bert_hypothesis.py`: runs one command line and returns its exit code."""
    options = make_parser().parse_args(argv)
    output = Path(options.output)
    try:
        if not options.report:
            results = run(options)
            write_json(output / RESULTS_FILE, results)
        results = json.loads((output / RESULTS_FILE).read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        print(f"test_bert_hypothesis: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"Interrupted; the same command goes on from {options.work_dir}.", file=sys.stderr)
        return 130
    draw_intervals(results, output / FIGURE)
    (output / PAGE_FILE).write_text(report_page(results), encoding="utf-8")
    for verdict in results["verdicts"]:
        print(f"{verdict['regime']}: BERT helps: {verdict['bert_helps']}")
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The command line of `scripts/test_bert_hypothesis.py`."""
    parser = argparse.ArgumentParser(
        prog="test_bert_hypothesis",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--report", action="store_true", help="only write page and figure from results.json anew")
    add("--iam", help="folder with IAM's downloads")
    add("--split", default="aachen", help="IAM's lists to use (%(default)s)")
    add("--name", default="IAM", help="the data's name in the report (%(default)s)")
    add("--strong", default=str(DEFAULT_MODEL), help="recogniser of the low-noise regime")
    add("--weak", help="recogniser of the high-noise regime")
    add("--confusions", help="confusions.json of scripts/jackknife.py")
    add("--text", nargs="+", default=[], help="what the language models learn from, .txt(.xz)")
    add("--bert", nargs="+", default=[], help="correctors begun from BERT, one a seed")
    add("--bert_name", default="BERT", help="name of that BERT in the report (%(default)s)")
    add("--random", nargs="+", default=[], help="correctors begun from random weights, as many")
    add("--masked_lm", help="BERT with its masked-LM head")
    add("--jobs", type=int, default=2, help="processes, each a regime (%(default)s)")
    add("--work_dir", default="runs/bert_hypothesis", help="what is kept between starts")
    add("--output", default="results/bert_hypothesis", help="report, figure and numbers")
    return parser
