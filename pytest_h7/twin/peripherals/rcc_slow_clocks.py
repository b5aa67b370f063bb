"""LSE and LSI, and the clock of the RTC: RCC_BDCR and RCC_CSR (RM0399 9.4.6, 9.5.2, 9.7.25 and 9.7.26)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_S, PS_PER_US

if TYPE_CHECKING:
    from pytest_h7.twin.peripherals.rcc import Rcc
    from pytest_h7.twin.timeline import Event

LSE_HZ = 32_768
LSI_HZ = 32_000

# Bits of BDCR; LSION and LSIRDY of CSR are bits 0 and 1, too.
_ON, _READY, _LSEBYP, _LSEDRV, _LSECSSON = 1 << 0, 1 << 1, 1 << 2, 3 << 3, 1 << 5
_LSECSSD, _RTCSEL, _RTCEN, _BDRST = 1 << 6, 3 << 8, 1 << 15, 1 << 16
_RTC_ON_LSE, _RTC_ON_LSI, _RTC_ON_HSE = (_RTCEN | source << 8 for source in (1, 2, 3))

_START_UP = {"BDCR": 300 * PS_PER_MS, "CSR": 100 * PS_PER_US}
"""Time from ON to RDY: assumptions in the order of what is seen and of the data sheet's typical values."""
_SHUT_DOWN = {"BDCR": 6 * PS_PER_S // LSE_HZ, "CSR": 3 * PS_PER_S // LSI_HZ}
"""Time from ON cleared to RDY cleared: cycles of the oscillator (RM0399 9.7.25, 9.7.26)."""


class SlowClocks:
    """The oscillators of the registers BDCR (LSE) and CSR (LSI), and who wants them.

    LSE has a crystal on the board, and so no clock in bypass mode. Its security system finds nothing.
    """

    def __init__(self, rcc: Rcc) -> None:
        self._rcc = rcc
        self._wanted = dict.fromkeys(_START_UP, False)
        self._running = dict.fromkeys(_START_UP, False)
        self._changes: dict[str, Event | None] = dict.fromkeys(_START_UP)
        self._requests: set[str] = set()

    # -- registers ------------------------------------------------------------------------------

    def write_bdcr(self, value: int) -> None:
        """Write BDCR: RTCSEL once, LSEDRV and LSEBYP while LSE is off; BDRST keeps all of it in reset."""
        rcc, old = self._rcc, self._rcc["BDCR"]
        if value & _BDRST:
            self.reset_backup_domain()
            rcc["BDCR"] = _BDRST
            return
        kept = _READY | _LSECSSD
        if old & _RTCSEL:
            kept |= _RTCSEL
        if old & _ON:
            kept |= _LSEDRV | _LSEBYP
        rcc["BDCR"] = value & rcc.implemented("BDCR") & ~kept | old & (kept | _LSECSSON)
        self.update()
        rcc.mcu.clocks_changed()

    def write_csr(self, value: int) -> None:
        """Write CSR."""
        self._rcc["CSR"] = value & _ON | self._rcc["CSR"] & _READY
        self.update()

    def reset_backup_domain(self) -> None:
        """Reset BDCR and the RTC (RM0399 9.4.6)."""
        self._rcc["BDCR"] = 0
        self._rcc.mcu.rtc.reset_backup_domain()
        self.update()
        self._rcc.mcu.clocks_changed()

    def power_on_reset(self) -> None:
        """Begin without any oscillator, and with a backup domain that had no supply, either."""
        for register, change in self._changes.items():
            if change is not None:
                change.cancel()
            self._wanted[register] = self._running[register] = False
            self._rcc[register] = 0
        self.reset_backup_domain()

    def keep_backup_domain(self, bdcr: int) -> None:
        """Take over a backup domain that had its supply all the time; LSE, if it is on, has started."""
        self._rcc["BDCR"] = bdcr & ~_READY
        self._wanted["BDCR"] = self._running["BDCR"] = self._wants("BDCR")
        self.update()
        self._rcc.mcu.clocks_changed()

    # -- oscillators ----------------------------------------------------------------------------

    def request_lsi(self, peripheral: str, *, wanted: bool) -> None:
        """Keep LSI on for a peripheral, whatever LSION says: for a watchdog that was started."""
        (self._requests.add if wanted else self._requests.discard)(peripheral)
        self.update()

    def _wants(self, register: str) -> bool:
        value = self._rcc["BDCR"]
        if register == "BDCR":
            return value & (_ON | _LSEBYP) == _ON
        return bool(self._rcc["CSR"] & _ON or self._requests or value & (_RTCEN | _RTCSEL) == _RTC_ON_LSI)

    def update(self) -> None:
        """Start and stop oscillators, as the registers and the watchdogs want them."""
        for register, running in self._running.items():
            wanted = self._wants(register)
            if running:
                self._rcc[register] |= _READY
            if wanted is self._wanted[register]:
                continue
            self._wanted[register] = wanted
            change = self._changes[register]
            if change is not None:
                change.cancel()
            if wanted is not running:
                delay = (_START_UP if wanted else _SHUT_DOWN)[register]
                self._changes[register] = self._rcc.mcu.schedule(delay, partial(self._settle, register))

    def _settle(self, register: str) -> None:
        self._running[register] = self._wanted[register]
        self._rcc[register] = self._rcc[register] & ~_READY | (_READY if self._running[register] else 0)
        if self._running[register]:
            self._rcc.note_ready("LSE" if register == "BDCR" else "LSI")
        self._rcc.mcu.clocks_changed()

    @property
    def lsi_hz(self) -> int:
        """Frequency of LSI in Hz, 0 while it does not run."""
        return LSI_HZ if self._running["CSR"] else 0

    def rtc_clock(self) -> tuple[int, int]:
        """Return frequency in Hz and divider of RTCCLK; 0 Hz while there is none.

        HSE does not run in Stop; RTCPRE 0 and 1 give no clock (RM0399 9.5.8, 9.7.6).
        """
        rcc = self._rcc
        selected = rcc["BDCR"] & (_RTCEN | _RTCSEL)
        if selected == _RTC_ON_LSE and self._running["BDCR"]:
            return LSE_HZ, 1
        if selected == _RTC_ON_LSI:
            return self.lsi_hz, 1
        if selected == _RTC_ON_HSE and rcc.field("CR", "HSERDY") and rcc.mcu.domain_state("D3") == "run":
            divider = rcc.field("CFGR", "RTCPRE")
            return (rcc.hse_hz, divider) if divider > 1 else (0, 1)
        return 0, 1
