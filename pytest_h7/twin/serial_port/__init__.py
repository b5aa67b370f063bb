"""The virtual board's serial port for pyserial: importing this makes ``h7twin://NAME`` a port's URL."""

import serial

if __name__ not in serial.protocol_handler_packages:
    serial.protocol_handler_packages.append(__name__)
