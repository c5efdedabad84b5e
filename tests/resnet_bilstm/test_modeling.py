import itertools

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from hwr_hf.resnet_bilstm.configuration_resnet_bilstm import ResNetBiLstmConfig
from hwr_hf.resnet_bilstm.modeling_resnet_bilstm import (
    NormalisedConv2d,
    ResNetBiLstmForCharacterSequence,
    ResNetBiLstmForCTC,
    ResNetBiLstmModel,
    ResNetForCharacterSequence,
    load_imagenet_weights,
    rectified,
)

TINY = dict(
    stem_channels=8, hidden_sizes=[8, 16, 16], depths=[1, 1, 2], lstm_hidden_size=12, vocab_size=7
)

FLAT = [[1, 1], [2, 1], [2, 1]]  # strides that keep all columns


def tiny(model_class=ResNetBiLstmForCTC, **changes):
    """A small network with fixed random weights and lively batch-norm statistics."""
    torch.manual_seed(0)
    model = model_class(ResNetBiLstmConfig(**(TINY | changes)))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.bias.data.normal_()
    return model.eval()


def padded_batch(widths, height=32, channels=1):
    """Random lines of these widths, padded with noise, and their mask."""
    torch.manual_seed(1)
    pixel_values = torch.randn(len(widths), channels, height, max(widths))
    pixel_mask = torch.zeros(len(widths), max(widths), dtype=torch.long)
    for row, width in zip(pixel_mask, widths, strict=True):
        row[:width] = 1
    return pixel_values, pixel_mask


def test_hidden_state_has_one_vector_per_frame_and_both_directions():
    pixel_values, pixel_mask = padded_batch([64, 40])
    outputs = tiny(ResNetBiLstmModel)(pixel_values, pixel_mask)
    assert outputs.last_hidden_state.shape == (2, 16, 24)  # 64 columns / stride 4, 2 * 12 units
    assert outputs.frame_mask.sum(dim=1).tolist() == [16, 10]


@pytest.mark.parametrize("width", [1, 3, 4, 5, 63, 64, 65])
def test_num_frames_is_what_forward_gives(width):
    model = tiny()
    logits = model(torch.randn(1, 1, 32, width)).logits
    assert logits.shape[1] == model.num_frames(width)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="default"),
        pytest.param({"stem_pooling": True}, id="stem-pooling"),
        pytest.param({"height_pooling": "mean", "num_lstm_layers": 3}, id="mean-three-layers"),
        pytest.param({"stem_stride": [2, 1], "stage_strides": [[1, 2], [2, 2], [2, 2]]}, id="fine"),
        pytest.param(
            {"stem_stride": [2, 1], "stage_strides": [[1, 1], [2, 1], [2, 1]]}, id="finest"
        ),
        pytest.param({"stem_stride": [2, 2], "stage_strides": [[1, 1], [2, 1], [2, 1]]}, id="two"),
    ],
)
def test_logits_do_not_depend_on_the_batch(changes):
    widths = [64, 37, 50, 9]
    pixel_values, pixel_mask = padded_batch(widths)
    model = tiny(**changes)
    with torch.no_grad():
        batched = model(pixel_values, pixel_mask).logits
        for row, width in enumerate(widths):
            alone = model(pixel_values[row : row + 1, :, :, :width]).logits[0]
            difference = (batched[row, : len(alone)] - alone).abs().max()
            assert difference <= 1e-5, f"width {width}"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lines_side_by_side_read_as_those_whose_feature_maps_are_wanted(dtype):
    pixel_values, pixel_mask = padded_batch([64, 37, 50, 9])
    model = tiny().to(dtype)
    with torch.no_grad():
        strip = model.model(pixel_values.to(dtype), pixel_mask)
        batch = model.model(pixel_values.to(dtype), pixel_mask, output_hidden_states=True)
    assert torch.equal(strip.frame_mask, batch.frame_mask)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    assert torch.allclose(strip.features, batch.features, atol=tolerance, rtol=tolerance)
    assert strip.last_hidden_state.shape == batch.last_hidden_state.shape


@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.float32])
def test_a_mask_may_have_any_type(dtype):
    pixel_values, pixel_mask = padded_batch([64, 37])
    model = tiny()
    with torch.no_grad():
        expected = model(pixel_values, pixel_mask).logits
        assert torch.equal(model(pixel_values, pixel_mask.to(dtype)).logits, expected)


