"""The open debug connection: memory accesses through the four access ports, and the cores behind two of them.

All of pyOCD's exceptions end here: above this module only our own are seen.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_h7.bench.actions import Actions
from pytest_h7.bench.interruption import uninterrupted
from pytest_h7.bench.safety import check_write, short_circuit
from pytest_h7.chip.coresight import DBGMCU_AP2_ADDRESS
from pytest_h7.chip.registers import private_peripheral
from pytest_h7.errors import ChipSilent, ConnectionLost, H7Error, InfrastructureError, TargetAccessError

if TYPE_CHECKING:
    from pyocd.core.session import Session
    from usb.core import USBError

    from pytest_h7.target.stm32h755 import STM32H755

_SCS = private_peripheral("cm7", "SCS").registers
_CPUID, _DHCSR = _SCS["CPUID"].address, _SCS["DHCSR"].address
_PORTS_OF_CORES = (0, 3)
_DEBUG_UNITS = (
    range(_SCS["DEMCR"].address, _SCS["DEMCR"].address + 4),
    *(
        range(base, base + 0x1000)
        for base in (private_peripheral("cm7", unit).base for unit in ("DWT", "FPB"))
    ),
)
"""Where a core is told what to stop at."""


@contextmanager
def translated_errors(doing: str) -> Iterator[None]:
    """Turn pyOCD's and the USB library's exceptions into ours; let time-outs wait for the end.

    Args:
        doing: What was tried, to follow "could not": ``"read 0x58024400 through AP1"``.

    Raises:
        TargetAccessError: the chip refused the access.
        ConnectionLost: the probe or the board is not there any more.
        FirmwareError: on the virtual board, a pin that a test drives has become an output against it.
    """
    import usb.core
    from pyocd.core import exceptions

    from pytest_h7.twin.pins import PinContention

    with uninterrupted():
        try:
            yield
        except H7Error:
            raise
        except PinContention as error:
            raise short_circuit(error.pin) from error
        except exceptions.TransferTimeoutError as error:
            raise TargetAccessError(f"Could not {doing}: the bus did not answer (WAIT).") from error
        except exceptions.TransferFaultError as error:
            raise TargetAccessError(f"Could not {doing}: the access faulted.") from error
        except exceptions.TransferError as error:
            raise TargetAccessError(f"Could not {doing}: {error or 'transfer error'}.") from error
        except usb.core.USBError as error:
            raise _no_answer(doing, error) from error
        except exceptions.ProbeError as error:
            if isinstance(error.__cause__, usb.core.USBError):
                raise _no_answer(doing, error.__cause__) from error
            if isinstance(error.__cause__, ConnectionLost):  # to another machine
                raise ConnectionLost(f"Could not {doing}: {error}") from error
            raise ConnectionLost(
                f"Could not {doing}: the probe reports {str(error).rstrip('.') or 'an error'}; "
                "is the board powered and connected?"
            ) from error
        except exceptions.Error as error:
            raise TargetAccessError(f"Could not {doing}: {error}.") from error


def _no_answer(doing: str, error: USBError) -> ConnectionLost:
    return ConnectionLost(
        f"Could not {doing}: the probe does not answer over USB ({error.strerror or error}); "
        "is it still plugged in, and used by nothing else?"
    )


def _check_alignment(address: int, size: int) -> None:
    """An access port takes the lower bits of an address for zeros (Arm IHI 0031, MEM-AP)."""
    if address % size:
        raise ValueError(f"0x{address:08X} is no address of {8 * size} bits: it is not a multiple of {size}")


def _remove_breakpoints(core: Any) -> None:
    """Remove them one by one: after pyOCD's remove_all_breakpoints, the next run sets them again."""
    for address in list(core.bp_manager.get_breakpoints()):
        core.bp_manager.remove_breakpoint(address)
    core.bp_manager.flush()


