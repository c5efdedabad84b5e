import math

import pytest
import torch

from hwr_hf.consistency import HiddenSpans, disagreement, two_views

WIDTHS = [400, 60, 7]


@pytest.fixture
def batch():
    """Three lines of different widths, every own pixel a 1, padding 5."""
    pixel_mask = torch.arange(max(WIDTHS)) < torch.tensor(WIDTHS)[:, None]
    pixel_values = torch.where(pixel_mask[:, None, None], 1.0, 5.0).expand(3, 1, 48, -1)
    labels = torch.tensor([[3, 4, 5], [6, -100, -100], [7, 8, -100]])
    return {"pixel_values": pixel_values, "pixel_mask": pixel_mask.long(), "labels": labels}


def hidden_columns(pixel_values):
    return (pixel_values == 0).any(dim=2)[:, 0].sum(dim=1)


def test_no_more_of_a_line_is_hidden_than_was_allowed(batch):
    torch.manual_seed(0)
    shares = []
    for _ in range(100):
        hidden = HiddenSpans(coverage=0.25)(batch["pixel_values"], WIDTHS)
        shares.append(hidden_columns(hidden) / torch.tensor(WIDTHS))
    shares = torch.stack(shares)
    assert shares.max() <= 0.25
    assert (shares.amax(dim=0) > 0.1).all()  # of the narrowest line, one column of seven
    assert (shares[:, 0] < 0.02).any()


def test_a_hidden_part_is_as_wide_and_as_high_as_was_asked_for(batch):
    torch.manual_seed(0)
    hide = HiddenSpans(coverage=0.02, max_columns=8, min_rows=0.5)  # 8 columns of 400
    heights = []
    for _ in range(100):
        hidden = (hide(batch["pixel_values"], WIDTHS)[0, 0] == 0).sum(dim=0)
        assert (hidden > 0).sum() <= 8
        heights += hidden[hidden > 0].tolist()
    assert min(heights) >= 24
    assert max(heights) == 48


def test_padding_and_the_batch_itself_stay(batch):
    before = batch["pixel_values"].clone()
    torch.manual_seed(0)
    hidden = HiddenSpans(coverage=0.9)(batch["pixel_values"], WIDTHS)
    assert torch.equal(batch["pixel_values"], before)
    for line, width in zip(hidden, WIDTHS, strict=True):
        assert (line[..., width:] == 5).all()
        assert (line[..., :width] == 0).any()


def test_the_seed_says_what_is_hidden(batch):
    hidden = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        hidden.append(HiddenSpans()(batch["pixel_values"], WIDTHS))
    assert torch.equal(hidden[0], hidden[1])
    assert not torch.equal(hidden[0], hidden[2])


def test_two_views_of_a_batch_hide_different_parts_of_the_same_lines(batch):
    torch.manual_seed(0)
    views = two_views(batch, HiddenSpans())
    first, second = views["pixel_values"].chunk(2)
    assert not torch.equal(first, second)
    for view in (first, second):
        assert torch.equal(view[view != 0], batch["pixel_values"][view != 0])
    for name in ("pixel_mask", "labels"):
        assert torch.equal(views[name], torch.cat([batch[name]] * 2))


def logits_of(*probabilities):
    return torch.tensor(probabilities).log()[:, None]  # (views, one frame, classes)


def test_disagreement_is_the_mean_divergence_per_character():
    there = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    back = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    labels = torch.tensor([[1, 1], [1, 1]])
    result = disagreement(logits_of([0.5, 0.5], [0.9, 0.1]), labels)
    assert result.item() == pytest.approx((there + back) / 2 / 2)


def test_views_that_read_the_same_agree():
    logits = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[1, 2], [3, -100]] * 2)
    assert disagreement(torch.cat([logits, logits]), labels).item() == pytest.approx(0, abs=1e-6)


def test_each_view_is_drawn_towards_the_other_one():
    # The divergence of a fixed q from p has the gradient p - q in p's logits.
    logits = logits_of([0.5, 0.5], [0.9, 0.1]).requires_grad_()
    disagreement(logits, torch.tensor([[1], [1]])).backward()
    expected = torch.tensor([[-0.4, 0.4], [0.4, -0.4]]) / 2
    assert torch.allclose(logits.grad[:, 0], expected, atol=1e-6)


def test_a_line_without_text_counts_as_one_character():
    logits = logits_of([0.5, 0.5], [0.9, 0.1])
    empty = disagreement(logits, torch.tensor([[-100], [-100]]))
    assert empty.item() == pytest.approx(disagreement(logits, torch.tensor([[1], [1]])).item())
