"""Step 9: a car's way to the server, by the doctor's checks: DNS, the port, TLS that reaches teslafast itself, and the `ca`."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .. import https
from ..certificates import chain
from ..doctor.finding import MARKS, Finding, State
from ..doctor.options import DoctorOptions
from ..doctor.route import check_route
from ..errors import Misconfigured
from ..onboarding.refusals_of_tesla import Step
from ..onboarding.resolve import resolve_ca
from ..onboarding.served_key import NotServed, addresses_of, check_public_address
from ..onboarding.setup_notes import ELSEWHERE, ON_THIS_MACHINE
from ..onboarding.state_folder import CERTS_FOLDER, GIVEN_CA_FILE
from ..urls import origin
from . import own_server
from .context import SetupContext
from .data_step import heard
from .journey import SetupStep
from .outcome import Blocked, Waiting, not_served
from .router import own_address

if TYPE_CHECKING:
    from cryptography import x509

_MADE = "certs/ of the set-up's folder"


def ca_file(context: SetupContext) -> Path | None:
    """The file with the `ca` for cars that is known here: --ca, of this run or an earlier one, or the folder's own CA."""
    if context.options.ca is not None:
        return context.options.ca
    if context.options.variable("CERT_PATH"):
        return None
    known = (context.folder.path / GIVEN_CA_FILE, context.folder.path / CERTS_FOLDER / "ca.pem")
    return next((path for path in known if path.exists()), None)


def ca_of(context: SetupContext) -> str:
    """
    The `ca` that cars get: --ca, else what is above the server's certificate in CERT_PATH, else the folder's own CA. Raises
    Misconfigured.
    """
    if ca_file(context) is None and not context.options.variable("CERT_PATH"):
        if context.options.look_only:
            raise Waiting("the server's certificate is not made yet", "run setup, or give the `ca` with --ca")
        own_server.make_certificates_without_teslas(context)
    ca = resolve_ca(ca_file(context), context.options.environment)
    # Kept, because a later run without the option would otherwise send cars the folder's own CA.
    if context.options.ca is not None and not context.options.look_only and context.folder.read(GIVEN_CA_FILE) != ca.encode():
        context.folder.write(GIVEN_CA_FILE, ca.encode())
    return ca


def _leaf(context: SetupContext) -> list[x509.Certificate]:
    """The server's chain, where it is known here."""
    given = context.options.variable("CERT_PATH")
    path = Path(given) if given else context.folder.path / CERTS_FOLDER / "server.pem"
    try:
        known = path.exists() and (
            (given and context.options.ca is None) or ca_file(context) == context.folder.path / CERTS_FOLDER / "ca.pem"
        )
        return chain.read(path.read_bytes()) if known else []
    except (OSError, ValueError):
        return []


def _look(context: SetupContext) -> str | None:
    trial = context.is_trial(context.hostname)
    at = origin("https", context.hostname, context.port)
    if not trial and not addresses_of(context.hostname) and https.is_proxied(at):
        return _from_elsewhere(context, at)
    if not trial:
        try:
            check_public_address(context.hostname)
        except NotServed as error:
            raise not_served(error) from None
    options = DoctorOptions(
        environment={},
        now=datetime.datetime.now(datetime.UTC),
        url=at,
        ca=ca_file(context),
        address=_address(context) if trial else None,
    )
    try:
        ca = ca_of(context)
    except Misconfigured as error:
        raise Blocked(f"the `ca` for cars: {error.fault}", error.remedy) from None
    findings = list(check_route(options, None, _leaf(context), ca))
    _print(context, findings)
    bad = next((finding for finding in findings if finding.state is State.WRONG), None)
    if bad is not None and not trial:
        return _another_proof(context, _failed(context, bad), bad)
    if trial:
        rest = f"{bad.check}: {bad.says}" if bad else "what can be seen on this machine is well"
        return f"a trial on this machine, which no car can reach ({at}); {rest}"
    return f"a car can reach {at}, and its `ca` verifies it"


def _from_elsewhere(context: SetupContext, at: str) -> str:
    """Where only a proxy leads outside, no raw port can be looked at. Raises Waiting unless the car has been heard."""
    says = (
        f"from this network only HTTPS_PROXY leads outside, and a proxy passes no cars' connection on: {at} cannot be looked at"
    )
    remedy = f"run `teslafast doctor {at}` from another network, then go on: teslafast setup --from config"
    return _another_proof(context, Waiting(says, remedy), None)


def _another_proof(context: SetupContext, failed: Blocked | Waiting, finding: Finding | None) -> str:
    """A port that does not answer from here may do so from outside: if the car has been heard, or a phone shows it."""
    if finding is not None and finding.check != "port":
        raise failed
    if heard(context):
        return "the server has heard from the car, so it can be reached (not from here, though)"
    if finding is None or context.notes.where != ON_THIS_MACHINE or context.console.ask is None or context.options.wait_s <= 0:
        raise failed
    context.console.line(f"  ✗ {failed.says}")
    context.console.line(f"    → {failed.remedy}")
    choices = ("it loads without end, or nothing is found", "an error about a certificate, or a page: it gets there")
    missing = Waiting(failed.says, failed.remedy)
    if context.console.choose("What does the phone show?", choices, missing) == 0:
        raise failed
    return "a phone outside gets there; your router does not lead back from here"


def _address(context: SetupContext) -> str:
    host = urlsplit(context.notes.url).hostname or "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return next(iter(addresses_of(host)), "127.0.0.1")


def _print(context: SetupContext, findings: Iterable[Finding]) -> None:
    for finding in findings:
        if finding.state is not State.SKIPPED:
            context.console.line(f"  {MARKS[finding.state]} {finding.check}: {finding.says}")


def _failed(context: SetupContext, finding: Finding) -> Blocked | Waiting:
    says, remedy = f"{finding.check}: {finding.says}", finding.remedy
    if finding.check == "port":
        if context.notes.where == ON_THIS_MACHINE:
            remedy = (
                f"many routers do not send you back to yourself: open https://{context.hostname}:{context.port}/health on a "
                f"phone without Wi-Fi; if it finds nothing there, either, forward port {context.port} (TCP) to "
                f"{own_address() or 'this machine'}. If the phone gets there, go on: teslafast setup --from config"
            )
        return Waiting(says, remedy)
    if finding.check == "vehicle's view" and context.notes.where == ELSEWHERE:
        remedy = f"{remedy}; give the server's own with --ca, or install server.pem and server.key of {_MADE} there"
    return Blocked(says, remedy)


def _nothing(context: SetupContext) -> None:
    """Looking is all that there is to do."""


ROAD_TEST_STEP = SetupStep(Step.ROAD_TEST, _look, _nothing, "look at the server as a car does")
