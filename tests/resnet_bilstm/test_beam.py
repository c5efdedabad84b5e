import math
from itertools import product

import numpy as np
import pytest
import torch
from ngram_miniature import save_ngram

from hwr_hf.resnet_bilstm.beam_resnet_bilstm import BeamSearchDecoder, load_beam_decoder
from hwr_hf.resnet_bilstm.ctc_resnet_bilstm import ctc_collapse, greedy_decode
from hwr_hf.resnet_bilstm.ngram_resnet_bilstm import CharacterNgram
from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import ResNetBiLstmTokenizer

TOKEN_IDS = {"<pad>": 0, "\ufffd": 1, " ": 2, "a": 3, "t": 4}
NUM_FRAMES = 5
EVERYTHING = {"beam_width": 10_000, "beam_margin": 1e9, "min_probability": 0.0}


@pytest.fixture
def ngram(tmp_path):
    return CharacterNgram.load(save_ngram(tmp_path / "ngram.safetensors"))


@pytest.fixture(params=range(3))
def logits(request):
    generator = torch.Generator().manual_seed(request.param)
    return 2 * torch.randn(NUM_FRAMES, len(TOKEN_IDS), generator=generator, dtype=torch.float64)


def probabilities_of_labellings(logits):
    """Every labelling with the sum over all paths that collapse to it."""
    probabilities = logits.softmax(dim=-1).numpy()
    found = {}
    for path in product(range(probabilities.shape[1]), repeat=len(probabilities)):
        labels = tuple(ctc_collapse(path))
        found[labels] = found.get(labels, 0) + math.prod(probabilities[range(len(path)), path])
    return found


def text_of(labels):
    characters = {id_: character for character, id_ in TOKEN_IDS.items()}
    return "".join(characters[id_] for id_ in labels)


def spell(text, tokenizer, certainty=8.0):
    """Logits of a line that reads `text`, a blank before and after each character."""
    path = [0, *(id_ for label in tokenizer(text).input_ids for id_ in (label, 0))]
    return certainty * torch.nn.functional.one_hot(torch.tensor(path), len(tokenizer)).float()


def test_a_wide_beam_without_ngram_finds_every_labelling_with_its_probability(logits):
    expected = probabilities_of_labellings(logits)
    found = BeamSearchDecoder(TOKEN_IDS, settings=EVERYTHING).decode(logits, len(expected))
    assert {tuple(h.labels) for h in found} == expected.keys()
    for hypothesis in found:
        log_probability = math.log(expected[tuple(hypothesis.labels)])
        assert hypothesis.fused_score == pytest.approx(log_probability)
    scores = [hypothesis.fused_score for hypothesis in found]
    assert scores == sorted(scores, reverse=True)


def test_a_wide_beam_with_ngram_ranks_by_the_fused_score_of_every_labelling(logits, ngram):
    weights = {"lm_weight": 0.7, "length_bonus": 0.4, "word_bonus": 0.9}
    known = {"a", "at"}
    ngram.words = frozenset(known)
    expected = {}
    for labels, probability in probabilities_of_labellings(logits).items():
        text = text_of(labels)
        words = text.replace("\ufffd", " ").split()
        expected[labels] = (
            math.log(probability)
            + 0.7 * ngram.log_probability(text + " ")  # a line ends where a word does
            + 0.4 * len(text)
            + 0.9 * sum(word in known for word in words)
        )
    decoder = BeamSearchDecoder(TOKEN_IDS, 0, ngram, EVERYTHING | weights)
    found = decoder.decode(logits, len(expected))
    assert {tuple(h.labels): h.fused_score for h in found} == pytest.approx(expected)
    best = max(expected, key=expected.get)
    assert tuple(decoder.decode(logits)[0].labels) == best


def test_a_narrow_beam_finds_the_best_of_the_wide_one(logits):
    wide = BeamSearchDecoder(TOKEN_IDS, settings=EVERYTHING).decode(logits)
    narrow = BeamSearchDecoder(TOKEN_IDS, settings={"beam_width": 8}).decode(logits)
    assert narrow[0].labels == wide[0].labels


def test_the_sum_over_alignments_can_beat_the_best_path():
    probabilities = np.array([[0.6, 0.0, 0.0, 0.4, 0.0]] * 2)  # blank 0.36, 'a' 0.64
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities)
    assert greedy_decode(logits) == []
    (best,) = BeamSearchDecoder(TOKEN_IDS).decode(logits)
    assert best.labels == [3]
    assert math.exp(best.fused_score) == pytest.approx(0.64)


