"""Models of the chip's peripherals, one module each."""
