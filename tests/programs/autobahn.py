"""
The Autobahn test suite against both of the server's roles.

    python -m tests.programs.autobahn WSTEST REPORTS [--page docs/websocket-conformance.md]

WSTEST is the suite's program (Python 2.7; `make test-autobahn` installs it), REPORTS a folder for its reports. Starts
tests/programs/echo_server.py, lets the suite try every case on both roles, prints a table of the outcomes, and ends with 1 unless
each is in GOOD. With --page, writes that table into the page, between its two marks.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

GROUPS = {
    "1": "Framing: text and binary messages of 0 to 65,536 bytes",
    "2": "Pings and pongs",
    "3": "Reserved bits",
    "4": "Reserved opcodes",
    "5": "Fragments, with control frames in between",
    "6": "UTF-8, also across fragments",
    "7": "Closing: order, codes, reasons",
    "9": "Messages of up to 16 MiB",
    "10": "Automatic fragmentation",
}
# 9.3 and 9.4 send 4 MiB in fragments: of 64 bytes to 4 KiB these are more than EMPTY_FRAMES_AT_MOST in a second, which we close
# with 1008 as a flood. 12 and 13 try compression, which we do not offer.
LEFT_OUT = ["9.3.1", "9.3.2", "9.3.3", "9.3.4", "9.4.1", "9.4.2", "9.4.3", "9.4.4", "12.*", "13.*"]
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}
BEGIN, END = "<!-- outcomes: written by `make test-autobahn` -->", "<!-- end of outcomes -->"
CASES = 293  # of the suite's 301 without compression: fewer mean that it has not run
SUITE_S = 1200  # it takes a minute; so much more means that it waits for something

Outcomes = Mapping[str, Mapping[str, Mapping[str, str]]]  # role → case → the suite's record of it


@contextmanager
def echo_servers() -> Iterator[dict[str, int]]:
    """Runs them while the block does: role → port."""
    command = [sys.executable, "-W", "error", "-m", "tests.programs.echo_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.communicate("")
    if process.returncode:
        raise SystemExit(f"the echo server ended with {process.returncode}")


def run_suite(wstest: Path, reports: Path, ports: Mapping[str, int], cases: list[str]) -> Outcomes:
    specification = {
        "outdir": str(reports),
        "servers": [{"agent": role, "url": f"ws://127.0.0.1:{port}"} for role, port in ports.items()],
        "cases": cases,
        "exclude-cases": LEFT_OUT,
        "exclude-agent-cases": {},
    }
    reports.mkdir(parents=True, exist_ok=True)
    (reports / "specification.json").write_text(json.dumps(specification))
    command = [str(wstest), "--mode", "fuzzingclient", "--spec", str(reports / "specification.json")]
    with (reports / "output.txt").open("w") as output:
        subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, cwd=reports, check=True, timeout=SUITE_S)
    return json.loads((reports / "index.json").read_text())  # type: ignore[no-any-return]


def verdict(record: Mapping[str, str]) -> str:
    """How the case went, or, if only its closing went wrong, how that went."""
    behavior, closing = record["behavior"], record["behaviorClose"]
    return f"{closing} when closing" if behavior in GOOD and closing not in GOOD else behavior


def table(outcomes: Outcomes) -> str:
    roles = sorted(outcomes)
    lines = [f"| Cases | What they try | {' | '.join(role.capitalize() for role in roles)} |", "|---|---|" + "---|" * len(roles)]
    for group, meaning in GROUPS.items():
        cells = []
        for role in roles:
            counted = Counter(verdict(record) for case, record in outcomes[role].items() if case.split(".")[0] == group)
            cells.append(", ".join(f"{count} {word}" for word, count in sorted(counted.items(), reverse=True)) or "none")
        lines.append(f"| {group} | {meaning} | {' | '.join(cells)} |")
    return "\n".join(lines)


def failures(outcomes: Outcomes) -> list[str]:
    return [
        f"{role} {case}: {verdict(record)}, see {record['reportfile']}"
        for role, cases in outcomes.items()
        for case, record in cases.items()
        if verdict(record) not in GOOD
    ]


def write_into(page: Path, outcomes: Outcomes) -> None:
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{table(outcomes)}\n\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description="the Autobahn test suite against both of the server's roles")
    parser.add_argument("wstest", type=Path)
    parser.add_argument("reports", type=Path)
    parser.add_argument("--cases", nargs="*", help="only these, such as `7.*`")
    parser.add_argument("--page", type=Path)
    asked = parser.parse_args()
    with echo_servers() as ports:
        outcomes = run_suite(asked.wstest.absolute(), asked.reports.absolute(), ports, asked.cases or ["*"])
    print(table(outcomes))
    bad = failures(outcomes)
    print(*bad, sep="\n")
    if bad:
        raise SystemExit(1)
    fewest = min((len(cases) for cases in outcomes.values()), default=0)
    if not asked.cases and (len(outcomes) < 2 or fewest < CASES):
        raise SystemExit(f"the suite has tried {fewest} cases on {len(outcomes)} roles: see output.txt in {asked.reports}")
    if asked.page:
        write_into(asked.page, outcomes)


if __name__ == "__main__":
    main()
