"""The tables of encodings and of differences as C source for the oracles."""

from __future__ import annotations

import itertools
import re
import sys
from dataclasses import dataclass
from pathlib import Path

PROPERTIES = ("no-it", "last-it", "branch", "m7", "dp", "system", "undefined", "nocp")


@dataclass(frozen=True)
class Encoding:
    """One encoding: a row of the table, with its choices made."""

    name: str
    bits: tuple[str, ...]  # highest first: "0", "1", "(0)", "(1)", "." or a field's letter
    constraints: str
    properties: frozenset[str]
    pc_field: str | None

    @property
    def fixed(self) -> tuple[int, int]:
        """Mask and value of the bits that tell this encoding from others."""
        return self._mask("0", "1")

    @property
    def expected(self) -> tuple[int, int]:
        """Mask and value of the bits that should be as they are."""
        return self._mask("(0)", "(1)")

    @property
    def fields(self) -> dict[str, str]:
        """C expressions of the fields' values, from an opcode `op`."""
        places: dict[str, list[int]] = {}
        for place, bit in zip(range(len(self.bits) - 1, -1, -1), self.bits, strict=True):
            if bit.isalpha():
                places.setdefault(bit, []).append(place)
        return {letter: _gather(found) for letter, found in places.items()}

    def _mask(self, zero: str, one: str) -> tuple[int, int]:
        mask = value = 0
        for bit in self.bits:
            mask = mask << 1 | (bit in (zero, one))
            value = value << 1 | (bit == one)
        return mask, value


def _gather(places: list[int]) -> str:
    """An expression for the bits at `places`, highest first, put together."""
    terms, width = [], 0
    for _, run in itertools.groupby(enumerate(reversed(places)), lambda pair: pair[1] - pair[0]):
        bits = [place for _, place in run]
        term = f"(op >> {bits[0]} & {hex((1 << len(bits)) - 1)})"
        terms.append(f"{term} << {width}" if width else term)
        width += len(bits)
    return " | ".join(terms)


def _expand(name: str, bits: str, constraints: str, properties: str) -> list[Encoding]:
    groups = re.findall(r"<([^>]*)>", name)
    choices = [[choice.split("=") for choice in group.split("|")] for group in groups]
    encodings = []
    for combination in itertools.product(*choices):
        chosen_name, chosen_bits, chosen_constraints = name, bits, constraints
        chosen_properties = set() if properties == "-" else set(properties.split())
        for place, (text, value) in zip("*@", combination, strict=False):
            chosen_name = re.sub(r"<[^>]*>", text, chosen_name, count=1)
            for digit in value:
                chosen_bits = chosen_bits.replace(place, digit, 1)
            chosen_constraints = re.sub(
                rf"\b([SL])\({re.escape(place)},", rf"\1({value},", chosen_constraints
            )
        pc_field = next((p[3:] for p in chosen_properties if p.startswith("pc=")), None)
        if "dp" in chosen_properties and "F64" in chosen_name:
            chosen_properties.add("m7")
        tokens = tuple(re.findall(r"\([01]\)|[01a-z.]", chosen_bits))
        if "".join(tokens) != chosen_bits or len(tokens) not in (16, 32):
            raise ValueError(f"{chosen_name}: {chosen_bits} are {len(tokens)} bits")
        known = frozenset(chosen_properties & set(PROPERTIES))
        encodings.append(Encoding(chosen_name, tokens, chosen_constraints, known, pc_field))
    return encodings


def load(path: Path) -> list[Encoding]:
    """The encodings of a table, in its order."""
    encodings = []
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            name, bits, constraints, properties = re.split(r"\s{2,}", line.strip())
            encodings += _expand(name, bits.replace(" ", ""), constraints, properties.strip())
    names = [encoding.name for encoding in encodings]
    if len(set(names)) != len(names):
        raise ValueError(f"twice: {sorted({name for name in names if names.count(name) > 1})}")
    return encodings


def _function(index: int, encoding: Encoding) -> str:
    lines = [f"static bool predictable_{index}(uint32_t op) {{"]
    used = set(re.findall(r"\b[a-z]\b", encoding.constraints))
    lines += [
        f"    uint32_t {letter} = {value};" for letter, value in encoding.fields.items() if letter in used
    ]
    lines += ["    (void)op;"] if not used else []
    condition = "true" if encoding.constraints == "-" else encoding.constraints
    return "\n".join([*lines, f"    return {condition};", "}"])


def _pc_mask(encoding: Encoding) -> int:
    mask = 0
    for bit in encoding.bits:
        mask = mask << 1 | (bit == encoding.pc_field)
    return mask


def as_c(encodings: list[Encoding]) -> str:
    """C source: a function per encoding, and the array of all."""
    rows = []
    for index, encoding in enumerate(encodings):
        flags = (
            " | ".join(f"IS_{name.upper().replace('-', '_')}" for name in sorted(encoding.properties)) or "0"
        )
        (mask, value), (should, should_value) = encoding.fixed, encoding.expected
        rows.append(
            f'    {{"{encoding.name}", {len(encoding.bits) // 8}, {mask:#x}, {value:#x}, {should:#x}, '
            f"{should_value:#x}, {_pc_mask(encoding):#x}, {flags}, predictable_{index}}},"
        )
    functions = "\n".join(_function(index, encoding) for index, encoding in enumerate(encodings))
    table = "\n".join(rows)
    return f"{functions}\n\nconst struct encoding encodings[] = {{\n{table}\n}};\n"


@dataclass(frozen=True)
class Difference:
    """Something that Unicorn does otherwise than the Arm manual: a row of differences.txt."""

    name: str
    encodings: str
    condition: str
    section: str
    text: str


def load_differences(path: Path) -> list[Difference]:
    """The rows of differences.txt."""
    lines = path.read_text().splitlines()
    return [Difference(*re.split(r"\s{2,}", line)) for line in lines if line and not line.startswith("#")]


def differences_as_c(differences: list[Difference]) -> str:
    """C source: the array of differences."""
    rows = "\n".join(f'    {{"{d.name}", "{d.encodings}", {d.condition}}},' for d in differences)
    return f"const struct difference differences[] = {{\n{rows}\n}};\n"


def main() -> None:
    """Write the .inc files for encodings.txt and differences.txt into the directory given."""
    here, target = Path(__file__).parent, Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    (target / "encodings.inc").write_text(as_c(load(here / "encodings.txt")))
    (target / "differences.inc").write_text(differences_as_c(load_differences(here / "differences.txt")))


if __name__ == "__main__":
    main()
