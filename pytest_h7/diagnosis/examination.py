"""Reads of a connected chip what the doctor reports, without changing anything that stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_h7.board.access_port import AccessPort
from pytest_h7.board.clocks import PeripheralClocks
from pytest_h7.board.core import Core, CoreState
from pytest_h7.board.domains import Domains
from pytest_h7.board.hsem import Hsem
from pytest_h7.board.option_registers import OptionReader
from pytest_h7.board.registers import Registers
from pytest_h7.chip.coresight import DBGMCU_AP2_ADDRESS, access_ports
from pytest_h7.chip.memory import FLASH_SIZE_ADDRESS, UNIQUE_ID_ADDRESS
from pytest_h7.chip.option_bytes import OPTION_BYTES
from pytest_h7.chip.registers import peripheral, private_peripheral
from pytest_h7.diagnosis.facts import PORTS
from pytest_h7.diagnosis.report import (
    Chip,
    CoreReport,
    DebugConfiguration,
    FlashedImage,
    PortReport,
    SupplyReport,
)
from pytest_h7.diagnosis.rules import is_vector_table
from pytest_h7.errors import H7Error, TargetAccessError

if TYPE_CHECKING:
    from pytest_h7.bench.clock import Clock
    from pytest_h7.bench.connection import Connection
    from pytest_h7.board.images import Image, ImagePair
    from pytest_h7.chip.boards import BoardDescription

_REVISIONS = {0x1001: "Z", 0x1003: "Y", 0x2001: "X", 0x2003: "V"}
"""REV_ID of DBGMCU_IDCODE (RM0399 63.5.8)."""

_IDCODE, _DBGMCU_CR = (peripheral("DBGMCU").registers[name] for name in ("IDCODE", "CR"))
_CR3, _CSR1, _D3CR = (peripheral("PWR").registers[name] for name in ("CR3", "CSR1", "D3CR"))
_RSR = peripheral("RCC_C1").registers["RSR"]
_SCS = private_peripheral("cm7", "SCS").registers
_DHCSR, _DCRSR, _DCRDR, _DEMCR = (_SCS[name] for name in ("DHCSR", "DCRSR", "DCRDR", "DEMCR"))
_PCSR = private_peripheral("cm7", "DWT").registers["PCSR"]
_PC = 15
_NO_SAMPLE = 0xFFFF_FFFF
_COMPARED = 16 * 1024
"""Bytes at the begin of an image that are compared with flash: enough to tell builds apart, and quick."""


class Examination:
    """Looks at one chip.

    Args:
        connection: A connection that has attached no core.
        clock: Board time.
        pair: The images that may be in flash.
    """

    def __init__(self, connection: Connection, clock: Clock, pair: ImagePair) -> None:
        self.connection = connection
        self.ports = [AccessPort(connection, info.apsel) for info in access_ports()]
        self._pair = pair
        self._images: dict[str, Image | None] = {"cm7": None, "cm4": None}
        self._registers = Registers(connection, PeripheralClocks(connection))
        self.cores = {
            name: Core(name, connection, clock, self.ports[apsel], lambda name=name: self._images[name])  # type: ignore[misc]
            for name, apsel in PORTS.items()
        }

    # -- the chip ---------------------------------------------------------------------------------

    def access_port(self, port: AccessPort) -> PortReport:
        """Return what an access port is, and whether it gives access."""
        info = access_ports()[port.apsel]
        try:
            idr: int | None = port.idr
        except TargetAccessError:
            idr = None
        return PortReport(port.apsel, info.reaches, idr, info.idr, port.readable)

    def chip(self) -> Chip | None:
        """Return what the chip is; None where AP2 does not answer."""
        word = self._word(2, DBGMCU_AP2_ADDRESS + _IDCODE.offset)
        if not word:
            return None
        revision = _IDCODE.fields["REV_ID"].extract(word)
        unique = self._words(0, UNIQUE_ID_ADDRESS, 3)
        size = self._word(0, FLASH_SIZE_ADDRESS)
        flags = self._word(1, _RSR.address) or 0
        return Chip(
            device_id=_IDCODE.fields["DEV_ID"].extract(word),
            revision_id=revision,
            revision=_REVISIONS.get(revision, "unknown"),
            unique_id="".join(f"{part:08X}" for part in unique) if unique and any(unique) else None,
            flash_kib=size & 0xFFFF if size else None,
            reset_flags=[
                name for name, field in _RSR.fields.items() if name.endswith("RSTF") and field.extract(flags)
            ],
        )

    def supply(self, board: BoardDescription) -> SupplyReport | None:
        """Return the core supply; None where AP1 does not answer."""
        words = [self._word(1, register.address) for register in (_CR3, _CSR1, _D3CR)]
        chosen, status, scale = words
        if chosen is None or status is None or not scale:
            return None
        names = {"SMPSEN": "smps", "LDOEN": "ldo", "BYPASS": "external"}
        selected = [text for name, text in names.items() if _CR3.fields[name].extract(chosen)]
        return SupplyReport(
            pwr_cr3=chosen,
            selected="+".join(selected) or "none",
            board=board.supply.value,
            ready=bool(_CSR1.fields["ACTVOSRDY"].extract(status)),
            voltage_scale=4 - _D3CR.fields["VOS"].extract(scale),
        )

    def option_bytes(self) -> dict[str, int] | None:
        """Return all option bytes in force; None where neither core has a clock to read them with."""
        try:
            return OptionReader(self.connection).read(OPTION_BYTES.values())
        except TargetAccessError:
            return None

    def debug_configuration(self) -> DebugConfiguration | None:
        """Return what DBGMCU keeps clocked; None where AP2 does not answer."""
        word = self._word(2, DBGMCU_AP2_ADDRESS + _DBGMCU_CR.offset)
        if word is None:
            return None
        keeps = [name for name, field in _DBGMCU_CR.fields.items() if field.extract(word)]
        return DebugConfiguration(word, keeps)

    def domains(self) -> dict[str, str]:
        """Return the state of each power domain."""
        views = Domains(self.connection)
        return {view.name: view.state.value for view in (views.d1, views.d2, views.d3)}

    def semaphores(self) -> dict[int, str] | None:
        """Return who has which hardware semaphore; None where HSEM has no clock."""
        try:
            return Hsem(self._registers).owners()
        except TargetAccessError:
            return None

    # -- what is in flash ---------------------------------------------------------------------------

    def flash(self, options: dict[str, int]) -> list[FlashedImage]:
        """Return what each core boots from; an image that is recognised gives symbols from now on."""
        return [self._boot_image(name, options) for name in PORTS]

    def _boot_image(self, core: str, options: dict[str, int]) -> FlashedImage:
        address = options[f"BOOT_{core.upper()}_ADD0"] << 16
        vectors = self._read_flash(address, 8)
        stack = start = None
        if vectors is not None:
            stack, start = (int.from_bytes(vectors[place : place + 4], "little") for place in (0, 4))
        image: Image = getattr(self._pair, core)
        recognised = vectors is not None and self._holds(image)
        self._images[core] = image if recognised else None
        can_start = stack is not None and start is not None and is_vector_table(stack, start)
        return FlashedImage(core, address, stack, start, can_start, image.path.name if recognised else None)

    def _holds(self, image: Image) -> bool:
        left = _COMPARED
        for segment in image.segments:
            wanted = segment.data[:left]
            if wanted and self._read_flash(segment.address, len(wanted)) != wanted:
                return False
            left -= len(wanted)
        return True

    def _read_flash(self, address: int, length: int) -> bytes | None:
        """Read through the port of a core that has a clock."""
        for apsel in PORTS.values():
            if not self.ports[apsel].readable:
                continue
            try:
                return self.connection.read_bytes(apsel, address, (length + 3) & ~3)[:length]
            except TargetAccessError:
                continue
        return None

    # -- the cores ----------------------------------------------------------------------------------

    def core(self, name: str) -> CoreReport:
        """Return what a core does; a running one is not disturbed."""
        core = self.cores[name]
        state = core.state
        if state is CoreState.HELD:
            return CoreReport(name, state.value, None, None)
        # Under NRST the CM7's debug registers answer for a core that does nothing.
        if state is CoreState.UNREACHABLE or not self.ports[PORTS[name]].readable:
            return CoreReport(name, CoreState.UNREACHABLE.value, None, None)
        try:
            fault = core.fault
        except H7Error:
            fault = None
        return CoreReport(name, state.value, self._location(name, state), str(fault) if fault else None)

    def function(self, name: str) -> str | None:
        """Return the function that a core is in, None where that cannot be told."""
        image, address = self._images[name], self._program_counter(name, self.cores[name].state)
        found = image.debug_info.function_at(address) if image and address is not None else None
        return found.name if found else None

    def _location(self, name: str, state: CoreState) -> str | None:
        address = self._program_counter(name, state)
        if address is None:
            return None
        image = self._images[name]
        return image.debug_info.describe(address) if image else f"0x{address:08X}"

    def _program_counter(self, name: str, state: CoreState) -> int | None:
        """Return where a core is: of a halted one exactly, of a running one a sample."""
        apsel = PORTS[name]
        if state not in (CoreState.HALTED, CoreState.RUNNING):
            return None
        try:
            if state is CoreState.HALTED:
                # Selecting a register for reading changes nothing (Arm DDI0403E C1.6.3).
                self.connection.write_word(apsel, _DCRSR.address, _PC)
                return self.connection.read_word(apsel, _DCRDR.address) & ~1
            with self._trace_enabled(apsel):
                sample = self.connection.read_word(apsel, _PCSR.address)
        except TargetAccessError:
            return None
        return None if sample in (0, _NO_SAMPLE) else sample & ~1

    @contextmanager
    def _trace_enabled(self, apsel: int) -> Iterator[None]:
        """The DWT samples the program counter only with DEMCR.TRCENA (Arm DDI0403E C1.6.5)."""
        found = self.connection.read_word(apsel, _DEMCR.address)
        enabled = _DEMCR.fields["TRCENA"].mask
        if found & enabled:
            yield
            return
        self.connection.write_word(apsel, _DEMCR.address, found | enabled)
        try:
            yield
        finally:
            self.connection.write_word(apsel, _DEMCR.address, found)

    # -- reading --------------------------------------------------------------------------------------

    def _word(self, apsel: int, address: int) -> int | None:
        words = self._words(apsel, address, 1)
        return words[0] if words is not None else None

    def _words(self, apsel: int, address: int, count: int) -> list[int] | None:
        try:
            return self.connection.read_words(apsel, address, count)
        except TargetAccessError:
            return None
