"""``pytest-h7 doctor`` as a command: what it prints, what it leaves behind, and what it changes when it may."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_h7.bench.settings import ConnectMode, LowPowerDebug, Settings
from pytest_h7.chip.registers import private_peripheral
from pytest_h7.cli import main
from pytest_h7.diagnosis.report import json_schema

from .conftest import Firmware, Patient
from .test_diagnosed_causes import CASES, COUNT, STOP

DHCSR, DEMCR = (private_peripheral("cm7", "SCS").registers[name].address for name in ("DHCSR", "DEMCR"))


@pytest.fixture
def examine(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run the doctor; return what it says to machines, proven to be as its schema says."""

    def examine(*arguments: str) -> dict[str, Any]:
        code = main(["doctor", "--json", *arguments])
        report: dict[str, Any] = json.loads(capsys.readouterr().out)
        jsonschema.validate(report, json_schema(), cls=jsonschema.Draft202012Validator)
        assert report["exit_code"] == code
        return report

    return examine


def port(report: dict[str, Any], apsel: int) -> dict[str, Any]:
    return report["access_ports"][apsel]


# -- the story ----------------------------------------------------------------------------------------


def test_cm7_halted_at_main(patient: Patient, examine: Callable[..., dict[str, Any]]) -> None:
    patient.give(Firmware())
    report = examine("--at", "main")
    assert report["health"] == "firmware"
    first, *_, last = report["verdict"]
    assert first.startswith("The CM4 sleeps in D2 stop until the CM7 releases hardware semaphore 0")
    assert re.fullmatch(r"The CM7 is halted by a debugger in main \(cm7\.c:\d+\)\.", last)
    assert report["next_step"].startswith("Resume the CM7")
    assert not port(report, 3)["readable"]
    assert report["domains"] == {"D1": "run", "D2": "stop", "D3": "run"}
    # The CM7 has been left where it was halted, and so it is found again.
    assert examine()["verdict"] == report["verdict"]


def test_doing_it_opens_ap3(patient: Patient, examine: Callable[..., dict[str, Any]]) -> None:
    patient.give(Firmware())
    report = examine("--at", "main", "--fix")
    assert report["fixes"][0].startswith("The CM7 runs again")
    assert report["health"] == "healthy"
    assert port(report, 3)["readable"]
    assert port(report, 0)["readable"]
    assert [core["state"] for core in report["cores"]] == ["sleeping", "sleeping"]


def test_reset_is_blamed_on_nobody_else(patient: Patient, examine: Callable[..., dict[str, Any]]) -> None:
    patient.give(Firmware())
    assert examine()["exit_code"] == 0


# -- exit codes, and every ill board ----------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_every_board_can_be_examined(
    patient: Patient, examine: Callable[..., dict[str, Any]], name: str
) -> None:
    case = CASES[name]
    patient.give(case.firmware)
    case.spoil(patient)
    report = examine()
    assert report["exit_code"] == int(case.health)
    assert report["health"] == case.health.name.lower()
    assert bool(report["next_step"]) is bool(case.health)
    assert all(sentence.endswith(".") for sentence in report["verdict"])


@pytest.mark.parametrize("name", ["CM7 halted at main", "standby", "no power", "blank bank 2", "RDP level 1"])
def test_text(patient: Patient, capsys: pytest.CaptureFixture[str], name: str) -> None:
    case = CASES[name]
    patient.give(case.firmware)
    case.spoil(patient)
    assert main(["doctor"]) == int(case.health)
    text = " ".join(capsys.readouterr().out.split())
    assert case.causes[0].value in text
    assert "verdict" in text
    assert "next step" in text


def test_nrst_low(patient: Patient, examine: Callable[..., dict[str, Any]]) -> None:
    """What a chip in reset shows is no finding."""
    patient.give(Firmware())
    patient.board.stlink.nrst_stuck = True
    report = examine()
    assert report["verdict"] == ["NRST is low: the chip is held in reset."]
    assert [finding["about"] for finding in report["findings"]] == ["AP0", "AP3"]
    assert [core["state"] for core in report["cores"]] == ["unreachable", "unreachable"]
    assert report["chip"]["device_id"] == 0x450


