"""A core that faults: what it recorded, where it is, and that the other one goes on."""

import pytest

from pytest_h7 import Board, reference_image

from .conftest import wait_until_ready

RESERVED_ADDRESS = 0x3900_0000
"""What the firmware built with HARD_FAULT reads when the button is pressed."""


@pytest.fixture
def faulted(started: Board) -> Board:
    """The board after a press, on which the CM7 has read a reserved address."""
    with started.expect_fault("cm7") as expected:
        started.exti[13].trigger()
        started.sleep(0.02)
    assert expected.fault is not None
    return started


@pytest.mark.h7_images(cm7=reference_image("cm7_hard_fault"))
class TestHardFault:
    """Firmware whose CM7 reads a reserved address when the button is pressed."""

    def test_no_fault_before(self, started: Board) -> None:
        assert started.cm7.fault is None

    def test_fault_and_its_address(self, faulted: Board) -> None:
        fault = faulted.cm7.fault
        assert fault is not None
        assert fault.address == RESERVED_ADDRESS
        assert {"PRECISERR", "BFARVALID", "FORCED"} <= set(fault.flags)
        assert "bus error on a data access" in str(fault)

    def test_core_is_in_its_handler(self, faulted: Board) -> None:
        faulted.cm7.halt()
        assert (faulted.cm7.location or "").startswith("HardFault_Handler")
        assert faulted.cm7.registers["xpsr"] & 0x1FF == 3

    def test_other_core_goes_on(self, faulted: Board) -> None:
        assert faulted.cm4.fault is None
        before = faulted.cm4.variable("ticks").value
        faulted.sleep(0.02)
        assert faulted.cm4.variable("ticks").value > before

    def test_reset_ends_it(self, faulted: Board) -> None:
        faulted.reset()
        wait_until_ready(faulted)
        assert faulted.cm7.fault is None


STORE = bytes.fromhex("0860 00bf 00bf fee7")
"""STR R0, [R1]; NOP; NOP; B ."""


@pytest.mark.parametrize("name", ["cm7", "cm4"])
def test_store_to_a_reserved_address(started: Board, name: str) -> None:
    """The core has gone on when it learns of it, and tells no address."""
    core = getattr(started, name)
    unused = 0x3800_F200
    core.halt()
    core.write_bytes(unused, STORE)
    core.registers["r1"] = RESERVED_ADDRESS
    core.registers["pc"] = unused
    with started.expect_fault(name, timeout=0.001) as expected:
        core.resume()
    fault = expected.fault
    assert fault is not None
    assert {"IMPRECISERR", "FORCED"} <= set(fault.flags)
    assert fault.address is None
    assert fault.interfaces == (("AXIM",) if name == "cm7" else ())
