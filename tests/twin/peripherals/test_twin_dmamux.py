"""DMAMUX1 and DMAMUX2 (RM0399 chapter 18): routing, synchronization, request generators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_h7.chip.dma_requests import request_number, synchronization_name, trigger_name
from pytest_h7.twin.timeline import PS_PER_US

if TYPE_CHECKING:
    from ..conftest import Desk

SOURCE, DESTINATION = 0x3000_0000, 0x3000_1000
EN, MINC = 1 << 0, 1 << 10
SOIE, EGE, SE, RISING = 1 << 8, 1 << 9, 1 << 16, 1 << 17
OIE, GE = 1 << 8, 1 << 16
TIM2_UP, GENERATOR0 = 22, 1
EXTI0 = 6


class Mux:
    """DMAMUX1, with streams 0 and 1 of DMA1 counting what reaches them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.mcu = desk.mcu
        desk.set("RCC.AHB1ENR", DMA1EN=1, DMA2EN=1)
        for stream in (0, 1):
            desk.write(f"DMA1.S{stream}PAR", SOURCE)
            desk.write(f"DMA1.S{stream}M0AR", DESTINATION)
            desk.write(f"DMA1.S{stream}NDTR", 1000)
            desk.write(f"DMA1.S{stream}CR", MINC | EN)

    def moved(self, stream: int = 0) -> int:
        self.mcu.run_for(10 * PS_PER_US)
        return 1000 - self.desk.read(f"DMA1.S{stream}NDTR")

    def request(self, times: int = 1) -> None:
        for _ in range(times):
            self.mcu.dma_request("TIM2_UP")
            self.mcu.run_for(PS_PER_US)

    def trigger(self) -> None:
        """Pulse the signal of EXTI line 0."""
        self.mcu.triggers.pulse("EXTI0")


@pytest.fixture
def mux(desk: Desk) -> Mux:
    return Mux(desk)


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("GENERATOR0", 1, 1),
        ("TIM1_CH1", 11, None),
        ("USART3_RX", 45, None),
        ("TIM5_CH1", 55, None),
        ("USART6_TX", 72, None),
        ("ADC3", 115, 17),
        ("LPUART1_RX", None, 9),
    ],
)
def test_request_numbers(name: str, first: int | None, second: int | None) -> None:
    assert request_number("DMAMUX1", name) == first
    assert request_number("DMAMUX2", name) == second


def test_triggers_and_synchronization_inputs() -> None:
    assert trigger_name("DMAMUX1", 7) == "TIM12_TRGO"
    assert trigger_name("DMAMUX2", 20) == synchronization_name("DMAMUX2", 14) == "EXTI0"
    assert synchronization_name("DMAMUX2", 16) is None
    assert trigger_name("DMAMUX1", 8) is None


def test_a_request_reaches_every_stream_that_selects_it(mux: Mux) -> None:
    mux.desk.write("DMAMUX1.C0CR", TIM2_UP)
    mux.desk.write("DMAMUX1.C1CR", TIM2_UP)
    mux.request(2)
    assert (mux.moved(0), mux.moved(1)) == (2, 2)


def test_a_held_request_is_served_when_it_is_selected(mux: Mux) -> None:
    mux.mcu.hold_dma_request("USART3_RX", level=True)
    assert mux.moved() == 0
    mux.desk.write("DMAMUX1.C0CR", 45)
    mux.mcu.run_for(PS_PER_US)
    mux.mcu.hold_dma_request("USART3_RX", level=False)
    moved = mux.moved()
    assert moved > 1
    assert mux.moved() == moved


def test_synchronization_lets_some_requests_pass(mux: Mux) -> None:
    mux.desk.write("DMAMUX1.C0CR", TIM2_UP | SE | RISING | 2 << 19 | EXTI0 << 24)
    mux.request(2)
    assert mux.moved() == 0
    mux.trigger()
    assert mux.moved() == 1, "the request that waits"
    mux.request(5)
    assert mux.moved() == 3
    mux.trigger()
    mux.request(5)
    assert mux.moved() == 6


