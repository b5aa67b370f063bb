"""Cross triggers: a debugger that halts and restarts both cores together, through the debug port."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_h7.twin.debug_port import CDBGPWRUPREQ, CTRL_STAT, DebugPort
from pytest_h7.twin.mcu import Mcu

CONTROL, INTACK, APPSET, APPCLEAR, APPPULSE = 0x000, 0x010, 0x014, 0x018, 0x01C
INEN, OUTEN, TRIGINSTATUS, TRIGOUTSTATUS, CHINSTATUS, CHOUTSTATUS, GATE = (
    0x20,
    0xA0,
    0x130,
    0x134,
    0x138,
    0x13C,
    0x140,
)
HALTED, DEBUG_REQUEST, RESTART = 0, 0, 7
CTI, SYSTEM_CTI = 0xE004_3000, 0xE00F_1000
DFSR, DHCSR, DEMCR, DFSR_EXTERNAL = 0xE000_ED30, 0xE000_EDF0, 0xE000_EDFC, 1 << 4
C_DEBUGEN, C_HALT, S_HALT, DBGKEY = 1, 2, 1 << 17, 0xA05F_0000
DWT_CTRL, DWT_CYCCNT, DWT_COMP0, DWT_FUNCTION0 = 0xE000_1000, 0xE000_1004, 0xE000_1020, 0xE000_1028
TRCENA, CYCCNTENA, CYCMATCH, WATCHPOINT = 1 << 24, 1, 1 << 7, 4
DBGMCU_CR, D1DBGCKEN, DBGSLEEP = 0xE00E_1004, 1 << 21, 1 << 0 | 1 << 3
APSEL = {"cm7": 0, "cm4": 3}
OTHER = {"cm7": "cm4", "cm4": "cm7"}
HALT_CHANNEL, RESTART_CHANNEL = 0, 1
LATEST = {"cm7": 16, "cm4": 1}
"""Cycles of its own by which a core halts later than the other one, at most."""

COUNT = "void program(void) { for (volatile uint32_t i = 0;; i = i + 1) {} }"


class Debugger:
    """Words through the access ports; cores by name, the system's components as ``"system"``."""

    def __init__(self, mcu: Mcu) -> None:
        self.mcu = mcu
        self.port = DebugPort(mcu)
        self.connect()

    def connect(self) -> None:
        """Connect, which each loss of power makes necessary anew."""
        self.port.switch_to_swd()
        self.port.write(CTRL_STAT, CDBGPWRUPREQ)

    def read(self, where: str, address: int) -> int:
        return self.port.burst(APSEL.get(where, 2), lambda port: port.load(address, 4))

    def write(self, where: str, address: int, value: int) -> None:
        self.port.burst(APSEL.get(where, 2), lambda port: port.store(address, 4, value))

    def cti(self, core: str, register: int, value: int) -> None:
        self.write(core, CTI + register, value)

    def is_halted(self, core: str) -> bool:
        return bool(self.read(core, DHCSR) & S_HALT)

    def halt(self, core: str) -> None:
        self.write(core, DHCSR, DBGKEY | C_DEBUGEN | C_HALT)

    def resume(self, core: str) -> None:
        self.write(core, DHCSR, DBGKEY | C_DEBUGEN)

    def acknowledge(self) -> None:
        for core in APSEL:
            self.cti(core, INTACK, 1 << DEBUG_REQUEST)
            self.cti(core, INTACK, 0)

    def restart(self) -> None:
        self.acknowledge()
        self.cti("cm7", APPPULSE, 1 << RESTART_CHANNEL)

    def cycles(self) -> dict[str, int]:
        return {name: core.cycles for name, core in self.mcu.cores.items()}


@pytest.fixture
def debug(run: Callable[..., object]) -> Debugger:
    """Both cores count; they are connected: halted together on channel 0, restarted together on channel 1."""
    debugger = Debugger(run(cm7=COUNT, cm4=COUNT, us=1000).mcu)
    for core in APSEL:
        debugger.resume(core)
        debugger.cti(core, INEN + 4 * HALTED, 1 << HALT_CHANNEL)
        debugger.cti(core, OUTEN + 4 * DEBUG_REQUEST, 1 << HALT_CHANNEL)
        debugger.cti(core, OUTEN + 4 * RESTART, 1 << RESTART_CHANNEL)
        debugger.cti(core, CONTROL, 1)
    return debugger


