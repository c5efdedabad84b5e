"""The study's report: one table, the comparisons, and what they mean, in plain words.

In: the results of the runs. Out: `summary.json` and the Markdown page that shows it.
"""

from collections.abc import Sequence

from hwr_hf.ma2023.comparison import SETS, comparisons, first_runs
from hwr_hf.ma2023.study import (
    HONEST,
    LEAKY,
    NETWORKS,
    PAPER_GAINS,
    PAPER_PASSES,
    PAPER_RATES,
    SCRATCH,
    Budget,
    Run,
)

# Words of IAM by the lists of Aachen, case-sensitive, no lexicon, as their authors give them.
PUBLISHED = (
    ("Kang et al. (2021)", 0.0574, 0.151),
    ("AttentionHTR (2022)", 0.0650, 0.154),
    ("Retsinas et al. (2022)", 0.0486, 0.141),
)
PICTURES = {
    "samples.png": "Figure 1: words and their texts",
    "deskew.png": "Figure 2: original, deskewed once and twice",
    "feature_maps.png": "Figure 3: feature maps of the CNN-RNN",
    "error_rates.png": "Figure 4: CER and WER",
    "predictions.png": "Figure 5: what each network reads",
    "learning.png": "Training loss of the CNN and the CNN-RNN",
}
ANSWERS = {"yes": "yes", "no": "the other way round", "open": "not settled"}
ASKED = (
    "Does CTC beat the CNN?",
    "Does CTC beat the CNN-RNN?",
    "Does deskewing twice help?",
    "Does keeping the width help?",
)


def summarize(
    results: dict[Run, dict],
    budget: Budget,
    dataset: str,
    missing: Sequence[Run] = (),
) -> dict:
    """The numbers of the study in one object, without the edits of each writer.

    Args:
        results: Of the complete runs.
        budget: Their sizes.
        dataset: Name of the data, such as `"IAM subset"`.
        missing: Planned runs that are not complete.
    """
    rows = [
        {
            "run": run.name,
            "network": result["network"],
            "test_set": test_set,
            "text": result["text"],
            "num_deskew_passes": (
                None if NETWORKS[run.network].keeps_width else run.num_deskew_passes
            ),
            "initial_weights": result["initial_weights"],
            "train_words": result["train_words"],
            "parameters": result["parameters"],
            "steps": result["steps"],
            "seconds": result["seconds"],
        }
        | {key: value for key, value in test.items() if key != "by_writer"}
        for run, result in results.items()
        for test_set, test in result["tests"].items()
    ]
    any_result = next(iter(results.values()))
    seconds = [result["seconds"] for result in results.values()]
    return {
        "dataset": dataset,
        "budget": budget.name,
        "image_size": budget.image_size,
        "num_epochs": budget.num_epochs,
        "seed": any_result["settings"]["seed"],
        "device": any_result["device"],
        "threads": any_result["threads"],
        "one_training_for_both": budget.one_training_for_both,
        "training_minutes": None if None in seconds else round(sum(seconds) / 60, 1),
        "paper": PAPER_RATES,
        "interval": "95 % bootstrap by writer, 2000 resamples",
        "rows": rows,
        "missing": [run.name for run in missing],
        # CTC's loss is another quantity
        "losses": {
            NETWORKS[name].title: results[run]["losses"]
            for name, run in first_runs(results).items()
            if name in ("cnn", "cnn_rnn")
        },
        "comparisons": comparisons(results),
    }


def report_page(summary: dict, pictures: Sequence[str] = (), costs: Sequence[dict] = ()) -> str:
    """The report as Markdown.

    Args:
        summary: From `summarize`.
        pictures: Names of the pictures that lie beside the page.
        costs: What budgets cost, from `measure_cost`.
    """
    parts = [
        _head(summary),
        "## Error rates\n" + _rates_table(summary),
        "## Comparisons\n"
        "Points by which the error of the first is lower than that of the second, with a 95 % "
        "interval by writer, paired where both read the same words.\n\n"
        + _comparison_table(summary["comparisons"]),
        "## What reproduces and what does not\n" + "\n".join(_findings(summary)),
        "## Why\n" + "\n".join(_reasons(summary)),
    ]
    if costs:
        parts.append("## Cost\n" + _cost_table(costs))
    shown = [
        f"![{title}]({name})\n\n{title}." for name, title in PICTURES.items() if name in pictures
    ]
    if shown:
        note = (
            "Drawn words: IAM's may not be passed on. The same pictures of IAM's words are written "
            "beside the trained networks, to keep on your machine."
        )
        parts.append("## Figures\n" + "\n\n".join([note, *shown]))
    return "\n\n".join(parts) + "\n"


