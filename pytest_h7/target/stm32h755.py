"""The STM32H755 for pyOCD: how to connect to it, reset it and reach a core that comes and goes."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from pyocd.core import exceptions
from pyocd.core.options import OptionInfo
from pyocd.core.target import Target
from pyocd.coresight.ap import MEM_AP
from pyocd.coresight.coresight_target import CoreSightTarget
from pyocd.coresight.cortex_m import CortexM
from pyocd.debug.context import DebugContext

from pytest_h7.chip.coresight import DBGMCU_AP2_ADDRESS, access_ports
from pytest_h7.chip.registers import peripheral
from pytest_h7.target.core import CORE_NAMES, STM32H755Core, examine, isolate_breakpoints
from pytest_h7.target.cross_trigger import CrossTrigger
from pytest_h7.target.memory_map import memory_map
from pytest_h7.target.patience import make_debug_port_patient, make_port_patient
from pytest_h7.target.sightings import ResetSightings, watch_port
from pytest_h7.target.topology import FixedTopology, create_access_port

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pyocd.core.session import Session
    from pyocd.utility.sequencer import CallSequence

LOG = logging.getLogger(__name__)

OPTIONS = [
    OptionInfo(
        "h7.fixed_topology",
        bool,
        False,
        "Take the STM32H755's access ports and cores as known instead of reading its ROM tables.",
    ),
    OptionInfo(
        "h7.low_power_debug",
        str,
        "sleep",
        "What DBGMCU keeps clocked: 'off' nothing, 'sleep' the cores in CSleep, 'on' everything.",
    ),
]

_DBGMCU = peripheral("DBGMCU").registers
_DEVICE_ID = 0x450
_DEBUG_CLOCKS = ("DBG_TRACECKEN", "DBG_CKD1EN", "DBG_CKD3EN")
_LOW_POWER = {
    "off": (),
    "sleep": ("DBG_SLEEPD1", "DBG_SLEEPD2"),
    "on": (
        "DBG_SLEEPD1",
        "DBG_STOPD1",
        "DBG_STANDBYD1",
        "DBG_SLEEPD2",
        "DBG_STOPD2",
        "DBG_STANDBYD2",
    ),
}
_WATCHDOGS = {"DBG_WWDG1", "DBG_WWDG2", "DBG_IWDG1", "DBG_IWDG2"}
_FREEZE = [register for name, register in _DBGMCU.items() if "FZ" in name]

_CATCH_TIMEOUT = 0.1
_POLL_INTERVAL = 0.001


def debug_configuration(low_power_debug: str) -> int:
    """Return the whole value of DBGMCU_CR for ``off``, ``sleep`` or ``on`` (RM0399 section 63.5.8)."""
    fields = _DBGMCU["CR"].fields
    return sum(fields[name].mask for name in (*_DEBUG_CLOCKS, *_LOW_POWER[low_power_debug]))


def freeze_configuration() -> list[int]:
    """Return the values of all freeze registers in order: a halted core stops every watchdog."""
    return [
        sum(field.mask for name, field in register.fields.items() if name in _WATCHDOGS)
        for register in sorted(_FREEZE, key=lambda register: register.offset)
    ]


def dbgmcu_configuration(low_power_debug: str) -> dict[int, int]:
    """Return the values of all registers of DBGMCU that a debugger writes, by offset."""
    freeze = sorted(register.offset for register in _FREEZE)
    return {_DBGMCU["CR"].offset: debug_configuration(low_power_debug)} | dict(
        zip(freeze, freeze_configuration(), strict=True)
    )


class STM32H755(CoreSightTarget):
    """An STM32H755 with its two cores, called ``cm7`` and ``cm4`` by `node_name`.

    Before a core is looked at, DBGMCU is configured through AP2, whole: only power-on clears it. Connecting
    under reset stops CM7 before its first instruction and lets CM4 run, because CM7's start-up waits for CM4
    to sleep (ST AN5361).

    Attributes:
        sleep: Waits for a number of seconds of board time; a virtual probe brings its own.
        resets: The resets of the cores that have been seen.
    """

    VENDOR = "STMicroelectronics"
    PART_NUMBER = "STM32H755ZI"

    def __init__(self, session: Session) -> None:
        super().__init__(session, memory_map())
        make_debug_port_patient(self.dp)
        self.sleep: Callable[[float], None] = getattr(session.probe, "sleep", time.sleep)
        self._left_armed: set[int] = set()
        self._first_debugged: set[int] = set()
        self.resets = ResetSightings()

    # -- connecting -----------------------------------------------------------------------------------

    def create_init_sequence(self) -> CallSequence:
        """Configure the debug logic as soon as the debug port answers."""
        sequence = super().create_init_sequence()
        sequence.insert_after("dp_init", ("configure_debug", self.configure_debug))
        return sequence

    def init(self) -> None:
        """Connect; never leave NRST low behind a connection that failed."""
        try:
            super().init()
        except BaseException:
            if self.dp.is_reset_asserted():
                self.dp.assert_reset(False)
            raise

    def create_discoverer(self) -> None:
        """Choose between the known topology and pyOCD's discovery."""
        if self.session.options.get("h7.fixed_topology"):
            self._discoverer = FixedTopology(self)
        else:
            self.dp.aps.clear()
            super().create_discoverer()

    def configure_debug(self) -> None:
        """Configure DBGMCU; under reset, also stop CM7 at its first instruction and release NRST.

        Raises:
            pyocd.core.exceptions.TargetSupportError: The chip is another one.
        """
        bus = self.access_port(2)
        (idcode,) = bus.read_memory_block32(DBGMCU_AP2_ADDRESS + _DBGMCU["IDCODE"].offset, 1)
        if _DBGMCU["IDCODE"].fields["DEV_ID"].extract(idcode) != _DEVICE_ID:
            raise exceptions.TargetSupportError(
                f"The chip is not an STM32H755: its device id reads 0x{idcode:08X}"
            )
        mode = self.session.options.get("h7.low_power_debug") or "sleep"
        bus.write_memory(DBGMCU_AP2_ADDRESS + _DBGMCU["CR"].offset, debug_configuration(mode))
        bus.write_memory_block32(DBGMCU_AP2_ADDRESS + _DBGMCU["APB3FZ1"].offset, freeze_configuration())
        if self.dp.is_reset_asserted():
            self.resets.note_own()
            self._release_nrst_and_catch_cm7()

    def _release_nrst_and_catch_cm7(self) -> bool:
        """End a reset by NRST with CM7 at its first instruction; return False if it did not stop there."""
        port = self.access_port(0)
        try:
            # No reset but power-on clears it, and who lets go of a core does.
            if not port.read_memory(CortexM.DHCSR) & CortexM.C_DEBUGEN:
                self._first_debugged.add(port.address.apsel)
            port.write_memory(CortexM.DEMCR, CortexM.DEMCR_VC_CORERESET)
            port.write_memory(CortexM.DHCSR, CortexM.DBGKEY | CortexM.C_DEBUGEN)
        finally:
            self.dp.assert_reset(False)
        if self._wait_for_halt(port):
            port.write_memory(CortexM.DEMCR, 0)
            return True
        LOG.warning("CM7 did not stop at its first instruction after NRST was released")
        self._left_armed.add(port.address.apsel)
        return False

    def _disarm(self) -> None:
        """Take back a reset catch that nobody waits for any more: of a core that was held after its reset."""
        for apsel in sorted(self._left_armed):
            found = self._attach(apsel)
            if found is not None:
                core, demcr = found
                core.write32(CortexM.DEMCR, demcr & ~CortexM.DEMCR_VC_CORERESET)
                self._left_armed.discard(apsel)

    @property
    def has_left_armed(self) -> bool:
        """Whether a core is still to be relieved of a reset catch that nobody waits for."""
        return bool(self._left_armed)

    def breakpoint_units_enabled(self) -> dict[int, bool]:
        """Return by access port whether a core's FPB is taken to be switched on."""
        return {core.ap.address.apsel: core.fpb.enabled for core in self.cores.values()}

    def set_breakpoint_units_enabled(self, enabled: Mapping[int, bool]) -> None:
        """Take each core's FPB to be as `breakpoint_units_enabled` said, off where it said nothing."""
        for core in self.cores.values():
            core.fpb.enabled = enabled.get(core.ap.address.apsel, False)

    def _wait_for_halt(self, port: MEM_AP) -> bool:
        waited = 0.0
        while waited < _CATCH_TIMEOUT:
            try:
                if port.read_memory(CortexM.DHCSR) & CortexM.S_HALT:
                    return True
            except exceptions.TransferError:
                LOG.debug("The core is still in reset")
            self.sleep(_POLL_INTERVAL)
            waited += _POLL_INTERVAL
        return False

    def perform_halt_on_connect(self) -> None:
        """Halt the cores as pyOCD does; under reset CM7 is stopped already and CM4 is to run."""
        if self.session.options.get("connect_mode") != "under-reset":
            super().perform_halt_on_connect()

    def post_connect(self) -> None:
        """NRST is released already."""

    def check_for_cores(self) -> None:
        """With a known topology a board whose cores do not answer is still worth to be looked at."""
        if not self.session.options.get("h7.fixed_topology"):
            super().check_for_cores()

    def disconnect(self, resume: bool = True) -> None:
        """Let go of the cores that can be reached, and of the debug port."""
        self.session.notify(Target.Event.PRE_DISCONNECT, self)
        self.call_delegate("will_disconnect", target=self, resume=resume)
        for core in self.cores.values():
            try:
                core.disconnect(resume)
            except exceptions.TransferError as error:
                LOG.info("%s could not be let go: %s", core.node_name, error)
        if resume:
            self.dp.disconnect()
        self.call_delegate("did_disconnect", target=self, resume=resume)

    def reconnect(self) -> None:
        """Take up the connection again after the board has lost its power and got it back."""
        self.resets.note_own("PORRSTF", "BORRSTF")
        probe = self.session.probe
        probe.disconnect()
        self.dp.connect()
        for port in self.dp.aps.values():
            probe.get_memory_interface_for_ap(port.address)
        self.configure_debug()
        self._left_armed.clear()
        for core in self.cores.values():
            core.fpb.enabled = False
        for apsel in CORE_NAMES:
            self.attach_core(apsel)

    # -- access ports and cores -------------------------------------------------------------------------

    def access_port(self, apsel: int) -> MEM_AP:
        """Return access port 0 to 3; it is made from what is known where discovery did not find it."""
        port = self.dp.aps.get(apsel)
        if not isinstance(port, MEM_AP):
            port = create_access_port(self.dp, access_ports()[apsel])
            self.dp.aps[port.address] = port
        make_port_patient(port)
        watch_port(port, self.resets)
        return port

    def core(self, name: str) -> CortexM | None:
        """Return the core called ``"cm7"`` or ``"cm4"``, None if it has not been reached so far."""
        return next((core for core in self.cores.values() if core.node_name == name), None)

    def attach_core(self, apsel: int) -> CortexM | None:
        """Return the core behind access port `apsel` (0 or 3), None if it does not answer now.

        A core that was not there at connect is added, whenever that is; one whose debug logic was reset
        meanwhile gets its breakpoints and watchpoints back.
        """
        found = self._attach(apsel)
        return None if found is None else found[0]

    def _attach(self, apsel: int) -> tuple[CortexM, int] | None:
        """Attach a core; return it with its DEMCR."""
        port = self.access_port(apsel)
        seen = examine(port)
        if seen is None:
            return None
        demcr = seen[CortexM.DEMCR]
        if port.core is None:
            was_debugged = bool(seen[CortexM.DHCSR] & CortexM.C_DEBUGEN) and apsel not in self._first_debugged
            STM32H755Core.create(port, seen, was_debugged=was_debugged)
        elif isinstance(port.core, STM32H755Core):
            demcr = port.core.revive(seen)
        elif not port.core.core_type:
            # pyOCD's discovery made it while it did not answer.
            port.core.init()
        return port.core, demcr

    def attach_cm4(self) -> CortexM | None:
        """Return CM4, None if it does not answer now; see `attach_core`."""
        return self.attach_core(3)

    def clear_debug_units(self, apsel: int) -> bool:
        """Take away what stops a core, whoever has set it; return False if the core does not answer now."""
        found = self._attach(apsel)
        if found is None:
            return False
        core, demcr = found
        core.clear_debug_units(demcr)
        return True

    def add_core(self, core: Any) -> None:
        """Add a core by its name, and without pyOCD's caches: the other core changes memory too."""
        port = self.access_port(core.ap.address.apsel)
        core.node_name = CORE_NAMES[port.address.apsel]
        super().add_core(core)
        core.set_target_context(DebugContext(core))
        isolate_breakpoints(core)

    # -- both cores at once -----------------------------------------------------------------------------

    def halt_together(self) -> bool:
        """Halt both cores at once; return False where that is not possible, whatever has been halted by then."""
        trigger = self._cross_trigger(halted=False)
        try:
            return trigger is not None and trigger.halt()
        except exceptions.TransferError as error:
            LOG.info("The cores could not be halted together: %s", error)
            return False

    def resume_together(self) -> bool:
        """Let both cores run at once, if both are halted; return whether they were and do."""
        trigger = self._cross_trigger(halted=True)
        try:
            if trigger is not None:
                trigger.resume()
        except exceptions.TransferError as error:
            LOG.info("The cores could not be started together: %s", error)
            return False
        return trigger is not None

    def _cross_trigger(self, *, halted: bool) -> CrossTrigger | None:
        """Return what acts on both cores, if both can be reached and are in that state."""
        cores = [core for core in map(self.attach_core, CORE_NAMES) if core is not None]
        if len(cores) < len(CORE_NAMES) or any(core.is_halted() is not halted for core in cores):
            return None
        return CrossTrigger(cores, lambda core: self._wait_for_halt(core.ap))

    # -- reset --------------------------------------------------------------------------------------------

    def reset_chip(self, *, catch: Collection[str] = (), hardware: bool = False) -> list[str]:
        """Reset both cores, by SYSRESETREQ or by NRST; return the names of those that stopped at once.

        Args:
            catch: Names of the cores to stop before their first instruction. CM4, and CM7 without NRST, must
                be reachable at this moment to be told to stop, and run otherwise.
            hardware: Use NRST.
        """
        self._disarm()
        self.resets.note_own(*(() if hardware else ("SFT1RSTF", "SFT2RSTF")))
        armed, caught = [], []
        for apsel, name in CORE_NAMES.items():
            found = self._attach(apsel) if name in catch else None
            if found is not None:
                core, demcr = found
                try:
                    core.write32(CortexM.DEMCR, demcr | CortexM.DEMCR_VC_CORERESET)
                except exceptions.TransferError:
                    LOG.debug("%s fell asleep, without a clock, before it was told to stop", name)
                else:
                    armed.append(found)
        self.session.notify(Target.Event.PRE_RESET, self)
        if hardware or not self._request_reset([core for core, _ in armed]):
            self.dp.assert_reset(True, send_notifications=False)
            self.sleep(self.session.options.get("reset.hold_time"))
            if "cm7" in catch and not any(core.node_name == "cm7" for core, _ in armed):
                # Asleep without a clock its debug registers did not answer; under reset they do.
                if self._release_nrst_and_catch_cm7():
                    caught.append("cm7")
            else:
                self.dp.assert_reset(False, send_notifications=False)
        self.session.notify(Target.Event.POST_RESET, self)
        for core, demcr in armed:
            if self._wait_for_halt(core.ap):
                core.write32(CortexM.DEMCR, demcr & ~CortexM.DEMCR_VC_CORERESET)
                caught.append(core.node_name)
            else:
                LOG.warning("%s did not stop at its first instruction after the reset", core.node_name)
                self._left_armed.add(core.ap.address.apsel)
        return caught

    def _request_reset(self, reachable: list[CortexM]) -> bool:
        """Ask for a system reset through a core that answers; return False if none does."""
        for core in reachable or filter(None, map(self.attach_core, CORE_NAMES)):
            try:
                core.write32(CortexM.NVIC_AIRCR, CortexM.NVIC_AIRCR_VECTKEY | CortexM.NVIC_AIRCR_SYSRESETREQ)
            except exceptions.TransferError:
                LOG.debug("The reset came before the probe had its answer")
            return True
        return False
