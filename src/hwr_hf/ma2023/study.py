"""What the study trains: its networks, protocols and factors, at the size that a machine can bear.

Out: `planned_runs`, the list of trainings. Ma (2023), https://doi.org/10.5220/0012801000003885,
compares a CNN with a CNN-RNN; CTC and case sensitivity are what it leaves for later.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hwr_hf.resnet_bilstm.configuration_resnet_bilstm import ResNetBiLstmConfig
from hwr_hf.resnet_bilstm.modeling_resnet_bilstm import (
    ResNetBiLstmForCharacterSequence,
    ResNetBiLstmForCTC,
    ResNetBiLstmPreTrainedModel,
    ResNetForCharacterSequence,
)

LEAKY = "leaky"  # the paper's: words drawn at random, so that their lines and writers are known
HONEST = "honest"  # the lists of RWTH Aachen: writers and texts of the test set are new
SCRATCH, IMAGENET = "scratch", "imagenet"
PAPER_PASSES = 2
PAPER_RATES = {"cer": 0.0513, "wer": 0.1204}  # of its CNN-RNN
PAPER_GAINS = {"cer": 0.17, "wer": 0.26}  # of the CNN-RNN over the CNN, "over" and "about"


@dataclass(frozen=True)
class Network:
    """One of the networks that are compared.

    Attributes:
        title: What the tables call it.
        architecture: Its class.
        lowercase: Whether it learns and is tested on lower-case text, as the paper does.
        keeps_width: Grey images of fixed height, line deskewing and the package's own layout, in
            place of the paper's square images, moment deskewing and ResNet-34.
    """

    title: str
    architecture: type[ResNetBiLstmPreTrainedModel]
    lowercase: bool = True
    keeps_width: bool = False

    @property
    def uses_ctc(self) -> bool:
        return self.architecture is ResNetBiLstmForCTC


NETWORKS = {
    "cnn": Network("CNN", ResNetForCharacterSequence),
    "cnn_rnn": Network("CNN-RNN", ResNetBiLstmForCharacterSequence),
    "cnn_rnn_ctc": Network("CNN-RNN-CTC", ResNetBiLstmForCTC),
    "cnn_rnn_ctc_case": Network("CNN-RNN-CTC, case-sensitive", ResNetBiLstmForCTC, lowercase=False),
    "default": Network("hwr_hf, width kept", ResNetBiLstmForCTC, keeps_width=True),
}


@dataclass(frozen=True)
class Budget:
    """How large the study is. All its networks see each training word equally often.

    Attributes:
        name: `"full"`, the paper's sizes, or `"cpu"`.
        image_size: Rows and columns of the paper's square images, in pixels.
        paper_sizes: What differs from `ResNetBiLstmConfig.paper()`.
        default_sizes: What differs from the package's default network.
        batch_columns: Image columns of a batch, padding included.
        num_epochs: How often each training word is shown.
        learning_rate: Peak of the cosine schedule.
        one_training_for_both: Train once on the words that both protocols train on, and test on
            both: half the work, and the same weights on either side of the leak. The leaky test
            set is then that of the lines trained on.
    """

    name: str
    image_size: int
    batch_columns: int
    num_epochs: float
    learning_rate: float
    paper_sizes: dict = field(default_factory=dict)
    default_sizes: dict = field(default_factory=dict)
    one_training_for_both: bool = False

    def config(self, network: Network) -> ResNetBiLstmConfig:
        """The sizes of a network."""
        if network.keeps_width:
            return ResNetBiLstmConfig.medium(**self.default_sizes)
        return ResNetBiLstmConfig.paper(**self.paper_sizes)


BUDGETS = {
    "full": Budget(
        "full", image_size=224, batch_columns=32 * 256, num_epochs=30, learning_rate=1e-3
    ),
    "cpu": Budget(
        "cpu",
        image_size=112,
        batch_columns=32 * 128,
        num_epochs=3.5,
        learning_rate=2e-3,
        paper_sizes={
            "stem_channels": 16,
            "hidden_sizes": [16, 32, 64, 128],
            "num_steps": 32,
            "lstm_hidden_size": 96,
        },
        default_sizes={
            "stem_channels": 16,
            "hidden_sizes": [16, 48, 96],
            "lstm_hidden_size": 128,
        },
        one_training_for_both=True,
    ),
}


@dataclass(frozen=True)
class Run:
    """One training and its tests.

    Attributes:
        protocols: Whose training words are used, `LEAKY`, `HONEST` or those common to both.
        network: Key of `NETWORKS`.
        num_deskew_passes: Of moment deskewing; without a meaning where the width is kept.
        initial_weights: `SCRATCH`, or `IMAGENET` for the backbone's.
    """

    protocols: tuple[str, ...]
    network: str
    num_deskew_passes: int = PAPER_PASSES
    initial_weights: str = SCRATCH

    @property
    def name(self) -> str:
        """Name of its result file and folder."""
        parts = ["_".join(self.protocols), self.network]
        if self.num_deskew_passes != PAPER_PASSES:
            parts.append(f"deskew{self.num_deskew_passes}")
        if self.initial_weights != SCRATCH:
            parts.append(self.initial_weights)
        return "-".join(parts)


def planned_runs(budget: Budget, pretrained: bool = False) -> Sequence[Run]:
    """The trainings of the study, the main comparison first, then one factor at a time.

    Args:
        budget: Its sizes.
        pretrained: Start the paper's networks from ImageNet weights, and one CNN-RNN from scratch
            beside them; otherwise all start from scratch.

    Raises:
        ValueError: ImageNet weights are asked for in a budget whose networks they do not fit.
    """
    if pretrained and "hidden_sizes" in budget.paper_sizes:
        raise ValueError(
            f"ImageNet weights of ResNet-34 do not fit the narrower networks of the budget "
            f"{budget.name!r}. Leave them out, or use --budget full."
        )
    both = (LEAKY, HONEST)
    trainings = [both] if budget.one_training_for_both else [(protocol,) for protocol in both]
    weights = IMAGENET if pretrained else SCRATCH
    runs = [
        Run(protocols, name, initial_weights=SCRATCH if network.keeps_width else weights)
        for protocols in trainings
        for name, network in NETWORKS.items()
    ]
    runs += [Run(trainings[-1], "cnn_rnn", passes, weights) for passes in (0, 1)]
    if pretrained:
        runs.append(Run(trainings[-1], "cnn_rnn"))
    return runs