def _head(summary: dict) -> str:
    sizes = {row["test_set"]: row for row in summary["rows"]}
    tests = "; ".join(
        f"{name}: {row['words']:,} words of {row['writers']:,} writers"
        for name, row in sizes.items()
    )
    training = f"{next(iter(sizes.values()))['train_words']:,} training words"
    minutes = summary["training_minutes"]
    time = f" with {summary['threads']} thread(s) a training"
    if minutes is not None:
        time += f", {minutes:.0f} minutes of training in all"
    shared = ""
    if summary["one_training_for_both"]:
        shared = (
            " Each network is trained once, on the words that both protocols train on, and tested "
            f"on both; the {LEAKY} test is that fifth of the same lines which was drawn away."
        )
    missing = ", ".join(f"`{name}`" for name in summary["missing"])
    unfinished = f"\n- **Not complete**: still to be trained: {missing}." * bool(missing)
    return (
        "# Ma (2023) done again\n"
        "A CNN, a CNN-RNN and what the paper left for later (CTC, case), on word images, by "
        "`python scripts/reproduce_ma2023.py`.\n\n"
        f"- Data: {summary['dataset']}; {training}. Tests: {tests}.\n"
        f"- `{LEAKY}` is the paper's protocol: words drawn at random, 80 to 20, so that lines and "
        f"writers of the test are known from training. `{HONEST}`: the lists of RWTH Aachen, new "
        f"writers and new texts, words flagged `ok`; nothing was chosen on its test set.{shared}\n"
        f"- Budget `{summary['budget']}`: images of {summary['image_size']}x"
        f"{summary['image_size']} pixels, {summary['num_epochs']:g} passes over the training "
        f"words, seed {summary['seed']}, {summary['device']}{time}. Every network sees every "
        "training word equally often, without random changes; the last weights are tested.\n"
        "- CER: edits over reference characters; WER: words not read exactly (a word of IAM is one "
        f"word). In brackets: 95 % interval of a bootstrap by writer.{unfinished}"
    )


