"""The virtual board: two Cortex-M cores and their chip, behind a virtual ST-LINK V3E and a serial port.

It is plugged in where a board is plugged in (a pyOCD probe, a pyserial URL) and knows nothing of the
plugin above it.
"""