def test_no_such_board(own_environment: None, examine: Callable[..., dict[str, Any]]) -> None:
    report = examine("--probe", "066DFF")
    assert report["exit_code"] == 2
    assert report["probe"] is None
    assert "No probe has '066DFF' in its serial number" in report["verdict"][0]


def test_a_board_that_is_in_use(own_environment: None, examine: Callable[..., dict[str, Any]]) -> None:
    from pytest_h7.twin.board_store import BoardStore

    taken = BoardStore("desk")
    try:
        report = examine("--probe", "twin:desk")
    finally:
        taken.release()
    assert report["exit_code"] == 2
    assert "in use" in report["verdict"][0]


def test_an_image_that_is_missing(own_environment: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--cm7-image", "nowhere.elf"]) == 1
    assert "nowhere.elf cannot be read" in capsys.readouterr().err


# -- it leaves the board as it was ------------------------------------------------------------------


def state(patient: Patient) -> dict[str, object]:
    """What a debugger can change of a board."""
    mcu = patient.board.mcu
    found: dict[str, object] = {
        "DBGMCU": {name: mcu.dbgmcu[name] for name in mcu.dbgmcu.map.registers},
        "NRST": mcu.nrst_asserted,
        "options": mcu.flash.save(),
        "GCR": mcu.rcc["GCR"],
        "DBGSWEN": patient.board.stlink.debug_port.dbgswen,
    }
    for name, core in mcu.cores.items():
        found[name] = {
            "halted": core.halted,
            "lockup": core.lockup,
            "DHCSR": core.read_debug(DHCSR) & 0xF,
            "DEMCR": core.read_debug(DEMCR),
            "FPB": [core.read_debug(0xE000_2000 + 4 * index) for index in range(8)],
            "pc": core.read_register("pc") if core.halted else None,
        }
    return found


@pytest.mark.parametrize(
    "name", ["CM7 halted at main", "CM4 idles", "CM7 idles", "CM4 stops, CM7 uses D2", "BCM4 = 0"]
)
def test_nothing_is_changed(patient: Patient, examine: Callable[..., dict[str, Any]], name: str) -> None:
    case = CASES[name]
    patient.give(case.firmware)
    case.spoil(patient)
    before = state(patient)
    resets = patient.board.mcu.rcc["RSR"]
    examine()
    assert state(patient) == before
    assert patient.board.mcu.rcc["RSR"] == resets
    assert patient.board.stlink.debug_port.powered_up is (name == "CM7 halted at main")


def test_a_switch_that_was_off_is_off_afterwards(
    patient: Patient, examine: Callable[..., dict[str, Any]]
) -> None:
    """The ST-LINK sets DBGSWEN itself whenever it goes through AP2."""
    patient.give(Firmware())
    CASES["a tool clears DBGSWEN"].spoil(patient)
    examine()
    assert not patient.board.stlink.debug_port.dbgswen
    report = examine("--fix")
    assert report["fixes"][0] == "DBGSWEN is set in the CSW of AP2."
    assert patient.board.stlink.debug_port.dbgswen
    assert examine()["health"] == "healthy"


def test_breakpoints_of_another_session_are_left_alone(
    patient: Patient, examine: Callable[..., dict[str, Any]]
) -> None:
    patient.give(Firmware(cm7=COUNT, cm4=COUNT))
    core = patient.board.mcu.cores["cm7"]
    core.write_debug(0xE000_2000, 3)
    core.write_debug(0xE000_2008, 0x0800_0001 | 0x100)
    before = state(patient)
    examine()
    assert state(patient) == before


def test_cores_run_on(patient: Patient, examine: Callable[..., dict[str, Any]]) -> None:
    patient.give(Firmware(cm7=COUNT, cm4=COUNT))
    sram4 = patient.board.mcu.memory("SRAM4")

    def counts() -> list[int]:
        return [int.from_bytes(sram4[start : start + 4], "little") for start in (0, 0x1000)]

    before = counts()
    examine()
    assert all(after > first for after, first in zip(counts(), before, strict=True))


# -- fixing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("firmware", "done"),
    [
        (Firmware(cm7=COUNT, options={"BCM4": 0}, cm4=COUNT), "The CM4 has been released by RCC_GCR.BOOT_C2"),
        (Firmware(cm4=COUNT, options={"BCM7": 0}, cm7=COUNT), "The CM7 has been released by RCC_GCR.BOOT_C1"),
    ],
)
def test_a_held_core_is_released(
    patient: Patient, examine: Callable[..., dict[str, Any]], firmware: Firmware, done: str
) -> None:
    patient.give(firmware)
    assert examine()["exit_code"] == 1
    report = examine("--fix")
    assert any(each.startswith(done) for each in report["fixes"])
    assert [core["state"] for core in report["cores"]] == ["running", "running"]
    assert report["exit_code"] == 0
    patient.board.power_cycle()
    patient.board.sleep(0.01)
    assert examine()["exit_code"] == 1


