"""A core as a test sees it: run control, registers, memory, variables and where it is in its source."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_h7.bench.connection import translated_errors
from pytest_h7.board.core_handles import Breakpoint, CoreRegisters, Variable
from pytest_h7.board.faults import Fault, decode_fault, is_imprecise
from pytest_h7.board.frames import Frame, call_frames
from pytest_h7.board.observation import seen, unseen
from pytest_h7.board.unwinding import NEEDED_REGISTERS, unwind
from pytest_h7.board.values import MemoryBlock
from pytest_h7.chip.coresight import CPUID_CM4, CPUID_CM7
from pytest_h7.chip.registers import private_peripheral
from pytest_h7.diagnosis.causes import Cause, Diagnosis
from pytest_h7.diagnosis.explain import explain_open_core
from pytest_h7.errors import CoreUnreachable, H7Error, ImageError, TargetAccessError, WaitTimeout

if TYPE_CHECKING:
    from pytest_h7.bench.clock import Clock
    from pytest_h7.bench.connection import Connection
    from pytest_h7.board.access_port import AccessPort
    from pytest_h7.board.images import Image

_SCS = private_peripheral("cm7", "SCS").registers
_CPUID = _SCS["CPUID"].address
_DHCSR = _SCS["DHCSR"]
_CFSR, _BFAR = _SCS["CFSR"].address, _SCS["BFAR"].address
_ABFSR = 0xE000_EFA8
"""Of the Cortex-M7 alone (Arm DDI0489F section 3.3)."""
_DWT_PCSR = private_peripheral("cm7", "DWT").registers["PCSR"].address
_NO_SAMPLE = 0xFFFF_FFFF
_PART_NAMES = {0xC27: "Cortex-M7", 0xC24: "Cortex-M4"}
_HALT_TIMEOUT = 0.1
_POLL = 0.001
REPORTED_REGISTERS = (*tuple(f"r{number}" for number in range(13)), "sp", "lr", "pc", "xpsr")
"""Registers that a report of a core shows."""


class CoreState(enum.Enum):
    """What a core is doing. The value is the word of reports."""

    RUNNING = "running"
    HALTED = "halted"
    SLEEPING = "sleeping"
    LOCKUP = "locked up"
    HELD = "held"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Cpuid:
    """CPUID of a core (Arm DDI0403E B3.2.3)."""

    value: int

    @property
    def part_name(self) -> str:
        """``"Cortex-M7"`` or ``"Cortex-M4"``."""
        part = self.value >> 4 & 0xFFF
        return _PART_NAMES.get(part, f"part 0x{part:03X}")


class Core:
    """The Cortex-M7 or the Cortex-M4.

    Args:
        name: ``"cm7"`` or ``"cm4"``.
        connection: The debug connection.
        clock: Board time.
        port: The access port in front of the core.
        image: Returns the firmware image that the core runs, None where it is not known.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        clock: Clock,
        port: AccessPort,
        image: Callable[[], Image | None],
    ) -> None:
        self.name = name
        self._connection = connection
        self._clock = clock
        self._port = port
        self._image = image
        self.registers = CoreRegisters(self)

    def __repr__(self) -> str:
        return f"<Core {self.name}>"

    @property
    def apsel(self) -> int:
        """The number of the access port in front of the core."""
        return self._port.apsel

    # -- state ------------------------------------------------------------------------------------

    @property
    def state(self) -> CoreState:
        """What the core is doing now; a core that cannot be reached is a state too."""
        with unseen():
            state = self._state()
        return seen(f"{self.name}.state", state)

    def _state(self) -> CoreState:
        status = self._status()
        if status is None:
            return CoreState.HELD if self._port.explain().is_hold else CoreState.UNREACHABLE
        for flag, state in (
            ("S_LOCKUP", CoreState.LOCKUP),
            ("S_HALT", CoreState.HALTED),
            ("S_SLEEP", CoreState.SLEEPING),
        ):
            if _DHCSR.fields[flag].extract(status):
                return state
        return CoreState.RUNNING

    @property
    def is_halted(self) -> bool:
        """Whether the core is halted by the debugger now; one that cannot be reached is not."""
        with unseen():
            status = self._status()
        is_halted = status is not None and bool(_DHCSR.fields["S_HALT"].extract(status))
        return seen(f"{self.name}.is_halted", is_halted)

    def _status(self) -> int | None:
        """Return DHCSR, None where the core's debug registers do not answer as they should."""
        try:
            status = self._connection.read_word(self._port.apsel, _DHCSR.address)
        except TargetAccessError:
            return None
        # Debug logic without a clock has been seen to answer zeros instead of a fault.
        if status == 0 and not self._port.readable:
            return None
        return status

    @property
    def cpuid(self) -> Cpuid:
        """CPUID, read now; raise CoreUnreachable where the core cannot be read."""
        try:
            value = self._connection.read_word(self._port.apsel, _CPUID)
        except TargetAccessError:
            value = 0
        if value not in (CPUID_CM7, CPUID_CM4):
            raise self._unreachable("read its CPUID")
        return Cpuid(value)

    def explain(self) -> Diagnosis:
        """Return why the core cannot be reached, or what is wrong with one that can; `Cause.NONE` if nothing."""
        found = self._port.explain()
        if found.cause is not Cause.NONE:
            return found
        return explain_open_core(self._connection, self.name, self._function())

    def _function(self) -> str | None:
        """Return the name of the function that it is in, None where that cannot be told."""
        image = self._image()
        try:
            found = image.debug_info.function_at(self.pc) if image is not None else None
        except (H7Error, KeyError):
            return None
        return found.name if found is not None else None

    def _unreachable(self, doing: str) -> CoreUnreachable:
        return CoreUnreachable(f"Could not {doing}: {self.name} is unreachable. {self._port.explain()}")

    @contextmanager
    def control(self, doing: str) -> Iterator[Any]:
        """Give pyOCD's object for this core, attached now if it was not; translate its errors."""
        from pyocd.core import exceptions

        with translated_errors(f"{doing} ({self.name})"):
            driver = self._connection.core(self._port.apsel)
            if driver is None:
                raise self._unreachable(doing)
            try:
                yield driver
            except exceptions.CoreRegisterAccessError as error:
                if not self._port.readable:
                    raise self._unreachable(doing) from error
                raise H7Error(f"Could not {doing}: {self.name} is not halted.") from error
            except exceptions.TransferError as error:
                if not self._port.readable:
                    raise self._unreachable(doing) from error
                raise

    def _doing(self, what: str) -> AbstractContextManager[None]:
        return self._connection.actions.doing(f"{self.name}: {what}")

    # -- run control ------------------------------------------------------------------------------

    def halt(self) -> None:
        """Halt the core; does nothing when it is halted already."""
        with self._doing("halt"):
            with self.control("halt the core") as driver:
                driver.halt()
            self.wait_halted(_HALT_TIMEOUT, "halt")

    def resume(self) -> None:
        """Let the core run; does nothing when it runs already."""
        if self.state_or_raise("resume the core") in (CoreState.HALTED, CoreState.LOCKUP):
            with self._doing("resume"), self.control("resume the core") as driver:
                driver.resume()

    def state_or_raise(self, doing: str) -> CoreState:
        """Return the state; raise CoreUnreachable where there is no reachable core."""
        state = self.state
        if state in (CoreState.UNREACHABLE, CoreState.HELD):
            raise self._unreachable(doing)
        return state

    def step(self) -> None:
        """Execute one instruction; interrupts stay pending meanwhile. The core must be halted.

        Raises:
            WaitTimeout: the core runs on, because it was reset meanwhile or its instruction takes for ever.
        """
        if self.state_or_raise("step the core") is not CoreState.HALTED:
            raise H7Error(f"Could not step the core: {self.name} is not halted.")
        deadline = self._clock.time() + _HALT_TIMEOUT
        has_timed_out = False

        def times_out() -> bool:
            nonlocal has_timed_out
            has_timed_out = self._clock.time() >= deadline
            return has_timed_out

        with self._doing("step"), self.control("step the core") as driver:
            driver.step(disable_interrupts=True, hook_cb=times_out)
        if has_timed_out:
            self.wait_halted(0.0, "finish the step")

    def wait_halted(self, timeout: float, what: str) -> None:
        """Wait until the core has halted; raise WaitTimeout otherwise (board time, seconds)."""
        __tracebackhide__ = True
        deadline = self._clock.time() + timeout
        while not self.is_halted:
            if self._clock.time() >= deadline:
                raise WaitTimeout(
                    f"{self.name} did not {what} within {timeout:g} s: it is {self.state.value}"
                    f"{self._where()}."
                )
            self._clock.sleep(_POLL)

    def _where(self) -> str:
        location = self.location
        return f" in {location}" if location else ""

    def run_until(self, where: str | int, timeout: float = 1.0) -> None:
        """Run to a function, symbol or address and halt there.

        Args:
            where: A symbol of the core's image, or an address.
            timeout: Board time in seconds.

        Raises:
            WaitTimeout: it was not reached in time; the core runs on.
        """
        __tracebackhide__ = True
        address = self.address_of(where)
        if self.is_halted and self.pc == address:
            self.step()
        with (
            self._doing(f"run until {where if isinstance(where, str) else hex(where)}"),
            self.breakpoint(address),
        ):
            self.resume()
            self.wait_halted(timeout, f"reach {where if isinstance(where, str) else hex(where)}")

    @contextmanager
    def breakpoint(self, where: str | int) -> Iterator[Breakpoint]:
        """Set a breakpoint while the context lasts."""
        address = self.address_of(where)
        with self.control("set a breakpoint") as driver:
            if not driver.set_breakpoint(address):
                raise H7Error(f"{self.name} has no breakpoint left for 0x{address:08X}.")
            driver.bp_manager.flush()
        try:
            yield Breakpoint(self, address)
        finally:
            try:
                with self.control("remove a breakpoint") as driver:
                    driver.remove_breakpoint(address)
                    driver.bp_manager.flush()
            except CoreUnreachable:
                self._connection.forget_breakpoints(self._port.apsel)

    def address_of(self, where: str | int) -> int:
        """Return the address of a symbol; an address is returned as it is, without the Thumb bit."""
        if isinstance(where, int):
            return where & ~1
        return self._require_image().symbol(where)

    # -- memory and variables ---------------------------------------------------------------------

    @contextmanager
    def _access(self, doing: str) -> Iterator[None]:
        """Tell an access that fails because the core cannot be reached from one that the chip refuses."""
        try:
            yield
        except TargetAccessError as error:
            if self._port.readable:
                raise
            raise self._unreachable(doing) from error

    def _require_reachable(self, doing: str) -> None:
        """Debug logic without a clock has been seen to answer zeros and to swallow writes."""
        if not self._port.readable:
            raise self._unreachable(doing)

    def read_sized(self, address: int, size: int) -> int:
        """Read 1, 2 or 4 bytes as the core sees them.

        Raises:
            TargetAccessError: the chip refuses the access.
            CoreUnreachable: the core cannot be reached.
        """
        doing = f"read 0x{address:08X}"
        with self._access(doing):
            value = self._connection.read_sized(self._port.apsel, address, size)
        if not value:
            with unseen():
                self._require_reachable(doing)
        return seen(f"{self.name} 0x{address:08X}", value)

    def write_sized(self, address: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes as the core would; raises what `read_sized` does."""
        doing = f"write 0x{address:08X}"
        with self._doing(f"write 0x{value:X} to 0x{address:08X}"), self._access(doing):
            self._connection.write_sized(self._port.apsel, address, size, value)
        self._require_reachable(doing)

    def read_u8(self, address: int) -> int:
        """Read a byte."""
        return self.read_sized(address, 1)

    def read_u16(self, address: int) -> int:
        """Read a half-word."""
        return self.read_sized(address, 2)

    def read_u32(self, address: int) -> int:
        """Read a word."""
        return self.read_sized(address, 4)

    def write_u8(self, address: int, value: int) -> None:
        """Write a byte."""
        self.write_sized(address, 1, value)

    def write_u16(self, address: int, value: int) -> None:
        """Write a half-word."""
        self.write_sized(address, 2, value)

    def write_u32(self, address: int, value: int) -> None:
        """Write a word."""
        self.write_sized(address, 4, value)

    def read_bytes(self, address: int, length: int) -> bytes:
        """Read bytes as the core sees them, as a `MemoryBlock`; raises what `read_sized` does."""
        doing = f"read 0x{address:08X}"
        with self._access(doing):
            data = self._connection.read_bytes(self._port.apsel, address, length)
        if not any(data):
            self._require_reachable(doing)
        return MemoryBlock.of(self.name, address, data)

    def write_bytes(self, address: int, data: bytes) -> None:
        """Write bytes as the core would; raises what `read_sized` does."""
        doing = f"write 0x{address:08X}"
        with self._doing(f"write {len(data)} bytes to 0x{address:08X}"), self._access(doing):
            self._connection.write_bytes(self._port.apsel, address, data)
        self._require_reachable(doing)

    def variable(self, name: str) -> Variable:
        """Return a global variable of the core's image; raise ImageError where it has none of that name."""
        image = self._require_image()
        address = image.symbol(name)
        return Variable(self, name, address, image.debug_info.symbols[name].size or 4)

    @property
    def image(self) -> Image | None:
        """The firmware image that the core runs, None where it is not known."""
        return self._image()

    def _require_image(self) -> Image:
        image = self._image()
        if image is None:
            raise ImageError(
                f"No image of {self.name} is known, so symbols cannot be used: request the fixture h7_images."
            )
        return image

    # -- where it is ------------------------------------------------------------------------------

    @property
    def pc(self) -> int:
        """Program counter: of a halted core exactly, of a running one a sample that does not disturb it.

        Raises:
            H7Error: a sleeping core executes nothing, so that there is no sample.
            CoreUnreachable: the core cannot be reached.
        """
        if self.state_or_raise("read its program counter") in (CoreState.HALTED, CoreState.LOCKUP):
            return self.registers["pc"]
        sample = self._connection.read_word(self._port.apsel, _DWT_PCSR)
        if sample == _NO_SAMPLE:
            raise H7Error(f"{self.name} sleeps, and has no program counter to sample: halt it first.")
        return sample & ~1

    @property
    def location(self) -> str | None:
        """Function, file and line where the core is, None where that cannot be told."""
        with unseen():
            location = self._location()
        return seen(f"{self.name}.location", location)

    def _location(self) -> str | None:
        try:
            address = self.pc
        except (H7Error, KeyError):
            return None
        image = self._image()
        return image.debug_info.describe(address) if image else f"0x{address:08X}"

    def backtrace(self) -> list[Frame]:
        """Return the call frames of the halted core, innermost first, through exceptions and over both stacks.

        Raises:
            ImageError: the core's image is not known.
            H7Error: the core is not halted.
            CoreUnreachable: the core cannot be reached.
        """
        image = self._require_image()
        registers = self.registers.read(*NEEDED_REGISTERS)
        return call_frames(self.name, image, unwind(image.debug_info, registers, self.read_u32))

    @property
    def fault(self) -> Fault | None:
        """The fault that the core has recorded, None if there is none."""
        doing = "read its fault status"
        with self._access(doing):
            words = self._connection.read_words(self._port.apsel, _CFSR, (_BFAR - _CFSR) // 4 + 1)
            has_abfsr = self.name == "cm7" and is_imprecise(words[0])
            abfsr = self._connection.read_words(self._port.apsel, _ABFSR, 1)[0] if has_abfsr else 0
        if not any(words):
            self._require_reachable(doing)
        cfsr, hfsr, _dfsr, mmfar, bfar = words
        return decode_fault(cfsr, hfsr, mmfar, bfar, abfsr)
