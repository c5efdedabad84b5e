"""The card of a model that nobody has written one for: what its folder knows, and nothing else.

In: the folder of a model that `hwr-hf train` or a `Trainer` left, with `config.json`, the
processor's files and, where they are there, `trainer_state.json`, `training_recipe.json` and
evaluation reports. Out: the card as Markdown with its metadata. A number is in it only if a file of
the folder holds it; a section about what no file tells says so.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from .model_card import IAM_LICENSE, IAM_TERMS, card_metadata, num_parameters, reading_code
from .results_page import evaluation_table
from .training_checkpoints import RECIPE, TRAINER_STATE
from .weights_files import weight_files

GENERATED_MARK = "<!-- Written by hwr-hf. Take this line out to keep changes of your own. -->"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
NAMES_IAM = re.compile(r"(?<![a-z])iam(?![a-z])", re.IGNORECASE)  # as Teklia/IAM-line does
# Settings of a training that say nothing where --iam is not given.
IAM_SETTINGS = ("units", "repeats", "joined_lines", "split", "num_folds", "left_out_fold")
NOT_STATED = {"license": "unknown"}  # the Hub's word

CARD = """\
---
{metadata}
---
{mark}
# {name}

Reads English handwriting: the image of one text line or one word in, its text out. A
ResNet-BiLSTM with a CTC head, {parameters:.1f} million parameters, {megabytes:.1f} MB, made with
the Python package `hwr_hf`.

## Intended use
Transcribing handwriting like the one it was trained on, cut into lines or words. Not for pages,
other scripts, or decisions about people: the score says how sure the network is, not whether a text
is right.

## How to read with it
{reading}

## Training data and terms
{training}

{terms}

## Results
{results}

## Limits
- One line or one word an image; pages have to be cut into lines first.
- {characters} characters can be read, all others cannot come out.
- Images are scaled to a height of {height} pixels.
- What was not measured above is not known: other hands, pens, centuries, languages, photographs.
"""
UNKNOWN_TRAINING = "The model's folder does not say what it was trained on."
NO_RESULTS = """\
No report of an evaluation came with the model. To measure it:

```bash
hwr-hf evaluate --iam path/to/iam --model {model} --output results/validation.json
```"""
RESULTS = """\
CER is edits over reference characters, WER the same over words split on spaces, both pooled over
all images{interval}. The reports are in `results/`.

