"""The command `teslafast setup`: its options, the questions it asks, and a line for each step. The room `setup` does the work."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import Misconfigured
from .login import folder_of, state_option
from .options import PRESET_NAMES, Duration
from .setup_console import console_of
from .terminal import shows

if TYPE_CHECKING:
    from ..onboarding.state_folder import StateFolder
    from ..setup.console import SetupConsole
    from ..setup.context import SetupContext
    from ..setup.options import SetupOptions
    from ..setup.outcome import Outcome

_MARKS = {"done": "✓", "acted": "✓", "waiting": "…", "blocked": "✗"}

_WHERE = (
    click.option(
        "--on", metavar="PLACE", help="Where the server runs: fly, here, or the https:// address of one that runs already."
    ),
    click.option("--fly-app", help="Name of the Fly app."),
    click.option("--fly-region", help="Where a new Fly app runs. Default: fra."),
    click.option("--domain", help="The app's domain at Tesla, which serves its public key. Default: TESLAFAST_DOMAIN."),
    click.option("--hostname", help="The host to which vehicles connect, under the domain. Default: the domain."),
    click.option("--port", type=click.IntRange(1, 65535), help="The port to which vehicles connect. Default: 8443."),
    click.option("--ca", type=click.Path(path_type=Path, dir_okay=False), help="PEM with which vehicles verify the server."),
    click.option("--renew", is_flag=True, help="Fly: send the certificates in the folder again."),
)
_ACCOUNT = (
    click.option("--redirect", help="The app's Allowed Redirect URI. Default: http://localhost:8765/callback."),
    click.option("--client-secret-file", type=click.Path(path_type=Path, dir_okay=False), help="File with the client secret."),
    click.option(
        "--paste", is_flag=True, help="Log in elsewhere: print the address, and read the one that you end at from stdin."
    ),
    click.option("--region", type=click.Choice(["na", "eu", "cn"]), help="The owner's region. Default: Tesla says it."),
)
_VEHICLE = (
    click.option("--vin", "vins", multiple=True, help="A vehicle; repeat for more. Default: TESLA_VIN, else all with --yes."),
    click.option("--preset", type=click.Choice(PRESET_NAMES), help="Which fields, and how often. Default: driving."),
    click.option("--field", "fields", multiple=True, metavar="NAME=SECONDS", help="Add a field, or change its interval."),
)
_RUN = (
    click.option("--yes", is_flag=True, help="Ask nothing: what is missing is exit 3."),
    click.option("--only", multiple=True, metavar="STEP", help="Only this step, by number or name; repeat for more."),
    click.option("--from", "first", metavar="STEP", help="From this step on."),
    click.option("--until", "last", metavar="STEP", help="Up to and with this step."),
    click.option(
        "--wait", "wait_s", type=Duration(), default="10m", show_default=True, help="How long a step waits; 0s asks once."
    ),
    click.option("--no-qr", is_flag=True, help="Print the pairing link without its QR code."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object per step."),
    click.option("--dry-run", is_flag=True, help="Look, say what would be done, and change nothing."),
    click.option("--status", is_flag=True, help="Look at every step, and change nothing."),
    click.option("--costs", is_flag=True, help="Print what it costs."),
    click.option("--remove", is_flag=True, help="Take everything away again."),
    click.option("--with-key", is_flag=True, help="With --remove: delete app.key, too, which every paired car knows."),
    click.option("--take-over", is_flag=True, hidden=True),
)


def _options(*groups: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


@click.command()
@state_option
@_options(_WHERE, _ACCOUNT, _VEHICLE, _RUN)
def setup(state: Path | None, as_json: bool, status: bool, costs: bool, remove: bool, take_over: bool, **given: Any) -> None:
    """
    From nothing to a streaming car, in twelve steps.

    Run it as often as you like: each step looks first, and what is done is not done again. Exit status: 0 streaming, 3 a person,
    a car or Tesla is waited for, 1 something is wrong.
    """
    looks = [name for name, is_given in (("--dry-run", given["dry_run"]), ("--status", status), ("--costs", costs)) if is_given]
    if remove and looks:
        raise Misconfigured("--remove", f"excludes {looks[0]}: it changes, and that one only looks", "give either")
    if given["with_key"] and not remove:
        raise Misconfigured("--with-key", "is for --remove alone", "give both, or neither")
    if costs:
        from ..setup.costs import cost_lines, cost_rows

        click.echo("\n".join(map(json.dumps, cost_rows()) if as_json else cost_lines()))
        return
    folder = folder_of(state)
    if take_over:
        from ..setup.take_over import TOOK_OVER
        from ..setup.take_over import take_over as take

        click.echo(f"{TOOK_OVER} {', '.join(take(folder, sys.stdin))}")
        return
    options = _setup_options(given, status)
    _run(options, folder, as_json, removing=remove)


def _setup_options(given: dict[str, Any], status: bool) -> SetupOptions:
    from ..setup.options import SetupOptions, chosen_steps

    steps = chosen_steps(given.pop("only"), given.pop("first"), given.pop("last"))
    dry_run = given.pop("dry_run")
    wait_s = 0.0 if status or dry_run else given.pop("wait_s")
    given.pop("wait_s", None)
    words = {name: value for name, value in given.items() if value is not None}
    _check(words)
    return SetupOptions(environment=os.environ, steps=steps, wait_s=wait_s, look_only=status or dry_run, dry_run=dry_run, **words)


def _check(words: Mapping[str, Any]) -> None:
    """A typing error is named now, and not half an hour later at the step that needs the word. Raises Misconfigured."""
    from ..onboarding.login import check_redirect
    from ..onboarding.resolve import resolve_ca, resolve_vins
    from ..onboarding.vehicle_config import parse_fields
    from ..onboarding.vehicle_host import check_vehicle_host
    from ..setup.context import read_domain
    from ..setup.image_source import check_app_name
    from ..setup.options import check_on
    from ..setup.portal_step import read_secret_file

    readers: Mapping[str, Callable[[Any], object]] = {
        "on": check_on,
        "fields": parse_fields,
        "vins": lambda vins: resolve_vins(vins, {}),
        "redirect": check_redirect,
        "client_secret_file": read_secret_file,
        "domain": read_domain,
        "hostname": check_vehicle_host,
        "fly_app": check_app_name,
        "ca": lambda path: resolve_ca(path, {}),
    }
    for name, read in readers.items():
        if words.get(name):
            read(words[name])


def _run(options: SetupOptions, folder: StateFolder, as_json: bool, removing: bool) -> None:
    """Ends with the exit status of the run."""
    from ..setup.outcome import NotNow
    from ..setup.run_lock import only_run

    try:
        with nullcontext() if options.look_only or (removing and not folder.exists) else only_run(folder):
            code = _remove(options, folder, as_json) if removing else _go(options, folder, as_json)
    except NotNow as error:
        click.echo(f"teslafast: {error}", err=True)
        code = 3
    if code:
        sys.exit(code)


def _remove(options: SetupOptions, folder: StateFolder, as_json: bool) -> int:
    from ..setup.outcome import NotNow
    from ..setup.removal import remove

    console = console_of(options, as_json)
    if as_json:  # what is left for a person to do is said there, too: no object of a step has it
        console = replace(console, line=console.must)
    try:
        return 0 if remove(_context(options, folder, console)) else 3
    except (EOFError, NotNow) as error:
        click.echo(f"teslafast: not everything is gone: {str(error) or 'nobody answers'} — run it again", err=True)
        return 3


def _context(options: SetupOptions, folder: StateFolder, console: SetupConsole) -> SetupContext:
    from ..setup.context import SetupContext
    from ..setup.fly_app import lent

    context = SetupContext(options, folder, console)
    context.lender = lambda: lent(context)
    return context


def _go(options: SetupOptions, folder: StateFolder, as_json: bool) -> int:
    from ..onboarding.refusals_of_tesla import Step
    from ..setup.data_step import page_line
    from ..setup.journey import exit_status, go
    from ..setup.steps import SETUP_STEPS

    began, console = time.monotonic(), console_of(options, as_json)
    context = _context(options, folder, console)
    if not as_json:
        click.echo(f"teslafast setup · state in {folder.path} (0700)      Ctrl-C any time; the same command goes on\n")
    outcomes: list[Outcome] = []
    try:
        for outcome in go(SETUP_STEPS, context):
            outcomes.append(outcome)
            console.status("")
            click.echo(
                json.dumps(outcome.row, ensure_ascii=not shows(sys.stdout, "✓")) if as_json else "\n".join(_lines(outcome))
            )
    except (click.Abort, KeyboardInterrupt):
        step = options.steps[min(len(outcomes), len(options.steps) - 1)]
        click.echo(f"\nteslafast: interrupted in step {step.number}, {step.value}; the same command goes on", err=True)
        raise
    code = exit_status(outcomes)
    bad = next((outcome for outcome in outcomes if not outcome.well), None)
    seen = not as_json and sys.stdout.isatty() and sys.stderr.isatty()  # the step's own line stands right above
    if bad is not None and (not options.dry_run or code == 1) and not seen:
        click.echo(f"teslafast: step {bad.step.number}, {bad.step.value}: {bad.says} — {bad.remedy}", err=True)
    streams = code == 0 and any(outcome.step is Step.FIRST_DATA for outcome in outcomes)
    if streams and console.ask is not None and not as_json:
        _say_goodbye(page_line(context), time.monotonic() - began)
    return 0 if options.dry_run and code == 3 else code


def _say_goodbye(page: str, took_s: float) -> None:
    if page:
        click.echo(f"\nYour page (whoever has the link sees your cars, for 30 days): {page}")
    minutes = f"{took_s / 60:.0f} min. " if took_s >= 60 else ""
    click.echo(f"{minutes}Everything away again: teslafast setup --remove")


def _lines(outcome: Outcome) -> list[str]:
    """A step on a terminal: its line, the remedy below it, and Tesla's own sentence below ours."""
    lines = [f"{outcome.step.number:>2} {outcome.step.value:<16} {_MARKS[outcome.state]} {outcome.says}"]
    if not outcome.well and outcome.remedy:
        lines.append(f"{'':19} → {outcome.remedy}")
    if outcome.teslas:
        lines.append(f"{'':19}   Tesla: {outcome.teslas}")
    if outcome.again is not None and outcome.again is not outcome.step:
        lines.append(f"{'':19}   do over: step {outcome.again.number}, {outcome.again.value}")
    return lines