def stop_after(debug: Debugger, core: str, cycles: int) -> None:
    """Let the watchpoint unit of a core halt it by its cycle counter."""
    for address, value in (
        (DEMCR, TRCENA),
        (DWT_CTRL, CYCCNTENA),
        (DWT_CYCCNT, 0),
        (DWT_COMP0, cycles),
        (DWT_FUNCTION0, CYCMATCH | WATCHPOINT),
    ):
        debug.write(core, address, value)


@pytest.mark.parametrize("core", ["cm7", "cm4"])
def test_both_halt_when_a_debugger_halts_one(debug: Debugger, core: str) -> None:
    before = debug.cycles()
    debug.halt(core)
    assert debug.is_halted(OTHER[core])
    assert debug.read(OTHER[core], DFSR) & DFSR_EXTERNAL
    assert not debug.read(core, DFSR) & DFSR_EXTERNAL
    debug.mcu.run_for(10**9)
    assert debug.cycles() == before


@pytest.mark.parametrize("core", ["cm7", "cm4"])
@pytest.mark.parametrize("cycles", [640, 777, 1003, 3217])
def test_both_halt_when_one_comes_to_a_watchpoint(debug: Debugger, core: str, cycles: int) -> None:
    debug.halt("cm7")
    start = debug.cycles()
    debug.restart()
    stop_after(debug, core, cycles)
    debug.mcu.run_for(10**8)
    ran = {name: now - start[name] for name, now in debug.cycles().items()}
    assert all(debug.is_halted(name) for name in APSEL)
    assert ran[core] == cycles
    assert cycles <= ran[OTHER[core]] <= cycles + LATEST[OTHER[core]]


def test_both_restart_at_once(debug: Debugger) -> None:
    debug.halt("cm4")
    start = debug.cycles()
    debug.restart()
    assert not any(debug.is_halted(core) for core in APSEL)
    debug.mcu.run_for(10**8)
    ran = {core: now - start[core] for core, now in debug.cycles().items()}
    assert ran["cm7"] == ran["cm4"] == 6400


def test_a_debug_request_holds_until_it_is_acknowledged(debug: Debugger) -> None:
    debug.halt("cm7")
    start = debug.cycles()
    debug.resume("cm4")
    assert debug.read("cm4", DHCSR) & (C_HALT | S_HALT) == C_HALT | S_HALT
    debug.mcu.run_for(10**8)
    assert debug.cycles() == start
    assert debug.read("cm4", CTI + TRIGOUTSTATUS) == 1 << DEBUG_REQUEST
    debug.acknowledge()
    assert debug.read("cm4", CTI + TRIGOUTSTATUS) == 0
    debug.resume("cm4")
    debug.mcu.run_for(10**8)
    assert debug.cycles()["cm4"] == start["cm4"] + 6400
    assert debug.is_halted("cm7")


def test_status_of_triggers(debug: Debugger) -> None:
    assert debug.read("cm4", CTI + TRIGINSTATUS) == 0
    debug.halt("cm4")
    assert debug.read("cm4", CTI + TRIGINSTATUS) == 1 << HALTED


def test_the_gate_keeps_channels_in(debug: Debugger) -> None:
    debug.cti("cm7", GATE, 0xF & ~(1 << HALT_CHANNEL))
    debug.halt("cm7")
    assert not debug.is_halted("cm4")
    assert debug.read("cm7", CTI + TRIGOUTSTATUS) == 1 << DEBUG_REQUEST
    debug.acknowledge()
    debug.resume("cm7")
    debug.halt("cm4")
    assert debug.is_halted("cm7")


@pytest.mark.parametrize("disabled", ["cm7", "cm4"])
def test_an_interface_that_is_not_enabled_does_nothing(debug: Debugger, disabled: str) -> None:
    debug.cti(disabled, CONTROL, 0)
    debug.halt("cm7")
    assert not debug.is_halted("cm4")
    assert debug.read("cm7", CTI + TRIGOUTSTATUS) == (0 if disabled == "cm7" else 1)


def test_a_channel_that_is_held(debug: Debugger) -> None:
    debug.cti("cm4", APPSET, 1 << HALT_CHANNEL)
    assert all(debug.is_halted(core) for core in APSEL)
    assert debug.read("cm7", CTI + CHINSTATUS) == 1 << HALT_CHANNEL
    assert debug.read("cm4", CTI + CHOUTSTATUS) == debug.read("cm4", CTI + APPSET) == 1 << HALT_CHANNEL
    debug.acknowledge()
    assert debug.read("cm7", CTI + TRIGOUTSTATUS) == 1 << DEBUG_REQUEST
    debug.cti("cm4", APPCLEAR, 1 << HALT_CHANNEL)
    debug.restart()
    assert not any(debug.is_halted(core) for core in APSEL)