def test_batch_norm_statistics_do_not_depend_on_whether_gradients_are_wanted():
    statistics = []
    for wanted in (True, False):
        model = tiny().train()
        with torch.set_grad_enabled(wanted):
            model(*padded_batch([64, 37]))
        statistics.append(model.model.backbone.bn1.running_var)
    assert torch.allclose(*statistics)


def test_without_its_mask_padding_would_change_the_logits():
    pixel_values, pixel_mask = padded_batch([64, 37])
    model = tiny()
    with torch.no_grad():
        masked, unmasked = model(pixel_values, pixel_mask).logits, model(pixel_values).logits
    assert (masked[1, :9] - unmasked[1, :9]).abs().max() > 0.01


def test_the_normalisation_folded_into_the_weights_gives_the_same_logits_and_feature_maps():
    model, inputs = tiny(), padded_batch([64, 40])
    expected = model(*inputs, output_hidden_states=True)  # with gradients nothing is folded
    with torch.no_grad():
        outputs = model(*inputs, output_hidden_states=True)
    assert torch.allclose(outputs.logits, expected.logits, atol=1e-5)
    for folded, plain in zip(outputs.hidden_states, expected.hidden_states, strict=True):
        assert torch.allclose(folded, plain, atol=1e-4)


def test_frames_of_padding_are_blank_with_certainty():
    pixel_values, pixel_mask = padded_batch([64, 36])
    probabilities = tiny()(pixel_values, pixel_mask).logits[1, 9:].softmax(-1)
    assert torch.equal(probabilities[:, 0], torch.ones(7))


def test_ctc_loss_is_the_sum_over_all_paths():
    model = tiny()
    logits = torch.randn(1, 4, 7, dtype=torch.float64)
    text = [3, 3]
    probabilities = logits[0].softmax(-1)
    total = 0.0
    for path in itertools.product(range(7), repeat=4):
        collapsed = [label for label, _ in itertools.groupby(path) if label != 0]
        if collapsed == text:
            total += torch.stack([probabilities[t, label] for t, label in enumerate(path)]).prod()
    loss = model.ctc_loss(logits, torch.tensor([[3, 3, -100]]), None)
    assert loss.item() == pytest.approx(-total.log().item() / 2, rel=1e-5)  # per character


def test_ctc_loss_of_a_line_ignores_its_padding():
    pixel_values, pixel_mask = padded_batch([64, 40])
    model = tiny()
    labels = torch.tensor([[1, 2, 3], [4, 5, -100]])
    both = model(pixel_values, pixel_mask, labels=labels).loss
    first = model(pixel_values[:1], labels=labels[:1]).loss
    second = model(pixel_values[1:, :, :, :40], labels=labels[1:, :2]).loss
    assert both.item() == pytest.approx((first.item() + second.item()) / 2, rel=1e-5)


def test_the_shortcut_head_adds_to_the_training_loss_only():
    pixel_values, pixel_mask = padded_batch([64, 40])
    labels = torch.tensor([[1, 2], [3, 4]])
    model = tiny(dropout=0.0)
    other = tiny(dropout=0.0, ctc_shortcut_weight=0.0)
    other.load_state_dict(model.state_dict(), strict=False)

    def loss(recogniser):
        return recogniser(pixel_values, pixel_mask, labels=labels).loss.item()

    assert loss(model) == loss(other)
    assert loss(model.train()) > loss(other.train())


def test_a_text_too_long_for_its_frames_is_refused_with_the_frames():
    with pytest.raises(ValueError, match=r"4 frames cannot spell .* 4 characters.* needs 5"):
        tiny()(torch.randn(1, 1, 32, 16), labels=torch.tensor([[1, 2, 2, 3]]))


def test_hidden_states_are_the_stem_every_stage_and_the_bilstm():
    outputs = tiny()(torch.randn(2, 1, 32, 64), output_hidden_states=True)
    assert [tuple(state.shape) for state in outputs.hidden_states] == [
        (2, 8, 16, 32),
        (2, 8, 16, 32),
        (2, 16, 8, 16),
        (2, 16, 4, 16),
        (2, 16, 24),
    ]


def test_return_dict_false_gives_a_tuple():
    outputs = tiny()(torch.randn(1, 1, 32, 64), labels=torch.tensor([[1, 2]]), return_dict=False)
    assert isinstance(outputs, tuple)
    assert [value.dim() for value in outputs] == [0, 3]


