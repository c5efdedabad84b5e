import pytest

from hwr_hf.data.safe_xml import MAX_BYTES, parse_xml, root_name

BOMB = """<?xml version="1.0"?>
<!DOCTYPE a [<!ENTITY b "xxxxxxxxxx"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>"""
OTHER_FILE = """<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>"""


@pytest.mark.parametrize("document", [BOMB, OTHER_FILE, '<!DOCTYPE a SYSTEM "a.dtd"><a/>'])
@pytest.mark.parametrize("read", [parse_xml, root_name])
def test_a_document_with_a_doctype_is_refused(tmp_path, document, read):
    (tmp_path / "a.xml").write_text(document)
    with pytest.raises(ValueError, match="DOCTYPE refused"):
        read(tmp_path / "a.xml")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"<a><b></a>", id="not-closed"),
        pytest.param(b"", id="empty"),
        pytest.param(b'<?xml version="1.0" encoding="klingon"?><a/>', id="encoding"),
        pytest.param(b"<a>\xff</a>", id="not-utf-8"),
    ],
)
def test_what_is_no_xml_is_told(tmp_path, content):
    (tmp_path / "a.xml").write_bytes(content)
    with pytest.raises(ValueError, match="no well-formed XML"):
        parse_xml(tmp_path / "a.xml")


def test_the_root_is_read_without_what_follows_it(tmp_path):
    (tmp_path / "a.xml").write_text('<?xml version="1.0"?><a xmlns="urn:x"><b></c>')
    assert root_name(tmp_path / "a.xml") == "{urn:x}a"


def test_a_file_larger_than_any_page_is_not_read(tmp_path):
    with (tmp_path / "a.xml").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ValueError, match="too large"):
        parse_xml(tmp_path / "a.xml")
