"""The boot contract: CM4 to D2 stop, clocks, HSEM 0, CM4 awake - step by step, as seen from outside."""

import pytest

from pytest_h7 import (
    Board,
    BootContractBroken,
    BootStage,
    Cause,
    Core,
    CoreState,
    DomainState,
    ImagePair,
    reference_image,
)

HSEM_0_TIMEOUT = 0.5
SCR, NVIC_ISER1, NVIC_IPR = 0xE000_ED10, 0xE000_E104, 0xE000_E400
EXTI15_10 = 40


def wait_for_d2_stop(board: Board) -> None:
    board.wait_until(lambda: board.domains.d2.state is DomainState.STOP, 0.1, "D2 entering stop")


def test_boot_contract_is_kept(h7_board: Board, h7_flashed: ImagePair) -> None:
    report = h7_board.boot_contract(timeout=1.0)
    assert list(report.times) == list(BootStage)
    times = list(report.times.values())
    assert times == sorted(times)


def test_cm4_waits_for_the_semaphore(h7_board: Board, h7_flashed: ImagePair, cm7: Core, cm4: Core) -> None:
    h7_board.reset(halt=True)
    wait_for_d2_stop(h7_board)
    assert not h7_board.ap[3].readable
    assert h7_board.ap[3].explain().cause is Cause.CM4_IN_STOP_WAITING_FOR_HSEM
    cm7.resume()
    h7_board.wait_until(lambda: h7_board.ap[3].readable, timeout=HSEM_0_TIMEOUT)
    assert cm4.cpuid.part_name == "Cortex-M4"


def test_reset_halt_stops_the_cm7_at_its_first_instruction(
    h7_board: Board, h7_flashed: ImagePair, cm7: Core
) -> None:
    h7_board.reset(halt=True)
    assert cm7.state is CoreState.HALTED
    assert cm7.pc == h7_flashed.cm7.entry


def test_cm4_selects_its_wake_up_before_it_stops(h7_board: Board, h7_flashed: ImagePair) -> None:
    h7_board.reset(halt=True)
    wait_for_d2_stop(h7_board)
    # HSEM's clock is enabled in the CM4's bank only; the wake-up line 78 is open for the CM4.
    assert h7_board.registers.RCC_C2.AHB4ENR.HSEMEN == 1
    assert h7_board.registers.RCC_C1.AHB4ENR.HSEMEN == 0
    assert h7_board.exti[78].enabled("cm4")


def test_d2_stays_stopped_as_long_as_the_cm7_does(h7_board: Board, h7_flashed: ImagePair) -> None:
    h7_board.reset(halt=True)
    wait_for_d2_stop(h7_board)
    h7_board.sleep(0.2)
    assert h7_board.domains.d2.state is DomainState.STOP
    assert h7_board.domains.d1.state is DomainState.RUN
    assert h7_board.domains.d3.state is DomainState.RUN


def test_cm4_stops_on_the_internal_oscillator(h7_board: Board, h7_flashed: ImagePair) -> None:
    h7_board.reset(halt=True)
    wait_for_d2_stop(h7_board)
    assert h7_board.registers.RCC.CFGR.SWS == 0
    assert h7_board.registers.RCC.CR.HSEON == 0


def test_supply_is_chosen_before_anything_else(h7_board: Board, h7_flashed: ImagePair, cm7: Core) -> None:
    h7_board.reset(halt=True)
    cm7.run_until("main", timeout=0.5)
    assert h7_board.registers.PWR.CR3.value & 7 == 4
    assert h7_board.registers.PWR.CSR1.ACTVOSRDY == 1


def test_clocks_are_set_while_the_cm4_sleeps(h7_board: Board, h7_flashed: ImagePair, cm7: Core) -> None:
    h7_board.reset(halt=True)
    wait_for_d2_stop(h7_board)
    cm7.run_until("take_semaphore", timeout=0.5)
    assert h7_board.registers.RCC.CFGR.SWS == 3
    assert h7_board.domains.d2.state is DomainState.STOP


