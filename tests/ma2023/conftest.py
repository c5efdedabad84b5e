import dataclasses

import datasets
import pytest
from iam_miniature import png_bytes, write_tree

from hwr_hf.ma2023.study import BUDGETS

# Forms of three writers each for training, validation and test; ids are shaped like IAM's.
FORMS = {
    "tr.lst": {"a01-000u": "000", "a01-003": "002", "b02-013": "011"},
    "va.lst": {"c04-156": "131", "d01-016": "132", "d04-008": "133"},
    "te.lst": {"c04-110": "126", "c06-005": "127", "d06-015": "128"},
}
WORDS = ("Tea", "and", "rain", "green", "door", "ducks", "Tom", "hat")


@pytest.fixture(scope="module")
def tiny_budget():
    """The study at a size of seconds."""
    return dataclasses.replace(
        BUDGETS["cpu"],
        name="tiny",
        image_size=32,
        num_epochs=1,
        paper_sizes={
            "stem_channels": 8,
            "hidden_sizes": [8, 8, 8, 8],
            "depths": [1, 1, 1, 1],
            "num_steps": 16,
            "lstm_hidden_size": 8,
            "num_lstm_layers": 1,
        },
        default_sizes={"hidden_sizes": [8, 8, 8], "depths": [1, 1, 1], "lstm_hidden_size": 8},
    )


@pytest.fixture(scope="module")
def words_iam(tmp_path_factory):
    """A folder shaped like IAM's words: nine writers with eight words each."""
    folder = tmp_path_factory.mktemp("words")
    forms, rows, files = [], [], {}
    for list_name, writers in FORMS.items():
        lines = [f"{form}-00" for form in writers]
        files[f"splits/aachen/{list_name}"] = "\n".join(lines).encode()
        for form, writer in writers.items():
            forms.append(f"{form} {writer} 1 all 1 1 8 8")
            for index, word in enumerate(WORDS):
                word_id = f"{form}-00-{index:02d}"
                rows.append(f"{word_id} ok 154 40 70 90 60 NN {word}")
                files[f"words/{form[:3]}/{form}/{word_id}.png"] = png_bytes(word)
    files["forms.txt"] = "\n".join(forms).encode()
    files["words.txt"] = "\n".join(rows).encode()
    write_tree(folder / "iam", files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "cache")
        yield str(folder / "iam")
