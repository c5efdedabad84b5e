import pytest
from bert_miniature import make_corrector, overfit


@pytest.fixture(scope="session")
def trained_corrector(tmp_path_factory):
    """Knows `bert_miniature.PAIRS` by heart; its gate takes what the text alone speaks for."""
    corrector = make_corrector(tmp_path_factory.mktemp("vocabulary"))
    overfit(corrector)
    return corrector
