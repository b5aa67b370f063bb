"""Random accesses to every register from every bus master: nothing may break the virtual chip.

Used by test_random_accesses.py; at length as ``python tests/twin/random_accesses.py --accesses 1000000``.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
from dataclasses import dataclass

from pytest_h7.chip.memory import MEMORIES
from pytest_h7.chip.registers import PeripheralMap, peripheral, peripheral_names
from pytest_h7.twin.access_port import AccessPortBusy
from pytest_h7.twin.board import VirtualBoard
from pytest_h7.twin.bus import BusFault, Master
from pytest_h7.twin.pins import PinContention
from pytest_h7.twin.power_domains import CpuMode
from pytest_h7.twin.timeline import PS_PER_MS, PS_PER_US

WORD = 0xFFFF_FFFF
_CORES = (Master.CM7, Master.CM4)
_ENABLES = (
    "AHB1ENR",
    "AHB2ENR",
    "AHB3ENR",
    "AHB4ENR",
    "APB1LENR",
    "APB1HENR",
    "APB2ENR",
    "APB3ENR",
    "APB4ENR",
)
_LOCK = 1 << 31


class Broken(AssertionError):
    """The chip is in a state that no chip can be in."""


@dataclass(frozen=True)
class Access:
    """One access: `way` 0 and 1 are the cores, 2 to 5 AP0 to AP3."""

    way: int
    address: int
    size: int
    value: int | None
    """What is written; None reads."""


def maps() -> list[PeripheralMap]:
    """Return all peripherals, those that answer by core included."""
    return [unit for unit in map(peripheral, peripheral_names()) if unit.registers]


def random_access(choose: random.Random, units: list[PeripheralMap]) -> Access:
    """Choose an access: mostly a word of a listed register, sometimes another size, a hole, or nowhere."""
    unit = choose.choice(units)
    register = choose.choice(list(unit.registers.values()))
    address, size = register.address, 4
    if choose.random() < 0.1:
        size = choose.choice((1, 2))
        address += choose.randrange(0, 4, size)
    elif choose.random() < 0.05:
        address = unit.base + 4 * choose.randrange(0x100)
    value = None
    if choose.random() < 0.7:
        kinds = (
            lambda: choose.getrandbits(32),
            lambda: 1 << choose.randrange(32),
            lambda: register.reset ^ 1 << choose.randrange(32),
            lambda: choose.randrange(16),
            lambda: WORD,
        )
        value = choose.choice(kinds)() & (1 << 8 * size) - 1
    return Access(choose.randrange(6), address, size, value)


class Victim:
    """A board that all kinds of things are done to."""

    def __init__(self) -> None:
        self.board = VirtualBoard()
        self.board.sleep(0.001)
        self.accesses = 0
        self._enable_everything()

    def _enable_everything(self) -> None:
        """Clock every peripheral, so that accesses reach it."""
        for bank in ("RCC_C1", "RCC_C2"):
            for name in _ENABLES:
                register = peripheral(bank).registers[name]
                enables = sum(field.mask for field in register.fields.values())
                self.board.mcu.write(register.address, 4, enables, Master.AP1)

    def do(self, access: Access) -> None:
        """Access; a bus error is an answer, anything else that is raised is not."""
        self.accesses += 1
        try:
            if access.way < 2:
                self._by_core(_CORES[access.way], access)
            else:
                self._by_port(access.way - 2, access)
        except (BusFault, AccessPortBusy, PinContention):
            pass

    def _by_core(self, master: Master, access: Access) -> None:
        mcu = self.board.mcu
        if access.value is None:
            value = mcu.read(access.address, access.size, master)
            if not 0 <= value < 1 << 8 * access.size:
                raise Broken(f"{access} reads {value:#x}")
        else:
            mcu.write(access.address, access.size, access.value, master)

    def _by_port(self, apsel: int, access: Access) -> None:
        port = self.board.stlink.debug_port.access_ports[apsel]
        if access.value is None:
            port.load(access.address, access.size)
        else:
            port.store(access.address, access.size, access.value)

    def live(self, picoseconds: int) -> None:
        """Let time pass."""
        before = self.board.mcu.now
        try:
            self.board.mcu.run_for(picoseconds)
        except PinContention:
            return
        if self.board.mcu.now != before + picoseconds:
            raise Broken(f"time went from {before} to {self.board.mcu.now}, not on by {picoseconds}")

    def recover(self) -> None:
        """Cut the power, and clock every peripheral again."""
        self.board.power_cycle(0.0001)
        self.board.sleep(0.0005)
        self._enable_everything()

    def go_back(self) -> None:
        """Save the board, live on, put it back, and live the same once more."""
        snapshot = self.board.take_snapshot()
        futures = []
        for _ in range(2):
            self.live(300 * PS_PER_US)
            futures.append(self._state())
            self.board.restore(snapshot)
        if futures[0] != futures[1]:
            different = [name for name, value in futures[0].items() if value != futures[1][name]]
            raise Broken(f"after a restore, {', '.join(different)} came out otherwise")

    def _state(self) -> dict[str, object]:
        mcu = self.board.mcu
        state: dict[str, object] = {
            f"{name}.{register.name}": mcu.peripherals[name][register.name]
            for name, unit in ((name, peripheral(name)) for name in mcu.peripherals)
            for register in unit.registers.values()
        }
        for name, core in mcu.cores.items():
            state[name] = core.cycles, core.registers()
        for memory in MEMORIES:
            state[memory.name] = hashlib.sha256(mcu.memory(memory.name)).digest()
        state["domains"] = tuple(mcu.domains.states.items())
        return state

    def check(self) -> None:
        """Look for states that cannot be."""
        mcu = self.board.mcu
        for number in range(32):
            value = mcu.hsem[f"R{number}"]
            if value & _LOCK and value >> 8 & 0xF not in (1, 3):
                raise Broken(f"semaphore {number} is locked by nobody: {value:#010x}")
        for core, domain in (("cm7", "D1"), ("cm4", "D2")):
            if mcu.mode(core) is CpuMode.RUN and mcu.domain_state(domain) != "run":
                raise Broken(f"{core} runs in {domain}, which is in {mcu.domain_state(domain)}")
            if mcu.powered and mcu.clock_hz(core) <= 0:
                raise Broken(f"the clock of {core} is {mcu.clock_hz(core)} Hz")
        if mcu.domain_state("D3") != "run" and "run" in (mcu.domain_state("D1"), mcu.domain_state("D2")):
            raise Broken("D3 is stopped while another domain runs")


def torture(seed: int, accesses: int) -> Victim:
    """Do that many random accesses, with time passing between them."""
    choose = random.Random(seed)
    units = maps()
    victim = Victim()
    while victim.accesses < accesses:
        for _ in range(choose.randrange(1, 40)):
            victim.do(random_access(choose, units))
        victim.live(choose.choice((0, PS_PER_US, 20 * PS_PER_US, PS_PER_MS)))
        victim.check()
        if choose.random() < 0.03:
            victim.go_back()
        if choose.random() < 0.02:
            victim.recover()
    return victim


def main() -> int:
    """Torture chips; each seed is one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accesses", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    share = 20_000
    for seed in range(options.seed, options.seed + max(1, options.accesses // share)):
        torture(seed, share)
    sys.stdout.write(f"{options.accesses} random accesses, nothing broken\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