@pytest.mark.parametrize("text", ["the cat sat", "ball", "11.00", "", "xq zj"])
def test_a_certain_line_reads_as_it_is_whatever_the_ngram_thinks(ngram, text):
    tokenizer = ResNetBiLstmTokenizer()
    decoder = BeamSearchDecoder(tokenizer.get_vocab(), 0, ngram)
    (best,) = decoder.decode(spell(text, tokenizer, certainty=40.0))
    assert tokenizer.decode(best.labels, group_tokens=False) == text


def test_the_ngram_settles_what_the_image_leaves_open(ngram):
    tokenizer = ResNetBiLstmTokenizer()
    logits = spell("the cxt", tokenizer)
    frame = 2 * "the cxt".index("x") + 1
    x, a = tokenizer.convert_tokens_to_ids(["x", "a"])
    logits[frame, a] = logits[frame, x] - 0.5  # 'x' is a little more probable
    vocabulary = tokenizer.get_vocab()

    def read(**settings):
        labels = BeamSearchDecoder(vocabulary, 0, ngram, settings).decode(logits)[0].labels
        return tokenizer.decode(labels, group_tokens=False)

    assert read() == "the cat"
    assert read(lm_weight=0, length_bonus=0) == "the cxt"


def test_an_unknown_label_can_be_read(ngram):
    logits = 40.0 * torch.nn.functional.one_hot(torch.tensor([3, 1, 4]), 5).float()
    assert BeamSearchDecoder(TOKEN_IDS, 0, ngram).decode(logits)[0].labels == [3, 1, 4]


def test_certainly_blank_padding_changes_nothing(logits, ngram):
    padding = torch.full((3, len(TOKEN_IDS)), -1e4, dtype=torch.float64)
    padding[:, 0] = 0
    decoder = BeamSearchDecoder(TOKEN_IDS, 0, ngram)
    (alone,) = decoder.decode(logits)
    (padded,) = decoder.decode(torch.cat([logits, padding]))
    assert padded.labels == alone.labels
    assert padded.fused_score == pytest.approx(alone.fused_score)


def test_another_blank_is_taken():
    token_ids = {"a": 0, "<pad>": 1}
    logits = 40.0 * torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert BeamSearchDecoder(token_ids, blank_id=1).decode(logits)[0].labels == [0, 0]


def test_no_frames_read_as_nothing():
    (hypothesis,) = BeamSearchDecoder(TOKEN_IDS).decode(torch.zeros(0, 5))
    assert (hypothesis.labels, hypothesis.fused_score) == ([], 0.0)


def test_settings_come_from_the_ngram_and_are_replaced_by_those_given(ngram):
    ngram.settings = {"lm_weight": 0.3, "beam_width": 4}
    settings = BeamSearchDecoder(TOKEN_IDS, 0, ngram, {"beam_width": 7}).settings
    assert (settings.lm_weight, settings.beam_width) == (0.3, 7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beam": 3}, "'beam' is no setting of the beam search. It has lm_weight"),
        ({"beam_width": 0}, "beam_width=0 is not allowed: use 1 or more"),
        ({"lm_weight": -1.0}, "lm_weight=-1.0 is not allowed: use 0 or more"),
        ({"min_probability": 1.0}, "min_probability=1.0 is not allowed"),
        ({"beam_margin": 0.0}, "beam_margin=0.0 is not allowed"),
    ],
)
def test_wrong_settings_are_named(ngram, settings, message):
    with pytest.raises(ValueError, match=message):
        BeamSearchDecoder(TOKEN_IDS, 0, ngram, settings)


def test_a_weight_without_an_ngram_is_refused():
    with pytest.raises(ValueError, match="need an n-gram"):
        BeamSearchDecoder(TOKEN_IDS, settings={"lm_weight": 0.5})


def test_no_text_asked_for_is_refused():
    with pytest.raises(ValueError, match="num_return_sequences=0"):
        BeamSearchDecoder(TOKEN_IDS).decode(torch.zeros(1, 5), 0)


def test_the_decoder_of_a_folder_takes_the_ngram_beside_the_model(tmp_path):
    tokenizer = ResNetBiLstmTokenizer()
    with pytest.raises(ValueError, match=r"needs ngram\.safetensors beside the model"):
        load_beam_decoder(tmp_path, tokenizer)
    assert load_beam_decoder(tmp_path, tokenizer, lm_weight=0).ngram is None
    path = save_ngram(tmp_path / "ngram.safetensors", {"lm_weight": 0.25})
    decoder = load_beam_decoder(tmp_path, tokenizer, beam_width=5)
    assert decoder.ngram.path == path
    report = decoder.describe()
    assert (report["lm_weight"], report["beam_width"], len(report["ngram_sha256"])) == (0.25, 5, 64)
