"""FLASH: the registers through which the flash memory is unlocked, erased, programmed and configured.

Source: RM0399 chapter 4. Bank 2's registers lie 0x100 above those of bank 1; registers both banks share
answer at both addresses.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_h7.chip.memory import FLASH_BANKS
from pytest_h7.chip.option_bytes import (
    OPTION_BYTES,
    OptionByte,
    current_register,
    factory_value,
    program_register,
)
from pytest_h7.twin.bus import BusFault, Master
from pytest_h7.twin.peripherals.flash_bank import (
    BER,
    BSY,
    DBECCERR,
    FLAGS,
    FW,
    LOCK,
    PG,
    QW,
    SECTORS,
    SER,
    SNECCERR,
    START,
    WBNE,
    FlashBank,
    Operation,
)
from pytest_h7.twin.peripherals.flash_keys import KEYS, OPTION_KEYS, KeyLock
from pytest_h7.twin.peripherals.flash_options import (
    exchange_banks,
    is_refused,
    protection_level,
    word_mask,
)
from pytest_h7.twin.peripherals.peripheral import Peripheral
from pytest_h7.twin.timeline import PS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_h7.chip.memory import Memory
    from pytest_h7.twin.mcu import Mcu

OPTION_CHANGE_TIME = 300 * PS_PER_MS
"""Time of an option byte change, in picoseconds: no data sheet value; about that was seen by the
Chromium EC project."""

_FLASH_IRQ = 4
_MIRROR = 0x100
_OPTLOCK, _OPTSTART, _MER = 1 << 0, 1 << 1, 1 << 4
_OPTCHANGEERR = 1 << 30
"""Bit of OPTSR_CUR; OPTCR has its interrupt enable and OPTCCR its clear bit at the same position."""
_OPT_BUSY = 1 << 0
_SWAP_BANK = 1 << 31


class Flash(Peripheral):
    """The flash interface with its two banks and the option bytes.

    With the banks swapped the registers of bank 1 belong to what is at the lower addresses, too (RM0399 tables 18
    and 19). So a swap exchanges what the banks hold, and "bank 1" is the lower one here.

    RDP can be level 0 or 1. At level 1 a debugger, or a start elsewhere than in flash, locks all cells until
    power-on, and the backup SRAM with them; the return to level 0 erases both (RM0399 4.5.3). The RTC's backup
    registers are erased, too, but not locked. A change of the other option bytes marked protected in
    `pytest_h7.chip.option_bytes`, or to level 2, is refused with OPTCHANGEERR, except the write protection of
    sectors: what those do to the chip is not modelled. The CRC registers only store.
    """

    def __init__(self, mcu: Mcu) -> None:
        super().__init__(mcu, "FLASH")
        self.banks = tuple(FlashBank(self, number, memory) for number, memory in enumerate(FLASH_BANKS, 1))
        self._options = {option.register: factory_value(option.register) for option in OPTION_BYTES.values()}
        self._option_status = 0
        self.swapped = False
        """OPTCR.SWAP_BANK: whether bank 2 is at the lower addresses."""
        self.options_changed: Callable[[], None] | None = None
        """Called when option bytes, or which bank is at the lower addresses, have changed."""
        self._irq_level = False
        self._locks = {bank.number: KeyLock(KEYS) for bank in self.banks}
        self._option_lock = KeyLock(OPTION_KEYS)
        offsets = {register.name: register.offset for register in self.map.registers.values()}
        self._key_locks = {
            **{offsets[f"KEYR{number}"]: lock for number, lock in self._locks.items()},
            offsets["OPTKEYR"]: self._option_lock,
        }
        self._mirrors = {
            offset: offset - _MIRROR
            for name, offset in offsets.items()
            if name.endswith("_MIRROR") or name == "CRCDATA2"
        }
        self._model_banks()
        self._model_options()
        self._load()

    def plain_storage(self) -> frozenset[str]:
        """Return these, and those that `read` and `write` make something of: keys and mirrors."""
        mirrors = {name for name in self.map.registers if name.endswith("_MIRROR")}
        return frozenset({"ECC_FA1", "ECC_FA2", "KEYR1", "KEYR2", "OPTKEYR"} | mirrors)

    def _model_banks(self) -> None:
        for bank in self.banks:
            number = bank.number
            self.model(f"CR{number}", partial(self._read_control, bank), partial(self._write_control, bank))
            self.model(f"SR{number}", partial(self._read_status, bank), self._write_nothing)
            self.model(f"CCR{number}", writer=partial(self._write_clear, bank))

    def _model_options(self) -> None:
        for option in OPTION_BYTES.values():
            register = option.register
            self.model(current_register(option), partial(self._read_option, register), self._write_nothing)
            self.model(program_register(option), writer=partial(self._write_option, option))

    def reset(self) -> None:
        """Reset by a system reset: locked, and swapped as SWAP_BANK_OPT says; a change of options is forgotten."""
        for bank in self.banks:
            bank.reset()
        if self.swapped != bool(self.option("SWAP_BANK_OPT")):
            self._swap_banks()
        super().reset()
        for lock in self._key_locks.values():
            lock.lock()
        self._option_status = 0
        self._load()
        self.update_interrupt()

    def _swap_banks(self) -> None:
        self.swapped = not self.swapped
        self._options = exchange_banks(self._options)
        lower, upper = (bank.memory for bank in self.banks)
        for one, other in (
            (self.mcu.memory(lower.name), self.mcu.memory(upper.name)),
            (self.mcu.flash_guard(lower), self.mcu.flash_guard(upper)),
        ):
            one[:], other[:] = bytes(other), bytes(one)
        for memory in (lower, upper):
            self.mcu.code_changed(memory.start, memory.size)
        self.mcu.guards_changed()
        self._tell_change()

    def _tell_change(self) -> None:
        if self.options_changed is not None:
            self.options_changed()

    def _load(self) -> None:
        """Load the program registers with the option bytes; the lock bits of CR and OPTCR are computed."""
        for option in OPTION_BYTES.values():
            self[program_register(option)] = self._options[option.register]
        for bank in self.banks:
            self[f"CR{bank.number}"] &= ~LOCK
        self["OPTCR"] &= ~_OPTLOCK

    # -- access ---------------------------------------------------------------------------------

    def read(self, offset: int, size: int, master: Master) -> int:
        """Read a register, at its own address or at that of its mirror."""
        return super().read(self._own_offset(offset), size, master)

    def write(self, offset: int, size: int, value: int, master: Master) -> None:
        """Write a register, at its own address or at that of its mirror; nothing is taken while OPT_BUSY.

        Raises:
            BusFault: The write spoils a key sequence, whose register then stays locked until a reset.
        """
        if self._option_status & _OPT_BUSY:
            return
        own = self._own_offset(offset)
        register = own & ~3
        key_lock = self._key_locks.get(register)
        intact = [lock.break_sequence() for lock in self._locks_around(register) if lock is not key_lock]
        if key_lock is not None:
            intact.append(key_lock.write_key(value))
        if not all(intact):
            raise BusFault(self.base + offset)
        if key_lock is None:
            super().write(own, size, value, master)

    def _own_offset(self, offset: int) -> int:
        return self._mirrors.get(offset & ~3, offset & ~3) | offset & 3

    def _locks_around(self, register: int) -> list[KeyLock]:
        """Locks whose half-written key sequence does not outlive a write to the register at this offset.

        OPTCR's does not outlive any, that of a bank's CR none to the same bank's registers.
        """
        if register + _MIRROR in self._mirrors:
            return [self._option_lock]
        bank = self._locks.get(1 + register // _MIRROR)  # none behind the registers
        return [self._option_lock] if bank is None else [self._option_lock, bank]

    # -- banks ----------------------------------------------------------------------------------

    def core_store(self, address: int, size: int, value: int, master: Master) -> None:
        """Take a bus write of `size` bytes to the main address of a flash cell, from a core or a debugger."""
        for bank in self.banks:
            if address in bank.memory:
                bank.store(address, value.to_bytes(size, "little"), master)

    def control(self, bank: FlashBank) -> int:
        """Return the bits of CR1 or CR2 without LOCK."""
        return self[f"CR{bank.number}"]

    def write_protected(self, bank: FlashBank, sector: int) -> bool:
        """Return whether the option bytes protect a sector against erase and programming (RM0399 4.7.2)."""
        return self.locked or not self.option(f"WRPSn{bank.number}") >> sector & 1

    @property
    def busy(self) -> bool:
        """Whether D1 may not stop: an operation runs or waits, or a write buffer is half full (4.6.2)."""
        one, two = self.banks
        return bool((one.status | two.status) & (BSY | QW | WBNE))

    def stall_executing(self) -> None:
        """Let cores that execute from a busy bank wait."""
        for bank in self.banks:
            bank.stall_executing()

    def readable(self, memory: Memory, offset: int, length: int) -> bool:
        """Return whether a range of a flash memory can be read at once and without an error."""
        return all(bank.memory is not memory or bank.readable(offset, length) for bank in self.banks)

    def check_read(self, memory: Memory, offset: int, master: Master) -> None:
        """Let a read of a flash memory pass, or raise what it ends with: BusFault or BusStalled."""
        for bank in self.banks:
            if bank.memory is memory:
                bank.check_read(offset, master)

    # -- read protection ------------------------------------------------------------------------

    @property
    def locked(self) -> bool:
        """Whether RDP level 1 keeps everybody out, because of an intrusion since power-on (RM0399 4.5.3)."""
        return protection_level(self._options) == 1 and self.mcu.intruded

    def update_lock(self) -> None:
        """Lock or unlock all cells, after RDP or what intrudes has changed."""
        for bank in self.banks:
            bank.lock(self.locked)
        self.mcu.backup_access_changed()

    def _read_control(self, bank: FlashBank, master: Master) -> int:
        return self.control(bank) | (0 if self._locks[bank.number].open else LOCK)

    def _write_control(self, bank: FlashBank, value: int, master: Master) -> None:
        name = f"CR{bank.number}"
        lock = self._locks[bank.number]
        if not lock.open:
            return
        if value & LOCK:
            lock.lock()
            return
        self[name] = value & self.implemented(name) & ~(START | FW)
        if not value & PG:
            bank.drop_buffer()
        elif value & FW:
            bank.force_write()
        if value & START and value & BER:
            bank.erase_all()
        elif value & START and value & SER:
            sector = self.field(name, "SNB")
            bank.erase(range(sector, sector + 1))
        self.update_interrupt()

    def _read_status(self, bank: FlashBank, master: Master) -> int:
        return bank.status

    def _write_clear(self, bank: FlashBank, value: int, master: Master) -> None:
        bank.flags &= ~(value & FLAGS)
        if not bank.flags & (SNECCERR | DBECCERR):
            self[f"ECC_FA{bank.number}"] = 0
        self.update_interrupt()

    def _write_nothing(self, value: int, master: Master) -> None:
        """Ignore a write to a read-only register."""

    def update_interrupt(self) -> None:
        """Drive the interrupt line of both cores: high while an enabled flag is set."""
        level = any(bank.flags & self.control(bank) & FLAGS for bank in self.banks)
        level = level or bool(self._option_status & self["OPTCR"] & _OPTCHANGEERR)
        if level != self._irq_level:
            self._irq_level = level
            for core in ("cm7", "cm4"):
                self.mcu.set_irq(core, _FLASH_IRQ, level)

    # -- option bytes ---------------------------------------------------------------------------

    def option(self, name: str) -> int:
        """Return the value in force of an option byte of `pytest_h7.chip.option_bytes`."""
        option = OPTION_BYTES[name]
        return (self._options[option.register] & option.mask) >> option.lsb

    def save(self) -> dict[str, int]:
        """Return the option words, ``{"OPTSR": ..., "BOOT7": ...}``, for `load`; bank 1 is the chip's own."""
        return exchange_banks(self._options) if self.swapped else dict(self._options)

    def load(self, options: Mapping[str, int]) -> None:
        """Put option words in force, as if they had been programmed; the next reset starts with them.

        Raises:
            ValueError: There is no option word of that name.
        """
        unknown = options.keys() - self._options.keys()
        if unknown:
            raise ValueError(f"no such option word: {', '.join(sorted(unknown))}")
        words = self.save() | dict(options)
        self._options = exchange_banks(words) if self.swapped else words
        self._tell_change()
        self._load()
        self.update_lock()

    @property
    def physical_banks(self) -> tuple[FlashBank, ...]:
        """The banks as the chip has them: the first holds what would be at the lower addresses without a swap."""
        return self.banks[::-1] if self.swapped else self.banks

    def broken_words(self) -> list[list[int]]:
        """Return the numbers of the flash words whose ECC does not fit, for `load_broken_words`."""
        return [bank.broken_words() for bank in self.physical_banks]

    def load_broken_words(self, words: list[list[int]]) -> None:
        """Have the ECC fit all flash words but those that `broken_words` has returned."""
        for bank, numbers in zip(self.physical_banks, words, strict=True):
            bank.load_broken_words(numbers)

    def _read_option(self, register: str, master: Master) -> int:
        return self._options[register] | (self._option_status if register == "OPTSR" else 0)

    def _write_option(self, option: OptionByte, value: int, master: Master) -> None:
        if self._option_lock.open:
            self[program_register(option)] = value & word_mask(option.register)

    def read_OPTCR(self, master: Master) -> int:
        swapped = _SWAP_BANK if self.swapped else 0
        return self["OPTCR"] | swapped | (0 if self._option_lock.open else _OPTLOCK)

    def write_OPTCR(self, value: int, master: Master) -> None:
        """Lock, start a mass erase, start an option byte change; all but the first need the keys."""
        if not self._option_lock.open:
            return
        if value & _OPTLOCK:
            self._option_lock.lock()
            return
        self["OPTCR"] = value & _OPTCHANGEERR
        if value & _MER and all(lock.open for lock in self._locks.values()):
            for bank in self.banks:
                self[f"CR{bank.number}"] |= BER
                bank.erase_all()
        if value & _OPTSTART:
            self._change_options()
        self.update_interrupt()

    def write_OPTCCR(self, value: int, master: Master) -> None:
        self._option_status &= ~(value & _OPTCHANGEERR)
        self.update_interrupt()

    def _change_options(self) -> None:
        """Program what differs; it goes through bank 1's queue, where the option bytes are."""
        wanted = {option.register: self[program_register(option)] for option in OPTION_BYTES.values()}
        changes = {register: wanted[register] ^ word for register, word in self._options.items()}
        if not any(changes.values()):
            return
        level, before = protection_level(wanted), protection_level(self._options)
        refused = any(
            changes[option.register] & option.mask for option in OPTION_BYTES.values() if is_refused(option)
        )
        if refused or level == 2:
            self._option_status |= _OPTCHANGEERR
            return
        self._option_status |= _OPT_BUSY
        if level < before:
            self._regress(wanted)
        else:
            complete = partial(self._complete_change, wanted)
            self.banks[0].enqueue(Operation(OPTION_CHANGE_TIME, complete, _keep))

    def _complete_change(self, wanted: dict[str, int]) -> None:
        self._options = wanted
        self._option_status &= ~_OPT_BUSY
        self._tell_change()
        self.update_lock()

    def _regress(self, wanted: dict[str, int]) -> None:
        """Return to RDP level 0: erase everything, write protected or not, then change options (RM0399 4.5.3)."""
        every = range(SECTORS)

        def complete() -> None:
            for bank in self.banks:
                bank.erase_cells(every)
            self.mcu.erase_backup_memory()
            self._complete_change(wanted)

        def interrupt() -> None:
            for bank in self.banks:
                bank.erase_cells_partly(every)

        self.banks[0].enqueue(Operation(self.banks[0].erase_time + OPTION_CHANGE_TIME, complete, interrupt))
        self.banks[1].enqueue(Operation(self.banks[1].erase_time, _keep, _keep))

    # -- the rest -------------------------------------------------------------------------------

    def write_ACR(self, value: int, master: Master) -> None:
        self["ACR"] = value & self.implemented("ACR")
        self.mcu.check_clocks()


def _keep() -> None:
    """Leave the old option bytes in force: a reset during a change does (RM0399 4.3.14)."""