@pytest.mark.parametrize(
    ("shape", "mask_shape", "message"),
    [
        pytest.param((1, 3, 32, 64), None, "pixel_values", id="three-channels"),
        pytest.param((1, 32, 64), None, "pixel_values", id="no-batch"),
        pytest.param((1, 1, 32, 64), (1, 63), "pixel_mask", id="mask-too-short"),
    ],
)
def test_wrong_shapes_are_named(shape, mask_shape, message):
    mask = None if mask_shape is None else torch.ones(mask_shape)
    with pytest.raises(ValueError, match=f"{message} has shape"):
        tiny()(torch.randn(shape), mask)


def test_gradient_checkpointing_gives_the_same_gradients():
    pixel_values, pixel_mask = padded_batch([64, 40])
    labels = torch.tensor([[1, 2, 3], [4, 5, -100]])
    gradients, calls = [], []
    for checkpointing in (False, True):
        model = tiny(dropout=0.0).train()
        if checkpointing:
            model.activation_checkpointing_enable()
        convolution = model.model.backbone.get_submodule("layer1.0.conv1")
        convolution.register_forward_hook(lambda *_, on=checkpointing: calls.append(on))
        model(pixel_values, pixel_mask, labels=labels).loss.backward()
        gradients.append(model.model.backbone.conv1.weight.grad)
    assert torch.allclose(*gradients, atol=1e-6)
    assert calls == [False, True, True]  # a checkpointed block runs again for its gradients


def test_training_from_scratch_learns_two_lines():
    pixel_values, pixel_mask = padded_batch([64, 40])
    labels = torch.tensor([[1, 2, 3, 3], [4, 5, -100, -100]])
    model = tiny(dropout=0.0).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(150):
        loss = model(pixel_values, pixel_mask, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize(
    "model_class",
    [
        ResNetBiLstmModel,
        ResNetBiLstmForCTC,
        ResNetBiLstmForCharacterSequence,
        ResNetForCharacterSequence,
    ],
)
def test_saving_and_reloading_gives_the_same_output(model_class, tmp_path):
    model = tiny(model_class, num_steps=6)
    pixel_values = torch.randn(2, 1, 32, 64)
    model.save_pretrained(tmp_path)
    reloaded = model_class.from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(model(pixel_values)[0], reloaded(pixel_values)[0])


@pytest.mark.parametrize(
    "model_class", [ResNetBiLstmForCharacterSequence, ResNetForCharacterSequence]
)
def test_character_sequence_loss_is_cross_entropy_with_padding_classes(model_class):
    model = tiny(model_class, num_steps=4)
    outputs = model(torch.randn(1, 1, 32, 64), labels=torch.tensor([[3, 5, -100]]))
    log_probabilities = outputs.logits[0].log_softmax(-1)
    expected = -sum(log_probabilities[step, label] for step, label in enumerate([3, 5, 0, 0])) / 4
    assert outputs.loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_character_sequence_refuses_a_text_longer_than_its_steps():
    model = tiny(ResNetBiLstmForCharacterSequence, num_steps=2)
    with pytest.raises(ValueError, match="3 characters does not fit 2 steps"):
        model(torch.randn(1, 1, 32, 64), labels=torch.tensor([[1, 2, 3]]))


@pytest.mark.parametrize(
    "model_class", [ResNetBiLstmForCharacterSequence, ResNetForCharacterSequence]
)
def test_a_class_per_step_needs_a_number_of_steps(model_class):
    with pytest.raises(ValueError, match="num_steps=None"):
        tiny(model_class)


def test_a_fixed_number_of_steps_refuses_padded_lines():
    model = tiny(num_steps=4)
    with pytest.raises(ValueError, match=r"num_steps=4 .* must not be padded"):
        model(*padded_batch([64, 40]))


@pytest.mark.parametrize("label", [0, 7, -1])
def test_labels_that_are_no_characters_are_refused(label):
    with pytest.raises(ValueError, match=f"Label {label} is no character of a model with 7"):
        tiny()(torch.randn(1, 1, 32, 64), labels=torch.tensor([[1, label, -100]]))


def test_the_cnn_baseline_ignores_padding():
    pixel_values, pixel_mask = padded_batch([64, 40])
    model = tiny(ResNetForCharacterSequence, num_steps=4)
    with torch.no_grad():
        batched = model(pixel_values, pixel_mask).logits[1]
        alone = model(pixel_values[1:, :, :, :40]).logits[0]
    assert torch.allclose(batched, alone, atol=1e-5)


def paper_model_on(weights):
    model = ResNetBiLstmModel(ResNetBiLstmConfig.paper(num_lstm_layers=1, lstm_hidden_size=8))
    return model.eval(), load_imagenet_weights(model, weights)


def test_imagenet_backbone_gives_torchvisions_stage_outputs(tmp_path):
    torch.manual_seed(0)
    reference = torchvision.models.resnet34(weights=None).eval()
    for module in reference.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
    published = {  # ImageNet's files lack the count of training batches
        name: value for name, value in reference.state_dict().items() if "num_batches" not in name
    }
    save_file(published, tmp_path / "resnet34.safetensors")
    model, loaded = paper_model_on(tmp_path / "resnet34.safetensors")

    assert "layer4.2.bn2.running_var" in loaded
    # In float64: values near 80 make float32's rounding as large as the tolerance.
    reference, model = reference.double(), model.double()
    pixel_values = torch.randn(1, 3, 96, 96, dtype=torch.float64)
    with torch.no_grad():
        expected = reference.maxpool(reference.relu(reference.bn1(reference.conv1(pixel_values))))
        stages = model(pixel_values, output_hidden_states=True).hidden_states
        for number, stage in enumerate(stages[1:5], start=1):
            expected = reference.get_submodule(f"layer{number}")(expected)
            assert torch.allclose(stage, expected, atol=1e-9, rtol=1e-9), f"layer{number}"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_normalisation_within_the_weights_rounds_little_more_than_the_layer(dtype):
    torch.manual_seed(0)
    conv = NormalisedConv2d(16, 16, 3, padding=1, bias=False).to(dtype)
    norm = torch.nn.BatchNorm2d(16).eval()
    for values in (norm.weight, norm.running_var):
        torch.nn.init.uniform_(values, 0.1, 4)
    for values in (norm.bias, norm.running_mean):
        torch.nn.init.normal_(values)
    norm, feature_maps = norm.to(dtype), torch.randn(4, 16, 12, 40).to(dtype)
    with torch.no_grad():
        folded = conv(feature_maps, norm)
        layers = norm(torch.nn.Conv2d.forward(conv, feature_maps))
        exact = norm.double()(torch.nn.Conv2d.forward(conv.double(), feature_maps.double()))
    assert folded.dtype == dtype
    error = (folded - exact).abs().mean()
    assert error <= 1.7 * (layers - exact).abs().mean()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_rectifying_in_place_gives_what_training_computes(dtype, layout):
    torch.manual_seed(0)
    feature_maps, shortcut = torch.randn(2, 2, 8, 4, 6).to(dtype)
    feature_maps[0, 0, 0, :4] = torch.tensor([0.0, -0.0, -torch.inf, 1e-40])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]], dtype=torch.bool)
    for added in (None, shortcut):
        expected = rectified(feature_maps, mask, added)
        with torch.no_grad():
            changed = feature_maps.to(memory_format=layout, copy=True)
            assert torch.equal(rectified(changed, mask, added), expected)
        assert expected.min() == 0


