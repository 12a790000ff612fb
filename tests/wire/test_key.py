from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hephaestus_stream.errors import InvalidKeyError
from hephaestus_stream.wire.key import check_id, check_prefix, full_key, split_key


def is_id(text: str) -> bool:
    try:
        check_id(text)
    except InvalidKeyError:
        return False
    return True


@pytest.mark.parity(15)
@pytest.mark.parametrize(
    "instance", ["abc123", "a", "a:b", "ä ö", "日本", "x" * 200, "é" * 100, "a/b?c=d#e", "__proto__"]
)
def test_a_key_is_split_into_what_it_was_joined_from(instance: str) -> None:
    assert split_key(full_key("orderid", instance)) == ("orderid", instance)
    assert full_key("orderid", instance) == f"orderid::{instance}"


@pytest.mark.parity(15)
@given(st.text())
def test_any_text_is_refused_or_survives_the_key(instance: str) -> None:
    if is_id(instance):
        key = full_key("orderid", instance)
        assert split_key(key) == ("orderid", instance)
        assert tuple(key.rsplit("::", 1)) == ("orderid", instance), "whoever splits at the last '::' gets the same"
    else:
        with pytest.raises(InvalidKeyError):
            full_key("orderid", instance)


@pytest.mark.parity(15)
@pytest.mark.parametrize(
    ("instance", "complaint"),
    [
        ("", "empty"),
        ("a::b", "'::'"),
        (":a", "starts or ends with ':'"),
        ("a:", "starts or ends with ':'"),
        ("a\nb", "not printable"),
        ("a\x00b", "not printable"),
        ("a\u200bb", "not printable"),
        ("\ud800", "not printable"),
        ("x" * 201, "200 bytes"),
        ("é" * 101, "200 bytes"),
    ],
)
def test_a_bad_id_is_refused_with_the_reason(instance: str, complaint: str) -> None:
    with pytest.raises(InvalidKeyError, match=complaint):
        full_key("orderid", instance)


@pytest.mark.parametrize("prefix", ["orderid", "order_id", "order-id", "shop.orders", "_x", "O2", "p" * 100])
def test_a_prefix_is_a_name(prefix: str) -> None:
    assert split_key(full_key(prefix, "a")) == (prefix, "a")


@pytest.mark.parametrize("prefix", ["", "2x", "-x", ".x", "a b", "a:", "a::b", "ä", "a\n", "p" * 101])
def test_a_bad_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidKeyError, match="prefix"):
        check_prefix(prefix)


@pytest.mark.parametrize("text", ["", "abc", "orderid:abc", "::abc", "orderid::", "orderid:::a", "orderid::a::b"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidKeyError):
        split_key(text)


def test_an_error_shows_a_long_id_only_in_part() -> None:
    with pytest.raises(InvalidKeyError) as refused:
        check_id("s" * 100_000)

    assert len(str(refused.value)) < 200
