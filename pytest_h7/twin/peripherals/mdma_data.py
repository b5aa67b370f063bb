"""What MDMA does to data on its way: packing, padding, and the exchange of bytes (RM0399 14.5.4, 14.5.5)."""

from __future__ import annotations

_PKE = 1 << 25
_SIGN_EXTENDED, _LEFT_ALIGNED = 1, 2
_EXCHANGES = ((1 << 12, 1), (1 << 13, 2), (1 << 14, 4))
"""BEX, HEX and WEX: bytes of the units that change places in pairs."""


def converted(data: bytes, size: int, wanted: int, transfer_control: int, control: int) -> bytes:
    """Return what is written to the destination.

    Args:
        data: What was read, in items of `size` bytes.
        size: Bytes of an item of the source.
        wanted: Bytes of an item of the destination.
        transfer_control: CxTCR, which has PKE and PAM.
        control: CxCR, which has BEX, HEX and WEX.
    """
    if not transfer_control & _PKE and size != wanted:
        alignment = transfer_control >> 26 & 3
        items = (data[place : place + size] for place in range(0, len(data), size))
        data = b"".join(_fitted(item, wanted, alignment) for item in items)
    for bit, unit in _EXCHANGES:
        if control & bit and wanted > unit:
            data = _exchanged(data, unit)
    return data


def _fitted(item: bytes, wanted: int, alignment: int) -> bytes:
    if wanted < len(item):
        return item[len(item) - wanted :] if alignment == _LEFT_ALIGNED else item[:wanted]
    if alignment == _LEFT_ALIGNED:
        return item.rjust(wanted, b"\0")
    negative = alignment == _SIGN_EXTENDED and item[-1] & 0x80
    return item.ljust(wanted, b"\xff" if negative else b"\0")


def _exchanged(data: bytes, unit: int) -> bytes:
    pairs = (data[place : place + 2 * unit] for place in range(0, len(data), 2 * unit))
    return b"".join(pair[unit:] + pair[:unit] for pair in pairs)
