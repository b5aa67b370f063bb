"""What the timers of the chip have, and how they are connected.

Sources: RM0399 chapters 40 to 44, tables 353, 358, 361 and 366. ITR4 to ITR8 of TIM2, TIM3 and TIM5 come from
Ethernet, USB and FDCAN, which make no signal here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TimerFeatures:
    """One timer."""

    bus: str
    """The APB clock it belongs to, ``"pclk1"`` or ``"pclk2"``."""
    lines: tuple[str, str, str, str]
    """Interrupt lines of update; trigger and COM; capture/compare; break."""
    channels: int = 0
    """Channels with a pin; 5 and 6 of the advanced timers are inside only."""
    complementary: int = 0
    """Channels, from 1 on, that have a complementary output."""
    internal: int = 0
    """Channels without a pin."""
    wide: bool = False
    """Whether it counts 32 bits."""
    centre: bool = False
    """Whether it counts up and down, and encoders."""
    triggers: tuple[str, ...] = ()
    """The signals at ITR0 to ITR3; none if it cannot be a slave."""
    breaks: bool = False
    """Whether its outputs need MOE and can be broken."""

    @property
    def largest(self) -> int:
        """The largest count."""
        return 0xFFFF_FFFF if self.wide else 0xFFFF


def _one_line(line: str) -> tuple[str, str, str, str]:
    return line, line, line, line


def _trgo(*timers: int) -> tuple[str, ...]:
    return tuple(f"TIM{timer}_TRGO" for timer in timers)


def _general(number: int, *masters: int, wide: bool = False) -> TimerFeatures:
    return TimerFeatures(
        "pclk1", _one_line(f"TIM{number}"), 4, centre=True, wide=wide, triggers=_trgo(*masters)
    )


def _advanced(lines: tuple[str, str, str, str], *masters: int) -> TimerFeatures:
    return TimerFeatures(
        "pclk2", lines, 4, complementary=3, internal=2, centre=True, triggers=_trgo(*masters), breaks=True
    )


FEATURES = {
    "TIM1": _advanced(("TIM1_UP", "TIM1_TRG_COM", "TIM1_CC", "TIM1_BRK"), 15, 2, 3, 4),
    "TIM2": _general(2, 1, 8, 3, 4, wide=True),
    "TIM3": _general(3, 1, 2, 15, 4),
    "TIM4": _general(4, 1, 2, 3, 8),
    "TIM5": _general(5, 1, 8, 3, 4, wide=True),
    "TIM6": TimerFeatures("pclk1", _one_line("TIM6_DAC")),
    "TIM7": TimerFeatures("pclk1", _one_line("TIM7")),
    "TIM8": _advanced(("TIM8_UP_TIM13", "TIM8_TRG_COM_TIM14", "TIM8_CC", "TIM8_BRK_TIM12"), 1, 2, 4, 5),
    "TIM12": TimerFeatures(
        "pclk1",
        _one_line("TIM8_BRK_TIM12"),
        2,
        triggers=(*_trgo(4, 5), "TIM13_OC1", "TIM14_OC1"),
    ),
    "TIM13": TimerFeatures("pclk1", _one_line("TIM8_UP_TIM13"), 1),
    "TIM14": TimerFeatures("pclk1", _one_line("TIM8_TRG_COM_TIM14"), 1),
    "TIM15": TimerFeatures(
        "pclk2",
        _one_line("TIM15"),
        2,
        complementary=1,
        triggers=(*_trgo(1, 3), "TIM16_OC1", "TIM17_OC1"),
        breaks=True,
    ),
    "TIM16": TimerFeatures("pclk2", _one_line("TIM16"), 1, complementary=1, breaks=True),
    "TIM17": TimerFeatures("pclk2", _one_line("TIM17"), 1, complementary=1, breaks=True),
}
