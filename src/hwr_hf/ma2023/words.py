"""The words of IAM in the paper's protocol, in the honest one, and in both at once.

In: IAM's folder. Out: `datasets` of word images by the name of what they are for.
"""

from collections.abc import Collection

import datasets

from hwr_hf.data.iam import load_iam
from hwr_hf.ma2023.study import HONEST, LEAKY

# The paper takes all words; published results on the lists of Aachen are on those flagged 'ok'.
SOURCES = {
    LEAKY: {"split": "random_80_20", "segmentation": "all"},
    HONEST: {"split": "aachen", "segmentation": "ok"},
}


def load_words(iam_dir: str, protocols: Collection[str]) -> dict[str, datasets.Dataset]:
    """Training and test words of one protocol, or of both for a single training.

    Args:
        iam_dir: As `load_iam`.
        protocols: `LEAKY`, `HONEST` or both. With both, training words are those in both training
            sets, and the leaky test words are those among the honest training words.

    Returns:
        `train`; for the honest protocol `validation`; and the test words under each protocol's
        name. Columns as of `load_iam`.

    Raises:
        FileNotFoundError: There are no word images, or no `words.txt`.
        ValueError: A training or test set is empty.
    """
    splits = {
        protocol: load_iam(iam_dir, unit="words", **SOURCES[protocol]) for protocol in protocols
    }
    words = {protocol: splits[protocol]["test"] for protocol in protocols}
    train = splits[next(iter(protocols))]["train"]
    if len(splits) == 2:
        honest = frozenset(splits[HONEST]["train"]["id"][:])
        train = _only(splits[LEAKY]["train"], honest)
        words[LEAKY] = _only(words[LEAKY], honest)
    if HONEST in splits:
        words["validation"] = splits[HONEST]["validation"]
    words["train"] = train
    for name, dataset in words.items():
        if len(dataset) == 0:
            raise ValueError(
                f"{iam_dir} has no word image for the {name} set of the {' and '.join(protocols)} "
                "protocol. Complete the download: the study needs words of all splits."
            )
    return words


def _only(dataset: datasets.Dataset, ids: Collection[str]) -> datasets.Dataset:
    kept = [index for index, image_id in enumerate(dataset["id"][:]) if image_id in ids]
    return dataset.select(kept)
