"""
Imports point one way between the rooms, and what is pure stays pure.

A room is a folder of the package; the files at its top level are the ground. ROOMS says what each room may import besides the
ground; GROUND is an order: a file may import those before it. Inside a room there is no cycle. PURE rooms and files do no I/O:
they are given the time, the randomness, the environment and the bytes.

Besides, every file has short functions, classes and constants whose names are theirs alone, nothing left to do, citations that
exist, and a length that one reads in one sitting.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support import ROOT

PACKAGE = ROOT / "teslafast"

GROUND = (  # noqa: SIM905
    "refusals errors close_reasons text vin hosts doctor_mark rfc3339 backoff http_messages event_loop metrics environment "
    "setting_values setup_checks config log_writer logs scratch served_at disk_thread nats_client "
    "urls fleet_telemetry_file fleet_telemetry_outputs fleet_telemetry_config qr_code https whole_file _crc32c _fanout __main__"
).split()
ROOMS = {
    "protocol": "",
    "core": "",
    "websocket": "",
    "certificates": "protocol",
    "storage": "core",
    "vehicles": "protocol core websocket",
    "dashboards": "core websocket",
    "outputs": "protocol core",
    "server": "protocol certificates core storage websocket vehicles dashboards outputs cluster web",
    "cluster": "protocol core",
    "supervisor": "server",
    "onboarding": "protocol certificates websocket",
    "doctor": "protocol certificates onboarding dashboards websocket outputs cluster",
    "setup": "certificates onboarding doctor dashboards",
    "simulator": "protocol certificates websocket",
    "watch": "certificates websocket dashboards",
    "web": "",
    "cli": "protocol certificates core storage websocket vehicles dashboards outputs cluster server supervisor onboarding doctor "
    "setup simulator watch",
}
PURE = (  # noqa: SIM905
    "refusals errors close_reasons text vin hosts doctor_mark rfc3339 backoff http_messages event_loop metrics environment "
    "setting_values setup_checks config urls fleet_telemetry_file fleet_telemetry_outputs fleet_telemetry_config qr_code "
    "protocol core"
).split()
FORBIDDEN = {"asyncio", "ssl", "socket", "picows", "uvloop"}
LONGEST_FILE = 300  # lines: a module is read in one sitting
LONGEST_FUNCTION = 40  # lines, docstring left out: what fits on a screen
# What does not hold yet: lists that shrink, and nothing is ever added.
KNOWN_LONG_FUNCTIONS: set[str] = set()
KNOWN_CLASSES_OF_ONE_NAME: set[str] = set()
KNOWN_CONSTANTS_OF_ONE_NAME: set[str] = set()
KNOWN_LONG_FILES: set[str] = set()
LONG_FOR_A_REASON = {
    "teslafast/_fanout.pyx",  # one cdef class, whose methods Cython wants in one file
    "teslafast/websocket/_frame_limit.pyx",  # likewise
    "teslafast/config.py",  # one table, a row a setting
    "teslafast/server/prometheus.py",  # likewise, a row a metric
}
ELSEWHERE = re.compile(r"\b(contract|tesla-protocol|rooms|design)\.md|tesla-protocol \d")
KNOWN_CITATIONS: set[str] = set()
KNOWN_PAGES_TO_COME: set[str] = set()
CYTHON_IMPORT = re.compile(r"^\s*(?:from (\S+) c?import (.+)|c?import (\S+))", re.MULTILINE)


def units() -> set[str]:
    """The rooms, and the files of the ground."""
    files = {path.stem for path in PACKAGE.iterdir() if path.suffix in (".py", ".pyx")} - {"__init__"}
    return files | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def sources(unit: str) -> list[Path]:
    """The files of a room, or of a file of the ground: Python, or Cython with what it includes."""
    if (PACKAGE / unit).is_dir():
        return sorted(path for path in (PACKAGE / unit).rglob("*") if path.suffix in (".py", ".pyx", ".pxd", ".pxi"))
    return [path for path in PACKAGE.iterdir() if re.fullmatch(rf"{unit}\.(py|pyx|pxd)|{unit}_\w+\.pxi", path.name)]


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def absolute(origin: str, package: list[str]) -> str:
    level = len(origin) - len(origin.lstrip("."))
    if not level:
        return origin
    return ".".join([*package[: len(package) - level + 1], *filter(None, [origin[level:]])])


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Everything that the file imports, wherever it does so, as absolute dotted names."""
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    package = ["teslafast", *path.relative_to(PACKAGE).parts[:-1]] if path.is_relative_to(PACKAGE) else ["teslafast"]
    if path.suffix != ".py":
        for origin, names, module in CYTHON_IMPORT.findall(path.read_text()):
            yield from [module] if module else (f"{absolute(origin, package)}.{name.strip()}" for name in names.split(","))
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = absolute("." * node.level + (node.module or ""), package)
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def leans_on(unit: str) -> dict[str, str]:
    """The rooms and files of ours that it imports, each with one file that does so."""
    found = {}
    for path in sources(unit):
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "teslafast" and len(parts) > 1 and parts[1] in units() - {unit}:
                found[parts[1]] = path.relative_to(PACKAGE.parent).as_posix()
    return found


