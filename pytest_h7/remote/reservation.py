"""Getting the board behind ``remote:HOST[:PORT]``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_h7.bench.lease import probe_folder
from pytest_h7.remote.link import Link, text_of

if TYPE_CHECKING:
    from pytest_h7.labgrid.place import Place
    from pytest_h7.remote.address import Address
    from pytest_h7.remote.probe import RemoteProbe


class RemoteLease:
    """The right to use a board at another machine, which its server gives to one connection at a time.

    Args:
        link: The connection.
        place: The place of labgrid that it is at, if it is.

    Attributes:
        place: The place.
        folder: What is remembered of the board at this machine; None for one that ends with its server.
    """

    def __init__(self, link: Link, place: Place | None = None) -> None:
        self._link = link
        self.place = place
        serial = text_of(link.board, "serial")
        name = f"{serial}@{link.address.host}" if link.is_virtual else serial
        self.folder: Path | None = probe_folder(name) if link.board.get("keeps") else None

    def release(self) -> None:
        """Leave the board to others."""
        self._link.close()
        if self.place is not None:
            self.place.release()


def reserve(
    address: Address, timeout: float, announce: Callable[[str], None]
) -> tuple[RemoteProbe, RemoteLease]:
    """Return the probe of the board at an address, and the right to use it.

    Args:
        address: Where ``pytest-h7 serve`` listens.
        timeout: Seconds to wait for a board that somebody else has, 0 not to.
        announce: Tells the user for whom this waits, if it does.

    Raises:
        InfrastructureError: nothing answers there, or the board did not become free in time.
    """
    from pytest_h7.remote.probe import RemoteProbe

    link = Link(address, timeout, announce)
    return RemoteProbe(link), RemoteLease(link)


def reserve_place(
    name: str, timeout: float, announce: Callable[[str], None]
) -> tuple[RemoteProbe, RemoteLease]:
    """Return the probe of the board at a place of labgrid, and the right to use it.

    Args:
        name: The place.
        timeout: Seconds to wait for a place that somebody else has, 0 not to.
        announce: Tells the user for whom this waits, if it does.

    Raises:
        InfrastructureError: the place cannot be had, or nothing answers where its probe should be.
    """
    from pytest_h7.labgrid.place import Place
    from pytest_h7.remote.probe import RemoteProbe

    place = Place(name, timeout, announce)
    try:
        link = Link(place.probe, timeout, announce)
    except BaseException:
        place.release()
        raise
    return RemoteProbe(link), RemoteLease(link, place)


def found_again(driver: RemoteProbe) -> RemoteProbe:
    """Return the same board's probe after an error; raise InfrastructureError if its server is gone."""
    if not driver.link.is_open:
        driver.link.reconnect()
    return type(driver)(driver.link)
