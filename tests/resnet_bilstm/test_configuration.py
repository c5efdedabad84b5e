import pytest
from huggingface_hub.errors import StrictDataclassError

from hwr_hf.resnet_bilstm.configuration_resnet_bilstm import ResNetBiLstmConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_channels", 2),
        ("stem_channels", 0),
        ("stem_stride", [2, 3]),
        ("hidden_sizes", []),
        ("depths", [1, 1]),
        ("stage_strides", [[1, 1], [2, 2], [4, 1]]),
        ("height_pooling", "sum"),
        ("num_steps", 0),
        ("lstm_hidden_size", 0),
        ("num_lstm_layers", 0),
        ("dropout", 1.0),
        ("ctc_shortcut_weight", -0.1),
        ("vocab_size", 1),
        ("pad_token_id", 81),
        ("initializer_range", 0.0),
        ("temperature", 0.0),
        ("temperature", -1.0),
        ("temperature", float("inf")),
    ],
)
def test_a_wrong_value_is_named_with_its_field(field, value):
    with pytest.raises(StrictDataclassError, match=field) as error:
        ResNetBiLstmConfig(**{field: value})
    assert repr(value) in str(error.value)
    assert "use " in str(error.value)


@pytest.mark.parametrize("preset", ["small", "medium", "base", "paper"])
def test_presets_survive_saving(preset, tmp_path):
    config = getattr(ResNetBiLstmConfig, preset)()
    config.save_pretrained(tmp_path)
    assert ResNetBiLstmConfig.from_pretrained(tmp_path).to_dict() == config.to_dict()


def test_paper_preset_is_resnet34_with_96_steps_and_4_bilstm_layers():
    config = ResNetBiLstmConfig.paper()
    assert config.hidden_sizes == [64, 128, 256, 512]
    assert config.depths == [3, 4, 6, 3]
    assert (config.num_channels, config.num_steps, config.num_lstm_layers) == (3, 96, 4)


def test_a_preset_takes_changes():
    assert ResNetBiLstmConfig.base(num_lstm_layers=1).num_lstm_layers == 1


def test_column_stride_is_the_product_of_all_strides_across():
    config = ResNetBiLstmConfig(stem_stride=[2, 2], stage_strides=[[1, 1], [2, 2], [2, 1]])
    assert config.column_stride == 4
    assert ResNetBiLstmConfig.paper().column_stride == 32  # as in ResNet-34


def test_a_temperature_survives_saving(tmp_path):
    ResNetBiLstmConfig(temperature=1.7).save_pretrained(tmp_path)
    assert ResNetBiLstmConfig.from_pretrained(tmp_path).temperature == 1.7
    assert ResNetBiLstmConfig().temperature == 1.0