def test_semaphore_is_taken_by_the_cm7_before_it_is_released(
    h7_board: Board, h7_flashed: ImagePair, cm7: Core, cm4: Core
) -> None:
    h7_board.reset(halt=True)
    wait_for_d2_stop(h7_board)
    cm7.run_until("release_semaphore", timeout=0.5)
    assert h7_board.hsem[0].owner == "cm7"
    assert h7_board.hsem[0].process == 0
    assert cm4.state is CoreState.UNREACHABLE
    cm7.resume()
    h7_board.wait_until(lambda: h7_board.domains.d2.state is DomainState.RUN, HSEM_0_TIMEOUT)
    assert h7_board.hsem[0].owner is None


def test_cm7_touches_d2_only_after_the_cm4_is_awake(
    h7_board: Board, h7_flashed: ImagePair, cm7: Core
) -> None:
    h7_board.reset(halt=True)
    wait_for_d2_stop(h7_board)
    cm7.run_until("release_semaphore", timeout=0.5)
    assert h7_board.registers.RCC_C1.APB1LENR.USART3EN == 0
    cm7.run_until("console_start", timeout=0.5)
    assert h7_board.domains.d2.state is DomainState.RUN


def test_flash_latency_fits_the_clock(started: Board) -> None:
    # 200 MHz at VOS1 need 2 wait states or more (RM0399 table 16); the firmware takes 4.
    acr = started.registers.FLASH.ACR
    assert (acr.LATENCY, acr.WRHIGHFREQ) == (4, 2)


def test_cm4_waits_with_its_notification_armed(h7_board: Board, h7_flashed: ImagePair, cm7: Core) -> None:
    h7_board.reset(halt=True)
    wait_for_d2_stop(h7_board)
    cm7.run_until("release_semaphore", timeout=0.5)
    # HSEM has its clock now, by the CM7.
    assert h7_board.registers.HSEM.C2IER.ISE0 == 1
    assert h7_board.registers.HSEM.C2ISR.ISF0 == 0


def test_hsem_interrupt_is_an_event_for_the_cm4(h7_board: Board, h7_flashed: ImagePair, cm7: Core) -> None:
    h7_board.reset(halt=True)
    assert h7_board.registers.EXTI.C2EMR3.MR78 == 0
    cm7.run_until("main", timeout=0.5)
    assert h7_board.registers.EXTI.C2EMR3.MR78 == 1


def test_cm4_tidies_up_after_its_stop(started: Board, cm4: Core) -> None:
    sleepdeep = 1 << 2
    assert cm4.read_u32(SCR) & sleepdeep == 0
    assert started.registers.HSEM.C2ISR.ISF0 == 0


def test_interrupt_of_the_button_is_set_up_on_both_cores(started: Board) -> None:
    for core in started.cores:
        assert core.read_u32(NVIC_ISER1) & 1 << EXTI15_10 - 32
        assert core.read_u8(NVIC_IPR + EXTI15_10) == 2 << 4


def test_both_cores_end_in_their_main_loop(started: Board) -> None:
    for core in started.cores:
        core.halt()
        assert core.location is not None
        assert core.location.startswith("main")


def test_sleep_state_of_the_idle_cores(started: Board) -> None:
    # Both sit in WFI between ticks; a sample a moment later at the latest finds them asleep.
    for core in started.cores:
        started.wait_until(lambda core=core: core.state is CoreState.SLEEPING, 0.1)


