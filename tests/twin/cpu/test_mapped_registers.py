"""Registers that a core reaches without asking the chip: `NativeCore.map_register`."""

import pytest

from pytest_h7.twin.bus import BusFault

REGISTER = 0x4000_1000
THRICE = """
void start(void) { for (int i = 0; i < 3; ++i) { REGISTER(0x40001000) += 2; } say_hex(REGISTER(0x40001000)); }"""
ONCE = "void start(void) { (void)REGISTER(0x40001000); REGISTER(0x40001000) = 5; say_hex(REGISTER(0x40001004)); }"


class Model:
    """A register, and what it has been told."""

    def __init__(self) -> None:
        self.value = 1
        self.masters: list[object] = []

    def read(self, master: object) -> int:
        self.masters.append(master)
        return self.value

    def write(self, value: int, master: object) -> None:
        self.masters.append(master)
        self.value = value


@pytest.mark.parametrize("name", ["cm7", "cm4"])
def test_functions_answer_with_the_master_they_were_mapped_with(load, name):
    chip, model = load(THRICE, name), Model()
    chip.core.map_register(REGISTER, 4, (model.read, model.write, "somebody"))
    assert chip.run() == "00000007 "
    assert model.masters == ["somebody"] * 7


def test_only_accesses_of_that_size_at_that_address_take_the_way(load):
    chip, model = (
        load("""
    void start(void) {
        say_hex(REGISTER(0x40001000)); say_hex(*(volatile uint16_t *)0x40001000); say_hex(REGISTER(0x40101000));
    }"""),
        Model(),
    )
    chip.on_read = {REGISTER: lambda: 0xAA, 0x4010_1000: lambda: 0xBB}
    chip.core.map_register(REGISTER, 4, (model.read, model.write, None))
    assert chip.run() == "00000001 000000AA 000000BB "


def test_more_registers_than_a_core_keeps_are_told_apart(load):
    chip = load("""
    void start(void) {
        for (uint32_t turn = 0; turn < 2; ++turn) {
            for (uint32_t place = 0x40001000; place < 0x40003000; place += 4) {
                if (REGISTER(place) != place) { say_hex(place); }
            }
        }
        say("end");
    }""")

    def answer(address: int) -> int:
        chip.core.map_register(address, 4, (lambda master: address, None, None))
        return address

    places = range(REGISTER, REGISTER + 0x2000, 4)
    chip.on_read = {address: lambda address=address: answer(address) for address in places}
    assert chip.run() == "end"


def test_access_may_unmap_itself(load):
    chip, model = load(ONCE), Model()

    def read(master: list[int]) -> int:
        chip.core.unmap_registers()
        master.append(1)
        return 0

    written: list[int] = []
    chip.on_write[REGISTER] = written.append
    chip.on_read[REGISTER + 4] = lambda: 7
    chip.core.map_register(REGISTER, 4, (read, model.write, []))
    assert chip.run() == "00000007 "
    assert (written, model.value) == ([5], 1)


def test_restored_core_asks_the_chip(load):
    chip, model = load(THRICE), Model()
    state = chip.core.save()
    chip.core.map_register(REGISTER, 4, (model.read, model.write, None))
    chip.core.restore(state)
    written: list[int] = []
    chip.on_read[REGISTER], chip.on_write[REGISTER] = lambda: 9, written.append
    assert chip.run() == "00000009 "
    assert (written, model.value) == ([11] * 3, 1)


@pytest.mark.parametrize("access", ["(void)REGISTER(0x40001000)", "REGISTER(0x40001000) = 1"])
def test_bus_fault_of_a_function_is_one_of_the_core(load, access):
    chip = load(f"""
    void bus_fault(void) {{ say("fault"); end(); }}
    void start(void) {{ SHCSR = 1 << 17; {access}; }}""")

    def fault(*arguments: object) -> int:
        raise BusFault(REGISTER)

    chip.core.map_register(REGISTER, 4, (fault, fault, None))
    assert chip.run() == "fault"


def test_error_of_a_function_ends_the_run_in_front_of_the_access(load):
    chip, model = load(ONCE), Model()

    def broken(master: object) -> int:
        raise ValueError("the model is wrong")

    chip.core.map_register(REGISTER, 4, (broken, model.write, None))
    chip.on_read[REGISTER + 4] = lambda: 7
    for _ in range(2):
        with pytest.raises(ValueError, match="the model is wrong"):
            chip.core.run(1000)
    chip.core.map_register(REGISTER, 4, (model.read, model.write, None))
    assert chip.run() == "00000007 "
    assert model.value == 5


def test_way_has_a_reader_a_writer_and_a_master(load):
    with pytest.raises(ValueError, match=r"the way to a register is \(reader, writer, master\)"):
        load(ONCE).core.map_register(REGISTER, 4, (print,))
