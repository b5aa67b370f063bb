"""Where a board is served: ``HOST[:PORT]``, an IPv6 address in brackets."""

from __future__ import annotations

import re
from typing import NamedTuple

DEFAULT_PORT = 7755

_FORM = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]+)(:(?P<port>\d{1,5}))?")


class Address(NamedTuple):
    """Host and TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the address in a text; raise ValueError if it is none."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no HOST or HOST:PORT")
    port = int(found["port"] or DEFAULT_PORT)
    if not 0 < port < 65536:
        raise ValueError(f"{port} is no TCP port")
    return Address(found["host"].strip("[]"), port)
