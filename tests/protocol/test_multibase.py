import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcoop.errors import Malformed
from fedcoop.protocol import multibase
from fedcoop.protocol.limits import MAX_MULTIBASE


@given(st.binary(min_size=1, max_size=64))
def test_what_was_encoded_is_decoded_again(value: bytes):
    assert multibase.decode(multibase.encode(value)) == value


@given(st.text("z123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", min_size=2, max_size=60))
def test_one_value_has_one_spelling(text: str):
    if text[0] == "z":
        assert multibase.encode(multibase.decode(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z",
        "K36",
        "uK36",
        "mK36",
        "zK36 ",
        " zK36",
        "zK36\n",
        "z K36",
        "z0",
        "zO",
        "zI",
        "zl",
        "zé",
        "ZK36",
        "zz\x00",
    ],
)
def test_another_base_or_another_spelling_is_refused(text: str):
    with pytest.raises(Malformed):
        multibase.decode(text)


def test_a_long_value_is_refused_before_it_is_decoded():
    multibase.decode("z" + "1" * (MAX_MULTIBASE - 1))
    with pytest.raises(Malformed):
        multibase.decode("z" + "1" * MAX_MULTIBASE)
