"""What goes over the connection between a run and ``pytest-h7 serve``.

Both sides begin with a line that names the protocol and its version. After it come messages: a JSON object, and
bytes that belong to it. The client asks, the server answers each message in turn, with ``error`` in it if
something failed. A connection that begins with 0xFF instead, as Telnet does, is one to the console (RFC 2217).

``{"do": "hello", "who": ..., "waits": ..., "token": ...}``
    The first one. Answered by ``{"busy": holder}`` if another client has the board, and by a description of the
    board as soon as this one has it. A client that comes again with its token takes its own place.
``{"do": "usb", "commands": [[command, data, answer, timeout, only_after], ...]}``
    Commands to the ST-LINK, one after another up to the first that fails: the lengths of the command and of the
    data, which follow each other in the bytes, of the wanted answer or null, and milliseconds. One with a byte in
    `only_after` is the end of it if the answer before begins with another. Answered by the answers.
``open`` and ``close``
    The ST-LINK's USB interface.
``sleep``, ``power``, ``drive``, ``release``, ``release_all``, ``ap3``, ``read`` and ``write``
    Of virtual boards only: board time passes, pins, the console.

Each answer of a virtual board has its board time in seconds, ``time``, and the number of characters that its
console has said and nobody has read, ``said``.
"""

from __future__ import annotations

import json
import struct
from typing import Any

VERSION = 1
"""Changes with every change that an older side would not understand."""

_NAME = b"pytest-h7 probe "
GREETING = _NAME + b"%d\n" % VERSION
LONGEST_GREETING = 64

_LENGTHS = struct.Struct("<II")
_LONGEST = 1 << 20

Message = dict[str, Any]


class ProtocolError(Exception):
    """The other side does not keep to the protocol; the message ends a sentence that begins with who it is."""


def check_greeting(line: bytes) -> None:
    """Raise ProtocolError if the line that the other side begins with is not that of this version."""
    if not line.startswith(_NAME):
        raise ProtocolError("is not pytest-h7")
    if line != GREETING:
        version = line[len(_NAME) :].strip().decode("ascii", "replace")
        raise ProtocolError(
            f"speaks version {version} of the protocol, this side version {VERSION}: "
            "install the same pytest-h7 on both machines"
        )


def encode(message: Message, data: bytes = b"") -> bytes:
    """Return a message as it goes over the connection."""
    text = json.dumps(message, separators=(",", ":")).encode()
    return _LENGTHS.pack(len(text), len(data)) + text + data


def decode(buffer: bytearray) -> tuple[Message, bytes] | None:
    """Take the first message out of what has been received, None while it is not complete.

    Raises:
        ProtocolError: it is none.
    """
    if len(buffer) < _LENGTHS.size:
        return None
    text_length, data_length = _LENGTHS.unpack_from(buffer)
    if text_length > _LONGEST or data_length > _LONGEST:
        raise ProtocolError("sends what is no message")
    end = _LENGTHS.size + text_length + data_length
    if len(buffer) < end:
        return None
    try:
        message = json.loads(buffer[_LENGTHS.size : _LENGTHS.size + text_length])
    except ValueError:
        raise ProtocolError("sends what is no message") from None
    if not isinstance(message, dict):
        raise ProtocolError("sends what is no message")
    data = bytes(buffer[_LENGTHS.size + text_length : end])
    del buffer[:end]
    return message, data