{table}"""
UNSTATED_TERMS = "**Terms**: not stated by the author of the weights; see `LICENSE.md`."
OWN_TERMS = "**Terms**: {license}, as its author states; see `LICENSE.md`."


def generated_card(
    folder: str | Path,
    repo_id: str,
    reports: dict[str, dict] | None = None,
    license: dict[str, str] | None = None,
) -> str:
    """A model's card.

    Args:
        folder: The model's.
        repo_id: `user/name` on the Hub.
        reports: Evaluation reports of these weights by name.
        license: As the card's metadata has it; None: as `default_license` has it.

    Raises:
        ValueError: The model has no CTC head, of which this card speaks.
    """
    folder, reports = Path(folder), reports or {}
    name = repo_id.split("/")[-1]
    config = _read(folder / "config.json")
    if config.get("architectures") != ["ResNetBiLstmForCTC"]:
        raise ValueError(
            f"{folder} holds a model without CTC head, for which no card can be made. Write its "
            "card into README.md there."
        )
    recipe = _read(folder / RECIPE)
    license = license or default_license(recipe)
    weights = weight_files(folder)
    return CARD.format(
        metadata=card_metadata(name, reports, license, base_model=_base_model(recipe)),
        mark=GENERATED_MARK,
        name=name,
        parameters=num_parameters(weights) / 1e6,
        megabytes=sum(path.stat().st_size for path in weights) / 1e6,
        reading=reading_code(repo_id),
        training="\n".join(training_facts(folder)) or UNKNOWN_TRAINING,
        terms=_terms(license),
        results=_results(reports) if reports else NO_RESULTS.format(model=repo_id),
        characters=_num_characters(folder),
        height=_image_height(folder),
    )


def default_license(recipe: dict) -> dict[str, str]:
    """The licence of weights whose author states none.

    Args:
        recipe: From `hub_trainer.training_recipe`; empty if it is not known.

    Returns:
        IAM's terms, or `NOT_STATED` if the recipe leaves no doubt that neither the images nor the
        weights that training began with were under them.
    """
    data, model = recipe.get("Data", {}), recipe.get("Model", {})
    is_from_scratch = "model" in model and model["model"] is None
    has_own_images = data.get("dataset") and not NAMES_IAM.search(data["dataset"])
    if is_from_scratch and has_own_images and not (data.get("iam") or data.get("iam_ondb")):
        return NOT_STATED
    return IAM_LICENSE


def _results(reports: dict[str, dict]) -> str:
    intervals = {r["interval"] for r in reports.values() if r.get("cer_interval")}
    return RESULTS.format(
        interval=f"; in brackets the interval ({'; '.join(sorted(intervals))})" * bool(intervals),
        table=evaluation_table(reports).replace("](", "](results/"),
    )


def training_facts(folder: str | Path) -> list[str]:
    """What the files of a training say of it, as items of a Markdown list."""
    recipe = _read(Path(folder) / RECIPE)
    state = _read(Path(folder) / TRAINER_STATE)
    return [f"- {fact}" for fact in (*_recipe_facts(recipe), *_state_facts(state))]


def _recipe_facts(recipe: dict) -> Iterator[str]:
    for title, part in recipe.items():
        idle = IAM_SETTINGS if title == "Data" and not part.get("iam") else ()
        shown = {
            name: value
            for name, value in part.items()
            if value is not None and value is not False and value != [] and name not in idle
        }
        if shown:
            yield f"{title}: " + ", ".join(f"`{name}` {_shown(v)}" for name, v in shown.items())


def _state_facts(state: dict) -> Iterator[str]:
    if not state:
        return
    yield f"Steps: {state['global_step']}"
    losses = [entry for entry in state["log_history"] if "loss" in entry]
    if losses:
        yield f"Training loss: {losses[-1]['loss']:.4g} at step {losses[-1]['step']}"
    for rate in sorted({key for e in state["log_history"] for key in e if _is_rate(key)}):
        entries = [entry for entry in state["log_history"] if rate in entry]
        best = min(entries, key=lambda entry: entry[rate])
        unit, _, metric = rate.removeprefix("eval_").rpartition("_")
        yield (
            f"Validation {metric.upper()}{f' of {unit}' if unit else ''} while training: lowest "
            f"{best[rate]:.2%} at step {best['step']}, last {entries[-1][rate]:.2%} at step "
            f"{entries[-1]['step']}"
        )


def _is_rate(name: str) -> bool:
    return name.startswith("eval_") and name.endswith(("_cer", "_wer"))


def _shown(value) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _base_model(recipe: dict) -> str | None:
    """The id on the Hub of the model that training went on from."""
    model = recipe.get("Model", {}).get("model")
    return model if model and HUB_ID.fullmatch(model) else None


def _terms(license: dict[str, str]) -> str:
    if license == IAM_LICENSE:
        terms = IAM_TERMS[0].lower() + IAM_TERMS[1:]
        return f"**Terms**: {terms}\nThey are in `LICENSE.md` too."
    if license == NOT_STATED:
        return UNSTATED_TERMS
    return OWN_TERMS.format(license=license.get("license_name") or license["license"])


def _num_characters(folder: Path) -> int:
    """Characters of the vocabulary, without CTC's blank and other special tokens."""
    tokenizer = _read(folder / "tokenizer.json")
    special = {token["content"] for token in tokenizer["added_tokens"] if token["special"]}
    return len(tokenizer["model"]["vocab"].keys() - special)


def _image_height(folder: Path) -> int:
    config = _read(folder / "processor_config.json")
    return config.get("image_processor", config)["size"]["height"]


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
