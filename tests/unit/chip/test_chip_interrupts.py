"""Interrupt lines of both cores (RM0399 chapter 20)."""

from __future__ import annotations

import pytest

from pytest_h7.chip.interrupts import IRQ_LINES, exception_name, irq_name, irq_number

CORES = ("cm7", "cm4")


@pytest.mark.parametrize(
    ("irq", "name"),
    [
        (4, "FLASH"),
        (5, "RCC"),
        (6, "EXTI0"),
        (10, "EXTI4"),
        (23, "EXTI9_5"),
        (28, "TIM2"),
        (39, "USART3"),
        (40, "EXTI15_10"),
        (81, "FPU"),
        (149, "WAKEUP_PIN"),
    ],
)
def test_line_of_both_cores(irq: int, name: str) -> None:
    for core in CORES:
        assert irq_name(core, irq) == name
        assert irq_number(core, name) == irq


@pytest.mark.parametrize(
    ("irq", "cm7", "cm4"),
    [
        (0, "WWDG1", "WWDG2"),
        (64, None, "CM7_SEV"),
        (65, "CM4_SEV", None),
        (125, "HSEM1", None),
        (126, None, "HSEM2"),
        (42, None, None),
        (123, None, None),
    ],
)
def test_line_that_differs_or_is_not_there(irq: int, cm7: str | None, cm4: str | None) -> None:
    assert irq_name("cm7", irq) == cm7
    assert irq_name("cm4", irq) == cm4


def test_lines_that_differ_between_the_cores() -> None:
    differing = {irq for irq in range(IRQ_LINES) if irq_name("cm7", irq) != irq_name("cm4", irq)}
    assert differing == {0, 64, 65, 125, 126}


@pytest.mark.parametrize("core", CORES)
def test_names_are_unique(core: str) -> None:
    names = [name for irq in range(IRQ_LINES) if (name := irq_name(core, irq))]
    assert len(set(names)) == len(names)


def test_number_of_a_line_that_a_core_does_not_have() -> None:
    with pytest.raises(KeyError, match="cm7 has no interrupt line HSEM2"):
        irq_number("cm7", "HSEM2")


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "Thread"),
        (3, "HardFault"),
        (7, "exception 7"),
        (15, "SysTick"),
        (16 + 40, "IRQ 40 (EXTI15_10)"),
        (16 + 42, "IRQ 42"),
        (16 + 150, "IRQ 150"),
        (511, "IRQ 495"),
    ],
)
def test_name_of_an_exception(number: int, name: str) -> None:
    assert exception_name("cm4", number) == name