def test_an_output_that_is_connected_to_a_channel_later(debug: Debugger) -> None:
    debug.cti("cm4", OUTEN, 0)
    debug.cti("cm7", APPSET, 1 << HALT_CHANNEL)
    assert not debug.is_halted("cm4")
    debug.cti("cm4", OUTEN, 1 << HALT_CHANNEL)
    assert debug.is_halted("cm4")


def test_the_systems_interface(debug: Debugger) -> None:
    debug.write("system", DBGMCU_CR, D1DBGCKEN)
    debug.write("system", SYSTEM_CTI + CONTROL, 1)
    debug.write("system", SYSTEM_CTI + APPPULSE, 1 << HALT_CHANNEL)
    assert all(debug.is_halted(core) for core in APSEL)
    debug.acknowledge()
    debug.write("system", SYSTEM_CTI + APPPULSE, 1 << RESTART_CHANNEL)
    assert not any(debug.is_halted(core) for core in APSEL)
    debug.write("system", SYSTEM_CTI + APPSET, 1 << 3)
    assert debug.read("cm7", CTI + CHINSTATUS) == debug.read("cm4", CTI + CHINSTATUS) == 1 << 3
    debug.cti("cm7", APPSET, 1 << 2)
    assert debug.read("system", SYSTEM_CTI + CHINSTATUS) == 1 << 2
    assert debug.read("cm4", CTI + CHINSTATUS) == 1 << 2 | 1 << 3
    debug.write("system", SYSTEM_CTI + GATE, 0)
    assert debug.read("cm4", CTI + CHINSTATUS) == 1 << 2


def test_a_core_without_a_debugger_goes_on_and_halts_when_one_comes(debug: Debugger) -> None:
    debug.write("cm4", DHCSR, DBGKEY)
    debug.halt("cm7")
    before = debug.cycles()
    debug.mcu.run_for(10**8)
    assert debug.cycles()["cm4"] > before["cm4"]
    debug.resume("cm4")
    assert debug.is_halted("cm4")


def test_it_survives_a_reset_of_the_system_but_not_of_the_supply(debug: Debugger) -> None:
    debug.mcu.set_nrst(True)
    debug.mcu.set_nrst(False)
    debug.mcu.run_for(10**9)
    assert debug.read("cm4", CTI + OUTEN) == 1 << HALT_CHANNEL
    debug.mcu.power_off()
    debug.mcu.power_on()
    debug.mcu.run_for(10**9)
    debug.connect()
    assert debug.read("cm4", CTI + OUTEN) == 0
    assert debug.read("cm4", CTI + GATE) == 0xF


def test_firmware_halts_the_other_core(run: Callable[..., object]) -> None:
    pulse = """
    void program(void) {
        volatile uint32_t *cti = (void *)0xE0043000;
        cti[0x28] = 0; cti[0] = 1;
        for (volatile uint32_t i = 0; i < 10000; i = i + 1) {}
        cti[7] = 1;
        for (;;) {}
    }"""
    debugger = Debugger(run(cm7=COUNT, cm4=pulse, us=100).mcu)
    debugger.resume("cm7")
    debugger.cti("cm7", CONTROL, 1)
    debugger.cti("cm7", OUTEN + 4 * DEBUG_REQUEST, 1 << 0)
    debugger.mcu.run_for(10**9)
    assert debugger.is_halted("cm7")
    assert not debugger.is_halted("cm4")


@pytest.mark.parametrize("clocked", [True, False])
def test_a_core_that_sleeps(run: Callable[..., object], clocked: bool) -> None:
    """Without its debug clock it hears of it when it wakes up."""
    sleep = """
    void program(void) {
        volatile uint32_t *systick = (void *)0xE000E010;
        systick[1] = 63999; systick[2] = 0; systick[0] = 7;
        for (;;) __asm volatile("wfi");
    }
    void SysTick_Handler(void) {}"""
    mcu = run(cm7=COUNT, cm4=sleep, us=1500).mcu
    debugger = Debugger(mcu)
    debugger.write("system", DBGMCU_CR, D1DBGCKEN | DBGSLEEP)
    for core in APSEL:
        debugger.resume(core)
        debugger.cti(core, CONTROL, 1)
        debugger.cti(core, INEN, 1)
        debugger.cti(core, OUTEN, 1)
    if not clocked:
        debugger.write("system", DBGMCU_CR, D1DBGCKEN)
    assert mcu.cores["cm4"].asleep
    debugger.halt("cm7")
    assert mcu.cores["cm4"].halted == clocked
    mcu.run_for(10**9)
    assert mcu.cores["cm4"].halted
