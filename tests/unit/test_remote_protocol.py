"""Addresses, and the messages between a run and the server of its board."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_h7.remote.address import Address, parse_address
from pytest_h7.remote.protocol import ProtocolError, decode, encode

MESSAGES = st.dictionaries(st.text(), st.integers() | st.text() | st.none())


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("desk", Address("desk", 7755)),
        ("desk.lab.example:1", Address("desk.lab.example", 1)),
        ("192.0.2.7:65535", Address("192.0.2.7", 65535)),
        ("[::1]", Address("::1", 7755)),
        ("[fe80::1%eth0]:80", Address("fe80::1%eth0", 80)),
    ],
)
def test_address(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text", ["", ":1", "desk:", "desk:0", "desk:65536", "::1", "a b", "desk:1:2", "a/b", "[desk"]
)
def test_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no (HOST|TCP port)"):
        parse_address(text)


@given(st.lists(st.tuples(MESSAGES, st.binary(max_size=50)), max_size=4), st.data())
def test_messages_come_as_they_were_sent_however_they_are_cut(
    messages: list[tuple[dict[str, object], bytes]], data: st.DataObject
) -> None:
    sent = b"".join(encode(*message) for message in messages)
    cut = data.draw(st.integers(0, len(sent)))
    buffer, received = bytearray(), []
    for part in (sent[:cut], sent[cut:]):
        buffer += part
        while (message := decode(buffer)) is not None:
            received.append(message)
    assert received == messages
    assert not buffer


@given(st.binary(max_size=64))
def test_junk_is_refused_or_waited_for(junk: bytes) -> None:
    with suppress(ProtocolError):
        decode(bytearray(junk))
