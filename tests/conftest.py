import pytest
import torch


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory):
    """Folder of a complete model with random weights, small enough for any test."""
    from hwr_hf.resnet_bilstm.configuration_resnet_bilstm import ResNetBiLstmConfig
    from hwr_hf.resnet_bilstm.image_processing_resnet_bilstm import ResNetBiLstmImageProcessor
    from hwr_hf.resnet_bilstm.modeling_resnet_bilstm import ResNetBiLstmForCTC
    from hwr_hf.resnet_bilstm.processing_resnet_bilstm import ResNetBiLstmProcessor
    from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import ResNetBiLstmTokenizer

    torch.manual_seed(0)
    config = ResNetBiLstmConfig(
        stem_channels=8,
        hidden_sizes=[8, 8, 8],
        depths=[1, 1, 1],
        lstm_hidden_size=16,
        num_lstm_layers=1,
        initializer_range=1.0,  # spread the classes, so that random weights read some text
    )
    processor = ResNetBiLstmProcessor(ResNetBiLstmImageProcessor(), ResNetBiLstmTokenizer())
    path = tmp_path_factory.mktemp("models") / "tiny"
    ResNetBiLstmForCTC(config).save_pretrained(path)
    processor.save_pretrained(path)
    return path