def test_imagenet_weights_come_from_a_torchvision_enum():
    state = torchvision.models.resnet34(weights=None).state_dict()

    class Weights:  # what torchvision's enum members offer, without the network
        def get_state_dict(self, progress, check_hash):
            return dict(state)

    model, loaded = paper_model_on(Weights())
    expected = {name for name in state if "num_batches" not in name} - {"fc.weight", "fc.bias"}
    assert set(loaded) == expected
    assert torch.equal(model.backbone.state_dict()["conv1.weight"], state["conv1.weight"])


def test_a_grey_stem_is_the_sum_of_the_rgb_stem(tmp_path):
    path = tmp_path / "resnet34.pth"
    state = torchvision.models.resnet34(weights=None).state_dict()
    torch.save(state, path)
    config = ResNetBiLstmConfig.paper(num_channels=1, num_lstm_layers=1, lstm_hidden_size=8)
    model = ResNetBiLstmModel(config)
    load_imagenet_weights(model, path)
    grey, rgb = model.backbone.conv1.weight, state["conv1.weight"]
    image = torch.randn(1, 1, 16, 16)
    conv = torch.nn.functional.conv2d
    assert torch.allclose(conv(image, grey), conv(image.expand(1, 3, 16, 16), rgb), atol=1e-5)


def test_weights_of_another_network_are_refused(tmp_path):
    save_file(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "r.safetensors")
    with pytest.raises(ValueError, match="does not fit the backbone"):
        paper_model_on(tmp_path / "r.safetensors")


def test_a_missing_weights_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"No weights file .*nowhere.pth"):
        paper_model_on(tmp_path / "nowhere.pth")