class Connection:
    """Accesses to the chip through an open pyOCD session.

    Args:
        session: The pyOCD session.
        attaches: Whether a core is attached before its access port is used, which changes its debug registers.

    Attributes:
        session: The pyOCD session.
        target: Its target, which knows the chip.
        connected: How often this has been connected to the chip.
        actions: What tests have done to the board.
    """

    def __init__(self, session: Session, *, attaches: bool = True) -> None:
        self._attaches = attaches
        self.actions = Actions()
        self._changes_options = False
        self.connected = 0
        self.use(session)

    def use(self, session: Session) -> None:
        """Go on with another session, after the one before has lost the probe."""
        self.connected += 1
        self.session = session
        self.target: STM32H755 = session.target
        self._abandoned: set[int] = set()
        self._written: set[int] = set()

    def _port(self, apsel: int) -> Any:
        port = self.target.access_port(apsel)
        if port is None:
            raise TargetAccessError(f"Access port AP{apsel} does not answer.")
        is_new = self._attaches and apsel in _PORTS_OF_CORES and port.core is None
        if is_new or apsel in self._abandoned:
            self._attach(apsel, is_new=is_new)
        return port

    def _attach(self, apsel: int, *, is_new: bool) -> None:
        """Attach a core if it can be reached now, which clears what an earlier session has left in it.

        A core that is halted although nobody has attached it before has run into such a thing.
        """
        core = self.target.attach_core(apsel)
        if core is None:
            return
        self._abandoned.discard(apsel)
        if is_new and core.is_halted():
            core.resume()

    def check_write(self, apsel: int, address: int, data: bytes) -> None:
        """Check a write before it happens; note one that may let a core stop somewhere.

        Raises:
            SafetyError: `bench.safety` refuses it.
        """
        is_core = apsel in _PORTS_OF_CORES
        if is_core and any(address < unit.stop and address + len(data) > unit.start for unit in _DEBUG_UNITS):
            self._written.add(apsel)
        check_write(
            address,
            data,
            lambda word: self.read_word(apsel, word),
            changes_options=self._changes_options,
        )

    @contextmanager
    def changing_option_bytes(self) -> Iterator[None]:
        """Allow a change of option bytes to be started: for who has noted what has to be put back."""
        self._changes_options = True
        try:
            yield
        finally:
            self._changes_options = False

    @property
    def nrst_asserted(self) -> bool:
        """Whether the probe holds NRST low."""
        return bool(self.target.dp.is_reset_asserted())

    def read_ap_register(self, apsel: int, offset: int) -> int:
        """Read a register of an access port itself, such as IDR at 0xFC."""
        with translated_errors(f"read register 0x{offset:02X} of AP{apsel}"):
            value: int = self.target.dp.read_ap(apsel << 24 | offset)
        return value

    def write_ap_register(self, apsel: int, offset: int, value: int) -> None:
        """Write a register of an access port itself, such as CSW at 0x00."""
        with translated_errors(f"write register 0x{offset:02X} of AP{apsel}"):
            self.target.dp.write_ap(apsel << 24 | offset, value)

    def core(self, apsel: int) -> Any:
        """Return pyOCD's object for the core behind AP0 or AP3, None if it does not answer now.

        The CM4's debug logic can come, go and be reset with its domain, so all of it is looked at each time.
        """
        core = self._port(apsel).core
        if core is None or apsel != 0:
            return self.target.attach_core(apsel)
        return core if self._answers(_CPUID) else None

    def clean(self) -> None:
        """Remove breakpoints, watchpoints and vector catches a test has left; have DBGMCU as configured."""
        for core in self.target.cores.values():
            if core.bp_manager.get_breakpoints():
                apsel = core.ap.address.apsel
                if self.target.attach_core(apsel) is None:
                    self.forget_breakpoints(apsel)
                    continue
                _remove_breakpoints(core)
            if core.dwt is not None and core.dwt.get_watchpoints():
                core.dwt.remove_all_watchpoints()
        self.clear_debug_units()
        self.restore_debug_configuration()

    def clear_debug_units(self) -> None:
        """Clear what a test has written to debug units itself, now or when their core can be reached."""
        with translated_errors("take away what stops the cores"):
            self._written -= {apsel for apsel in self._written if self.target.clear_debug_units(apsel)}

    def restore_debug_configuration(self) -> None:
        """Have DBGMCU as configured at connect, which no reset but power-on does.

        All its registers are read at once: what is between them reads as zero (RM0399 table 7, note).
        """
        from pytest_h7.target.stm32h755 import dbgmcu_configuration

        wanted = dbgmcu_configuration(self.session.options.get("h7.low_power_debug"))
        first, last = min(wanted), max(wanted)
        found = self.read_words(2, DBGMCU_AP2_ADDRESS + first, (last - first) // 4 + 1)
        for offset, value in wanted.items():
            if found[(offset - first) // 4] != value:
                self.write_word(2, DBGMCU_AP2_ADDRESS + offset, value)

    def hold_in_reset(self) -> None:
        """Pull NRST low; the next reset releases it."""
        with translated_errors("pull NRST low"):
            self.target.dp.assert_reset(True, send_notifications=False)

    def reconnect(self) -> None:
        """Connect again after the chip was without power."""
        self.connected += 1
        with translated_errors("connect after the power cycle"):
            self.target.reconnect()

    def require_debug_port(self) -> None:
        """Raise ConnectionLost unless the chip's debug port answers and is as it was left."""
        from pyocd.coresight.dap import CDBGPWRUPACK, DP_CTRL_STAT

        try:
            with translated_errors("read the status of the debug port"):
                status = self.target.dp.read_dp(DP_CTRL_STAT)
        except TargetAccessError as error:
            raise ChipSilent(
                f"{str(error).rstrip('.')}, although the board has power: it was without for a moment, a wire is "
                "loose, or the firmware has taken the debug pins PA13 and PA14 or put the system into Standby."
            ) from error
        if not status & CDBGPWRUPACK:
            raise ConnectionLost(
                "The debug port has lost its state: the board was without power for a moment."
            )

    @property
    def nrst_is_low(self) -> bool:
        """Whether NRST is low, by the probe or something else.

        The CM7 can be told to halt then, and its identification cannot be read (pyOCD issue 1148).
        """
        return self.nrst_asserted or (not self._answers(_CPUID) and self._answers(_DHCSR))

    def require_free_nrst(self) -> None:
        """Raise InfrastructureError if something else than the probe holds NRST low."""
        if not self.nrst_asserted and self.nrst_is_low:
            raise InfrastructureError(
                "NRST is low, and it is not the probe that holds it: look for a pressed reset button, a short, or "
                "another debugger."
            )

    def _answers(self, address: int) -> bool:
        try:
            return self.read_word(0, address) != 0
        except TargetAccessError:
            return False

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is left in the debug logic that the next test must not meet."""
        return not (
            self._abandoned
            or self._written
            or self.target.has_left_armed
            or any(
                core.bp_manager.get_breakpoints() or (core.dwt is not None and core.dwt.get_watchpoints())
                for core in self.target.cores.values()
            )
        )

    def forget_breakpoints(self, apsel: int) -> None:
        """Drop the breakpoints of a core that cannot be reached; they are removed when it is back."""
        core = self._port(apsel).core
        if core is not None:
            core.fpb.abandon()
            _remove_breakpoints(core)
            self._abandoned.add(apsel)

    def read_words(self, apsel: int, address: int, count: int = 1) -> list[int]:
        """Read `count` 32-bit words through access port `apsel`; raise ValueError for an address between words."""
        _check_alignment(address, 4)
        with translated_errors(f"read 0x{address:08X} through AP{apsel}"):
            return list(self._port(apsel).read_memory_block32(address, count))

    def read_word(self, apsel: int, address: int) -> int:
        """Read a 32-bit word."""
        return self.read_words(apsel, address)[0]

    def write_words(self, apsel: int, address: int, words: Sequence[int]) -> None:
        """Write 32-bit words; raise SafetyError for what is refused, ValueError for an address between words."""
        _check_alignment(address, 4)
        self.check_write(apsel, address, struct.pack(f"<{len(words)}I", *words))
        with translated_errors(f"write 0x{address:08X} through AP{apsel}"):
            self._port(apsel).write_memory_block32(address, list(words))

    def write_word(self, apsel: int, address: int, value: int) -> None:
        """Write a 32-bit word."""
        self.write_words(apsel, address, [value])

    def read_sized(self, apsel: int, address: int, size: int) -> int:
        """Read 1, 2 or 4 bytes in one access of that width; raise ValueError for an address that has none."""
        _check_alignment(address, size)
        with translated_errors(f"read 0x{address:08X} through AP{apsel}"):
            value: int = self._port(apsel).read_memory(address, 8 * size)
        return value

    def write_sized(self, apsel: int, address: int, size: int, value: int) -> None:
        """Write 1, 2 or 4 bytes in one access of that width; raise SafetyError for what is refused.

        An address that has no such access is a ValueError.
        """
        _check_alignment(address, size)
        self.check_write(apsel, address, value.to_bytes(size, "little"))
        with translated_errors(f"write 0x{address:08X} through AP{apsel}"):
            self._port(apsel).write_memory(address, value, 8 * size)

    def read_bytes(self, apsel: int, address: int, length: int) -> bytes:
        """Read bytes from any address; whole words where they are aligned."""
        if address & 3 == 0 and length & 3 == 0:
            return struct.pack(f"<{length // 4}I", *self.read_words(apsel, address, length // 4))
        with translated_errors(f"read 0x{address:08X} through AP{apsel}"):
            return bytes(self._port(apsel).read_memory_block8(address, length))

    def write_bytes(self, apsel: int, address: int, data: bytes) -> None:
        """Write bytes to any address; raise SafetyError for what `bench.safety` refuses."""
        self.check_write(apsel, address, data)
        with translated_errors(f"write 0x{address:08X} through AP{apsel}"):
            self._port(apsel).write_memory_block8(address, list(data))