def may_import(unit: str) -> set[str]:
    if unit in GROUND:
        return set(GROUND[: GROUND.index(unit)]) | ({"cli"} if unit == "__main__" else set())
    return {*GROUND, *ROOMS[unit].split()}


def test_every_room_and_file_has_a_place() -> None:
    for unit in sorted(units()):
        table = "ROOMS" if (PACKAGE / unit).is_dir() else "GROUND"
        assert unit in ROOMS or unit in GROUND, (
            f"give {unit} a place in {table}, in {Path(__file__).name}: see docs/architecture.md"
        )
    gone = {*ROOMS, *GROUND} - units()
    assert not gone, f"take {', '.join(sorted(gone))} out of the tables in {Path(__file__).name}: nothing has that name any more"


@pytest.mark.parametrize("unit", sorted(units()))
def test_imports_point_one_way(unit: str) -> None:
    for other, file in leans_on(unit).items():
        assert other in may_import(unit), (
            f"{file} imports {other}, and {unit} may not. Move what it needs into a room that both may import, pass it in as an "
            f"argument, or, if the rule itself is to change, give {other} a place in the row of {unit} in {Path(__file__).name}"
        )


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_has_no_cycle_inside(room: str) -> None:
    files = {dotted(path): path for path in sources(room)}
    edges = {name: {other for other in files if other != name and _names(path, other)} for name, path in files.items()}
    while edges:
        free = [name for name, others in edges.items() if not others & edges.keys()]
        assert free, f"{', '.join(sorted(edges))} import each other in a circle: move what they share into a file below them"
        edges = {name: others for name, others in edges.items() if name not in free}


def _names(path: Path, module: str) -> bool:
    package = ".".join(["teslafast", *path.relative_to(PACKAGE).parts[:-1]])
    for name in imported(path):
        if name.startswith(module + ".") and module != package:
            return True
        if name == module:
            return True
    return False


@pytest.mark.parametrize("unit", PURE)
def test_what_is_pure_imports_no_io(unit: str) -> None:
    names = {name.split(".")[0] for path in sources(unit) for name in imported(path)}
    assert not names & FORBIDDEN, f"{unit} is pure: pass what {names & FORBIDDEN} would give as an argument"


@pytest.mark.parametrize(
    "session",
    [
        "vehicles/session.py",
        "dashboards/session.py",
        "cluster/node.py",
        "cluster/follower.py",
        "cluster/finder.py",
        "cluster/writer.py",
    ],
)
def test_a_session_has_no_socket_and_no_clock(session: str) -> None:
    names = {name.split(".")[0] for name in imported(PACKAGE / session)}
    assert not names & (FORBIDDEN | {"time"}), "give the session what it needs as an argument: its connection has the clock"


def test_what_is_pure_loads_no_io_when_it_is_imported() -> None:
    """`core` is left out: it imports the log, whose C functions come from aiofastnet, which brings asyncio along."""
    modules = [
        dotted(path)
        for unit in PURE
        if unit != "core"
        for path in sources(unit)
        if path.suffix in (".py", ".pyx") and path.stem != "__init__"
    ]
    ours = "".join(f"import {module}\n" for module in modules)
    program = f"import sys\n{ours}print(*sorted({FORBIDDEN!r} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []


