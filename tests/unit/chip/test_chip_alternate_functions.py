"""Alternate functions, against the pin lists of ST's boards and examples."""

from __future__ import annotations

import pytest

from pytest_h7.chip.alternate_functions import pins_of, signals

KNOWN = [
    # The console, Ethernet, LEDs as PWM outputs and the Arduino connectors of the NUCLEO-H755ZI-Q.
    ("PD8", 7, "USART3_TX"),
    ("PD9", 7, "USART3_RX"),
    ("PB0", 2, "TIM3_CH3"),
    ("PB14", 2, "TIM12_CH1"),
    ("PA5", 1, "TIM2_CH1"),
    ("PA5", 5, "SPI1_SCK"),
    ("PE12", 5, "SPI4_SCK"),
    ("PB8", 4, "I2C1_SCL"),
    ("PB9", 4, "I2C1_SDA"),
    ("PE9", 1, "TIM1_CH1"),
    ("PE8", 1, "TIM1_CH1N"),
    ("PE0", 8, "UART8_RX"),
    ("PE1", 8, "UART8_TX"),
    ("PA1", 11, "ETH_REF_CLK"),
    ("PA2", 11, "ETH_MDIO"),
    ("PA7", 11, "ETH_CRS_DV"),
    ("PG11", 11, "ETH_TX_EN"),
    ("PA8", 0, "RCC_MCO_1"),
    ("PA13", 0, "DEBUG_SWDIO"),
    ("PD0", 9, "FDCAN1_RX"),
    ("PB2", 9, "QUADSPI_CLK"),
    ("PC6", 3, "TIM8_CH1"),
    ("PG12", 1, "LPTIM1_IN1"),
]


@pytest.mark.parametrize(("pin", "function", "signal"), KNOWN)
def test_known_functions(pin: str, function: int, signal: str) -> None:
    assert signal in signals(pin)[function]
    assert (pin, function) in pins_of(signal)


def test_both_directions_agree() -> None:
    for port in "ABCDEFGHIJK":
        for number in range(16):
            for function, names in signals(f"P{port}{number}").items():
                assert 0 <= function < 15
                assert all((f"P{port}{number}", function) in pins_of(name) for name in names)


def test_one_function_can_lead_to_several_inputs() -> None:
    assert signals("PA0")[1] == ("TIM2_CH1", "TIM2_ETR")


def test_a_signal_is_found_on_all_its_pins() -> None:
    assert pins_of("USART3_TX") == (("PB10", 7), ("PC10", 7), ("PD8", 7))


def test_what_does_not_exist() -> None:
    assert signals("PZ9") == {}
    with pytest.raises(KeyError):
        pins_of("TIM9_CH1")