def test_a_synchronization_too_early_is_an_overrun(mux: Mux) -> None:
    mux.desk.write("DMAMUX1.C0CR", TIM2_UP | SOIE | SE | RISING | 2 << 19 | EXTI0 << 24)
    mux.trigger()
    assert mux.desk.read("DMAMUX1.CSR") == 0
    mux.trigger()
    assert mux.desk.read("DMAMUX1.CSR") == 1
    mux.desk.write("DMAMUX1.CFR", 1)
    assert mux.desk.read("DMAMUX1.CSR") == 0


def test_an_event_of_one_channel_triggers_a_generator_for_another(mux: Mux) -> None:
    mux.desk.write("DMAMUX1.C0CR", TIM2_UP | EGE | 1 << 19)
    mux.desk.write("DMAMUX1.C1CR", GENERATOR0)
    mux.desk.write("DMAMUX1.RG0CR", GE | RISING | 4 << 19)
    mux.request()
    assert mux.moved(1) == 0
    mux.request()
    assert mux.moved(1) == 5
    mux.request(2)
    assert mux.moved(1) == 10


def test_a_trigger_while_a_generator_has_requests_left_is_an_overrun(mux: Mux) -> None:
    mux.desk.write("DMAMUX1.RG0CR", GE | OIE | RISING | 4 << 19 | EXTI0)
    mux.trigger()
    assert mux.desk.read("DMAMUX1.RGSR") == 0
    mux.trigger()
    assert mux.desk.read("DMAMUX1.RGSR") == 1
    mux.desk.write("DMAMUX1.RGCFR", 1)
    assert mux.desk.read("DMAMUX1.RGSR") == 0


def test_an_edge_of_exti_line_0_is_a_trigger(mux: Mux) -> None:
    mux.desk.write("DMAMUX1.C0CR", GENERATOR0)
    mux.desk.write("DMAMUX1.RG0CR", GE | RISING | EXTI0)
    mux.desk.write("EXTI.RTSR1", 1)
    mux.desk.set("RCC.AHB4ENR", GPIOAEN=1)
    mux.desk.set("GPIOA.MODER", MODE0=0)
    mux.mcu.pins.drive("PA0", level=True)
    assert mux.moved() == 1


@pytest.mark.parametrize(("edges", "counted"), [(1, 2), (2, 1), (3, 3)])
def test_a_generator_counts_the_edges_it_selects(mux: Mux, edges: int, counted: int) -> None:
    mux.desk.write("DMAMUX1.C0CR", GENERATOR0)
    mux.desk.write("DMAMUX1.RG0CR", GE | edges << 17 | EXTI0)
    for level in (True, False, True):
        mux.mcu.triggers.set("EXTI0", level)
        mux.mcu.run_for(PS_PER_US)
    assert mux.moved() == counted


def test_the_overrun_interrupt(mux: Mux, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: set[tuple[str, int]] = set()
    monkeypatch.setattr(
        mux.mcu, "set_irq", lambda core, irq, level: (lines.add if level else lines.discard)((core, irq))
    )
    mux.desk.write("DMAMUX1.RG0CR", GE | OIE | RISING | 4 << 19 | EXTI0)
    mux.trigger()
    assert not lines
    mux.trigger()
    assert lines == {("cm7", 102), ("cm4", 102)}
    mux.desk.write("DMAMUX1.RGCFR", 1)
    assert not lines


def test_a_reset_forgets_everything(mux: Mux) -> None:
    mux.desk.write("DMAMUX1.C0CR", GENERATOR0)
    mux.desk.write("DMAMUX1.RG0CR", GE | RISING | EXTI0)
    mux.desk.set("RCC.AHB1RSTR", DMA1RST=1)
    mux.desk.set("RCC.AHB1RSTR", DMA1RST=0)
    assert mux.desk.read("DMAMUX1.C0CR") == mux.desk.read("DMAMUX1.RG0CR") == 0
    assert not mux.mcu.triggers.heard("EXTI0")