def test_the_reader_of_these_imports_reads_all_kinds(tmp_path: Path) -> None:
    cython = tmp_path / "x.pyx"
    cython.write_text("import sys\nfrom a.b cimport C, D\n    from .core import hub\ncimport e\n")
    assert list(imported(cython)) == ["sys", "a.b.C", "a.b.D", "teslafast.core.hub", "e"]
    assert {"core", "_fanout"} <= leans_on("storage").keys()
    assert "errors" in leans_on("protocol")


def written() -> list[Path]:
    """Every source file of the package that somebody wrote."""
    return sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyx", ".pxd", ".pxi", ".pyi"))


def lengths(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a Python file, with how many lines it has besides its docstring."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None
            docstring = (node.body[0].end_lineno or 0) - node.body[0].lineno + 1 if documented else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_no_function_is_longer_than_a_screen() -> None:
    long = {name for path in written() if path.suffix == ".py" for name, lines in lengths(path) if lines > LONGEST_FUNCTION}
    assert long == KNOWN_LONG_FUNCTIONS, "split what is new; take what is short now out of KNOWN_LONG_FUNCTIONS"


def test_no_two_public_classes_have_one_name() -> None:
    places = defaultdict(set)
    for path in written():
        if path.suffix in (".py", ".pyx", ".pxi"):
            for name in re.findall(r"^(?:cdef )?class ([A-Z]\w*)", path.read_text(), re.MULTILINE):
                places[name].add(path.relative_to(PACKAGE).as_posix())
    shared = {name: files for name, files in places.items() if len(files) > 1}
    assert shared.keys() == KNOWN_CLASSES_OF_ONE_NAME, f"rename, or take out of KNOWN_CLASSES_OF_ONE_NAME: {shared}"


def constants(path: Path) -> set[str]:
    """The public constants that others can import from a file; a `cdef enum` of a .pyx is nobody else's."""
    if path.suffix != ".py":
        return set(re.findall(r"^([A-Z][A-Z0-9_]*)(?:: .+)? = ", path.read_text(), re.MULTILINE))
    found = set()
    for node in ast.parse(path.read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        names = {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        found |= {name for name in names if re.fullmatch("[A-Z][A-Z0-9_]*", name)}
    return found


def test_no_two_public_constants_have_one_name() -> None:
    places = defaultdict(set)
    for path in written():
        if path.suffix in (".py", ".pyx", ".pxi"):
            for name in constants(path):
                places[name].add(path.relative_to(PACKAGE).as_posix())
    shared = {name: sorted(files) for name, files in places.items() if len(files) > 1}
    assert shared.keys() == KNOWN_CONSTANTS_OF_ONE_NAME, f"say in the name what it is of, or import it: {shared}"


def test_every_file_of_the_package_and_of_its_tests_is_read_in_one_sitting() -> None:
    files = [*written(), *(path for path in (ROOT / "tests").rglob("*.py") if "node_modules" not in path.parts)]
    lines = {path.relative_to(ROOT).as_posix(): path.read_text().count("\n") for path in files}
    long = {name: count for name, count in lines.items() if count > LONGEST_FILE and name not in LONG_FOR_A_REASON}
    assert not long.keys() - KNOWN_LONG_FILES, f"split it by subject: {long}"


def test_no_source_file_leaves_something_to_do() -> None:
    assert [path for path in written() if re.search(r"\b(TODO|FIXME|XXX)\b", path.read_text())] == []


def test_no_source_file_cites_what_is_not_in_this_repository() -> None:
    citing = {path.relative_to(PACKAGE).as_posix() for path in written() if ELSEWHERE.search(path.read_text())}
    assert citing == KNOWN_CITATIONS, "cite a page of docs/; take what does so now out of KNOWN_CITATIONS"


def test_every_page_and_chapter_that_a_source_file_cites_is_there() -> None:
    missing = set()
    for path in written():
        for page, chapter in re.findall(r"(docs/[\w/.-]+\.md)(?:,? \(?\"([^\"\\]+)\")?", path.read_text()):
            if not (ROOT / page).is_file():
                missing.add(page)
            elif chapter:
                assert f"## {chapter}\n" in (ROOT / page).read_text(), f"{path.name} cites {chapter!r} of {page}"
    assert missing == KNOWN_PAGES_TO_COME, "write the page; take what is there now out of KNOWN_PAGES_TO_COME"
