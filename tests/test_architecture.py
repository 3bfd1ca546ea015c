"""
Imports point one way, and what is pure stays pure.

ORDER is the map: a module may import those that stand before it, and no others. A new module gets a place in it, or the first
test fails. A package (`doctor/`, `simulator/`, `watch/`) has one place for all of its files. PURE modules do no I/O: they are
given the time, the randomness, the environment and the bytes.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "teslafast"
MAP = """
errors      text vin address backoff chain waiting
config      logs metrics garbage
signals     messages legacy encode _wire presets
_crc32c     _recover _fanout _transport
state       identity auth request
events      roster views wish admit_vehicle admit_dashboard gate page
journal     checkpoint commit
tls         renewal
hub         keeper scrape
door        intake goodbye
vehicle     dashboard drain
server
mint        certs
fetch       jws given tesla_ca fleet_api vehicle_config vehicle_commands
dial        probe watch simulator doctor
web         demo
options     cli_vehicle cli_doctor cli __main__
"""
PURE_ONES = """
errors config _wire signals messages legacy encode events state identity auth request wish
admit_vehicle admit_dashboard gate metrics roster views text vin address backoff chain waiting jws presets vehicle_config mint
"""
ORDER, PURE = MAP.split(), PURE_ONES.split()
CYTHON_IMPORT = re.compile(r"^\s*(?:from (\S+) c?import (.+)|c?import (\S+))", re.MULTILINE)
FORBIDDEN = {"asyncio", "ssl", "socket", "picows", "uvloop"}
# Whom PyJWT, cryptography and aiofastnet (whose C functions _fanout calls) bring such modules along, used or not.
ACCOMPANIED = {"auth", "_fanout", "chain", "mint", "jws", "vehicle_config"}


def sources(unit: str) -> list[Path]:
    """The files of a module or package: Python, or Cython with what it includes."""
    if (PACKAGE / unit).is_dir():
        return sorted((PACKAGE / unit).rglob("*.py"))
    return [path for path in PACKAGE.iterdir() if re.fullmatch(rf"{unit}\.(py|pyx|pxd)|{unit}_\w+\.pxi", path.name)]


def imported(path: Path) -> Iterator[str]:
    """Everything that the file imports, wherever it does so, as absolute dotted names."""
    if path.suffix != ".py":
        for origin, names, module in CYTHON_IMPORT.findall(path.read_text()):
            yield from [module] if module else (f"{origin}.{name.strip()}" for name in names.split(","))
        return
    package = ["teslafast", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def leans_on(unit: str) -> set[str]:
    """The modules of ours that it imports."""
    names = [name.split(".") for path in sources(unit) for name in imported(path)]
    return {parts[1] for parts in names if parts[0] == "teslafast" and parts[1] in ORDER} - {unit}


def test_every_module_has_one_place_in_the_order() -> None:
    files = {path.stem for path in PACKAGE.iterdir() if path.suffix in (".py", ".pyx")} - {"__init__"}
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert sorted(ORDER) == sorted(files | packages)


@pytest.mark.parametrize("unit", ORDER)
def test_imports_point_one_way(unit: str) -> None:
    before = ORDER[: ORDER.index(unit)]
    assert leans_on(unit) <= set(before)


@pytest.mark.parametrize("unit", PURE)
def test_what_is_pure_imports_no_io_and_nothing_that_does(unit: str) -> None:
    names = {name.split(".")[0] for path in sources(unit) for name in imported(path)}
    assert not names & FORBIDDEN
    assert leans_on(unit) <= {*PURE, "_fanout", "logs"}


def test_what_is_pure_loads_no_io_when_it_is_imported() -> None:
    accompanied = set(ACCOMPANIED)
    for unit in ORDER:
        if leans_on(unit) & accompanied:
            accompanied.add(unit)
    clean = [unit for unit in PURE if unit not in accompanied]
    assert {"errors", "config", "_wire", "signals", "state", "identity"} <= set(clean)
    ours = "".join(f"import teslafast.{unit}\n" for unit in clean)
    program = f"import sys\n{ours}print(*sorted({FORBIDDEN!r} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []


def test_the_reader_of_these_imports_reads_all_kinds(tmp_path: Path) -> None:
    cython = tmp_path / "x.pyx"
    cython.write_text("import sys\nfrom a.b cimport C, D\n    from teslafast import errors, text\ncimport e\n")
    assert list(imported(cython)) == ["sys", "a.b.C", "a.b.D", "teslafast.errors", "teslafast.text", "e"]
    assert "config" in leans_on("auth")
    assert "errors" in leans_on("_wire")