def test_a_held_core_without_firmware_is_not_released(
    patient: Patient, examine: Callable[..., dict[str, Any]]
) -> None:
    patient.give(Firmware(cm7=COUNT, cm4=None, options={"BCM4": 0}))
    report = examine("--fix")
    assert not [each for each in report["fixes"] if "released" in each]
    assert report["exit_code"] == 1


def test_what_cannot_be_fixed_is_left(patient: Patient, examine: Callable[..., dict[str, Any]]) -> None:
    patient.give(Firmware(cm7=COUNT, cm4=STOP))
    options = patient.board.mcu.flash.save()
    report = examine("--fix")
    assert report["exit_code"] == 1
    assert patient.board.mcu.flash.save() == options


def test_both_halted_cores_run_again(patient: Patient, examine: Callable[..., dict[str, Any]]) -> None:
    patient.give(Firmware(cm7=COUNT, cm4=COUNT))
    settings = Settings(connect=ConnectMode.ATTACH, low_power_debug=LowPowerDebug.SLEEP)
    with patient.observed() as observation, observation.debugging(settings) as connection:
        for apsel in (0, 3):
            connection.core(apsel).halt()
    assert [core["state"] for core in examine()["cores"]] == ["halted", "halted"]
    assert [core["state"] for core in examine("--fix")["cores"]] == ["running", "running"]


# -- trace ------------------------------------------------------------------------------------------


def test_trace_shows_every_access(patient: Patient, capsys: pytest.CaptureFixture[str]) -> None:
    patient.give(Firmware())
    patient.stop_at("main")
    before = patient.board.stlink.transfers
    assert main(["doctor", "--trace"]) == 1
    transfers = patient.board.stlink.transfers - before
    lines = capsys.readouterr().err.splitlines()
    pattern = r"(read |write)  (DP |AP\d|NRST).*( -> | <- | : ).*"
    assert [line for line in lines if not re.fullmatch(pattern, line)] == []
    assert "read   AP1  0x58024400 RCC_CR -> " in "\n".join(lines)
    assert any(re.fullmatch(r"read   AP3  0xE000ED00 SCS_CPUID : Transfer\w*", line) for line in lines)
    writes = [line for line in lines if line.startswith("write  AP")]
    # To read the program counter of the halted CM7 it has to be selected.
    assert {line.split(" <- ")[0] for line in writes} == {"write  AP0  0xE000EDF4 SCS_DCRSR"}
    # A memory access takes two transfers, the second for its status; the rest is the probe's own.
    accesses = sum("0x" in line for line in lines)
    assert 2 * accesses < transfers < 2 * accesses + 60


def test_schema_is_in_the_package_and_strict(
    patient: Patient, examine: Callable[..., dict[str, Any]]
) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    patient.give(Firmware())
    report = examine()
    report["cores"][0]["state"] = "tired"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, json_schema())


def test_named_board_as_it_is_after_power_on(
    own_environment: None, examine: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["flash", "--probe", "twin:desk"]) == 0
    capsys.readouterr()
    report = examine("--probe", "twin:desk")
    assert report["health"] == "healthy"
    assert [image["image"] for image in report["flash"]] == ["cm7.elf", "cm4.elf"]
    assert report["probe"]["vcp"] == "h7twin://desk"


def test_images_that_are_not_in_flash_give_no_symbols(
    patient: Patient, examine: Callable[..., dict[str, Any]], pytestconfig: pytest.Config
) -> None:
    patient.give(Firmware())
    other = Path(pytestconfig.rootpath) / "pytest_h7/images/cm7_never_releases.elf"
    report = examine("--cm7-image", str(other))
    assert [image["image"] for image in report["flash"]] == [None, "cm4.elf"]
    assert all(image["can_start"] for image in report["flash"])