def _rates_table(summary: dict) -> str:
    lines = [
        "| network | test | text | deskewing | weights | CER | WER |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in summary["rows"]:
        passes = row["num_deskew_passes"]
        deskewing = "line" if passes is None else f"moment, {passes} times" if passes else "none"
        cells = [
            row["network"],
            row["test_set"],
            row["text"],
            deskewing,
            row["initial_weights"],
            _rate(row, "cer"),
            _rate(row, "wer"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    of_others = [
        f"*the paper's CNN-RNN* | {LEAKY} | lower case | moment, 2 times | imagenet | "
        + " | ".join(f"{summary['paper'][rate]:.2%}" for rate in ("cer", "wer"))
    ]
    of_others += [
        f"*{author}* | Aachen | case-sensitive | | | {cer:.2%} | {wer:.2%}"
        for author, cer, wer in PUBLISHED
    ]
    lines += [f"| {cells} |" for cells in of_others]
    return "\n".join(lines)


def _comparison_table(entries: Sequence[dict]) -> str:
    lines = [
        "| question | first | second | test | rate | points | answer |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in entries:
        points = f"{100 * entry['gain']:.1f}"
        if entry["interval"] is not None:
            low, high = entry["interval"]
            points += f" ({100 * low:.1f} to {100 * high:.1f})"
        cells = [
            entry["question"],
            f"`{entry['better']}`",
            f"`{entry['other']}`",
            entry["test_set"],
            entry["rate"].upper(),
            points,
            ANSWERS[entry["verdict"]],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _findings(summary: dict) -> list[str]:
    """What the paper claims, and what came out here."""
    entries = summary["comparisons"]
    findings = []
    for entry in entries:
        if entry["question"] == "Does the BiLSTM help?" and entry["interval"]:
            paper = 100 * PAPER_GAINS[entry["rate"]]
            low, high = (100 * end for end in entry["interval"])
            inside = "inside" if low <= paper <= high else "outside"
            better = "better" if entry["gain"] > 0 else "worse"
            findings.append(
                f"- The CNN-RNN against the CNN, {entry['test_set']}, {entry['rate'].upper()}: "
                f"{abs(100 * entry['gain']):.1f} points {better} "
                f"(gain {low:.1f} to {high:.1f}). The paper's gain of {paper:.0f} points lies "
                f"{inside} the interval."
            )
    paper_cer, paper_wer = (summary["paper"][rate] for rate in ("cer", "wer"))
    for row in summary["rows"]:
        is_the_papers = row["network"] == NETWORKS["cnn_rnn"].title and row["test_set"] == LEAKY
        if is_the_papers and row["num_deskew_passes"] == PAPER_PASSES:
            reached = row["cer"] <= paper_cer and row["wer"] <= paper_wer
            findings.append(
                f"- The paper's {paper_cer:.2%} CER and {paper_wer:.2%} WER are "
                f"{'reached' if reached else 'not reached'} by the CNN-RNN (weights: "
                f"{row['initial_weights']}) in its own protocol: {row['cer']:.2%} and "
                f"{row['wer']:.2%}."
            )
    for question in ASKED:
        answers: dict[str, list[str]] = {}
        for entry in entries:
            if entry["question"] == question:
                names = answers.setdefault(ANSWERS[entry["verdict"]], [])
                against = f" against `{entry['other']}`" if "deskew" in entry["other"] else ""
                names.append(f"{entry['test_set']} {entry['rate'].upper()}{against}")
        if answers:
            said = "; ".join(f"{answer}: {', '.join(names)}" for answer, names in answers.items())
            findings.append(f"- {question} {said[0].upper()}{said[1:]}.")
    return findings


def _reasons(summary: dict) -> list[str]:
    reasons = [_leak(summary["comparisons"])]
    losses = list(summary["losses"].items())
    answers = [
        entry["verdict"]
        for entry in summary["comparisons"]
        if entry["question"] == "Does the BiLSTM help?"
    ]
    if "no" in answers and losses[0][1][-1][1] < losses[1][1][-1][1]:
        reasons.append(_late_learning(*losses))
    if all(row["initial_weights"] == SCRATCH for row in summary["rows"]):
        reasons.append(
            "- **Initial weights.** The paper starts from ImageNet, here every network starts from "
            "scratch: no such weights were at hand, so what they bring was not measured "
            "(`--budget full --imagenet download` or a file)."
        )
    if summary["budget"] != "full":
        reasons.append(
            "- **The budget.** The paper trains a whole ResNet-34 on 224x224 pixels on a GPU. Here "
            "its layout has narrower stages, smaller images and few passes over the words: rates "
            "are far from where they would end, and a comparison says which network learns faster "
            "as much as which is better. `--budget full` is the paper's size."
        )
    return reasons


def _cost_table(costs: Sequence[dict]) -> str:
    lines = [
        "Hours of training, calculated from timed steps on random images (`--measure`), one "
        "training after another on the device named; `--jobs` trains several side by side.",
        "",
        "| budget | device | training words | hours of each network | hours of the study |",
        "|---|---|---|---|---|",
    ]
    for cost in costs:
        device = cost["device"]
        if device == "cpu":
            device += f", {cost['threads']} thread(s)"
        networks = ", ".join(
            f"{NETWORKS[name].title} {row['hours']:.1f}" for name, row in cost["networks"].items()
        )
        lines.append(
            f"| {cost['budget']} | {device} | {cost['train_words']:,} | {networks} "
            f"| {cost['hours']:.1f} |"
        )
    return "\n".join(lines)


def _leak(entries: Sequence[dict]) -> str:
    """What the leak was worth, and whether anything can be said of it."""
    leaks = [entry for entry in entries if entry["test_set"] not in SETS]
    gains = [100 * entry["gain"] for entry in leaks]
    num_settled = sum(entry["verdict"] == "yes" for entry in leaks)
    return (
        "- **The leak.** The error on words of known lines and writers is lower than on new ones "
        f"by {min(gains):.1f} to {max(gains):.1f} points, over all networks and both rates; "
        f"{num_settled} of {len(leaks)} have an interval above 0. The two sets hold different "
        "words, which also counts."
    )


def _late_learning(cnn: tuple[str, list], cnn_rnn: tuple[str, list]) -> str:
    """Why the CNN-RNN is behind: what its training loss tells."""
    (_, cnn_loss), (step, loss) = cnn[1][-1], cnn_rnn[1][-1]
    earlier = cnn_rnn[1][(len(cnn_rnn[1]) - 1) // 2][1]
    trend = "still falling" if loss < earlier else "no longer falling"
    return (
        "- **The BiLSTM learns later.** One class per step asks it to count letters and to carry "
        "the end of a word to its first steps, over columns of which each holds several letters "
        "and is repeated; the CNN's last layer has weights of its own for every place. After "
        f"{step:,} steps the CNN-RNN's training loss is {loss:.3f}, {trend}, the CNN's "
        f"{cnn_loss:.3f}: it is behind on the very words it was trained on, so this is not "
        "overfitting. Where the width is kept, a frame holds about one letter, and nothing has to "
        "be counted."
    )


def _rate(row: dict, name: str) -> str:
    interval = row[f"{name}_interval"]
    rate = f"{row[name]:.1%}"
    return rate if interval is None else f"{rate} ({interval[0]:.1%} to {interval[1]:.1%})"