@pytest.mark.h7_images(cm7=reference_image("cm7_never_releases"))
class TestNeverReleased:
    """Firmware whose CM7 takes semaphore 0 and never gives it back."""

    def test_is_diagnosed_as_such(self, h7_board: Board, h7_flashed: ImagePair, cm4: Core) -> None:
        h7_board.sleep(0.1)
        assert cm4.state is CoreState.UNREACHABLE
        diagnosis = h7_board.ap[3].explain()
        assert diagnosis.cause is Cause.CM4_IN_STOP_WAITING_FOR_HSEM
        assert diagnosis.evidence["RCC_CR.D2CKRDY"] == 0
        assert diagnosis.evidence["BCM4"] == 1
        assert "semaphore 0" in diagnosis.remedy

    def test_owner_of_the_semaphore_is_the_cm7(self, h7_board: Board, h7_flashed: ImagePair) -> None:
        h7_board.wait_until(lambda: h7_board.registers.RCC.CFGR.SWS == 3, 0.5)
        h7_board.sleep(0.01)
        assert h7_board.hsem[0].owner == "cm7"

    def test_breaks_the_boot_contract(self, h7_board: Board, h7_flashed: ImagePair) -> None:
        with pytest.raises(
            BootContractBroken, match="not seen that the CM7 has released hardware semaphore 0"
        ) as broken:
            h7_board.boot_contract(timeout=0.5)
        assert "cm4 is unreachable" in str(broken.value)


@pytest.mark.h7_images(cm4=reference_image("cm4_never_sleeps"))
def test_cm4_that_never_sleeps_breaks_the_boot_contract(
    h7_board: Board, h7_flashed: ImagePair, cm7: Core
) -> None:
    with pytest.raises(BootContractBroken, match="not seen that the CM4 sleeps in D2 stop"):
        h7_board.boot_contract(timeout=0.3)
    cm7.resume()
    h7_board.wait_until(lambda: (cm7.location or "").startswith("Error_Handler"), 1.0)


@pytest.mark.h7_images(cm4=reference_image("cm4_lockup"))
def test_locked_up_cm4_can_still_be_read(h7_board: Board, h7_flashed: ImagePair, cm4: Core) -> None:
    with h7_board.expect_fault("cm4", timeout=0.1):
        pass
    assert cm4.state is CoreState.LOCKUP
    assert h7_board.ap[3].readable
    assert h7_board.ap[3].explain().cause is Cause.NONE


@pytest.mark.h7_option_bytes(BCM4=0)
class TestHeldCm4:
    """A board whose CM4 waits for RCC_GCR.BOOT_C2."""

    def test_held_cm4_is_a_state_of_its_own(self, h7_board: Board, h7_flashed: ImagePair, cm4: Core) -> None:
        h7_board.sleep(0.01)
        assert cm4.state is CoreState.HELD
        assert h7_board.ap[3].explain().cause is Cause.CM4_HELD_BY_OPTION_BYTES

    def test_released_cm4_starts(self, h7_board: Board, h7_flashed: ImagePair, cm4: Core) -> None:
        h7_board.reset(halt=True)
        h7_board.registers.RCC.GCR.BOOT_C2 = 1
        wait_for_d2_stop(h7_board)
        assert cm4.state is CoreState.UNREACHABLE


@pytest.mark.h7_option_bytes(BCM7=0)
def test_held_cm7_leaves_the_d3_bus(h7_board: Board, cm7: Core) -> None:
    h7_board.sleep(0.01)
    assert cm7.state is CoreState.HELD
    assert not h7_board.ap[0].readable
    assert h7_board.ap[0].explain().cause is Cause.CM7_HELD_BY_OPTION_BYTES
    assert h7_board.ap[1].readable


def test_option_bytes_are_in_force_after_they_were_set(
    h7_board: Board, h7_flashed: ImagePair, cm4: Core
) -> None:
    h7_board.option_bytes.set(BCM4=0)
    try:
        assert h7_board.option_bytes["BCM4"] == 0
        assert cm4.state is CoreState.HELD
    finally:
        h7_board.option_bytes.set(BCM4=1)
    assert h7_board.option_bytes["BCM4"] == 1
    h7_board.boot_contract(timeout=1.0)
