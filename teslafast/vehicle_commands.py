"""
`teslafast vehicle …`: what the commands gather, what they say, and whether all went well.

`Voice` is where words go: lasting lines, and on a terminal one line that is rewritten while something is waited for. Commands
return whether every vehicle is as it should be; whoever calls makes the exit code of that.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import chain, jws, presets, vehicle_config
from .config import is_vin
from .errors import Declined, Misconfigured, Unhealthy
from .fetch import one_line
from .fleet_api import FleetApi, Sent
from .vehicle_config import Verdict

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

# Tesla bills each look like any request for data (500 for a dollar), and a sleeping car needs minutes: ever fewer looks.
PAUSES_S = (5.0, 5.0, 10.0, 10.0, 20.0, 30.0)


@dataclass(frozen=True)
class Voice:
    """`say`: a line that stays; `show`: one that the next takes the place of (nothing where there is no terminal)."""

    say: Callable[[str], None]
    show: Callable[[str], None]


@dataclass(frozen=True)
class Clock:
    """`now`: monotonic seconds; `sleep`: lets seconds pass; `time`: seconds since 1970."""

    now: Callable[[], float]
    sleep: Callable[[float], None]
    time: Callable[[], float]


# ---- what a config is made of


def vins_of(words: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Those of the command line, else those of TESLA_VIN. Raises Misconfigured."""
    vins = list(words) or [word.strip() for word in environment.get("TESLA_VIN", "").split(",") if word.strip()]
    if not vins:
        raise Misconfigured("--vin", "is not given, and TESLA_VIN is not set", "name the vehicles: --vin VIN, once for each")
    for vin in vins:
        if not is_vin(vin) or len(vin) != 17:
            raise Misconfigured("--vin", f"{vin!r} is no VIN", "give the vehicle's 17 characters")
    return vins


def ca_of(given: Path | None, environment: Mapping[str, str]) -> str:
    """The `ca` of the config: the file that is given, else what stands above the server's certificate in CERT_PATH."""
    if given is not None:
        return _read("--ca", given).decode("utf-8", "replace")
    path = environment.get("CERT_PATH", "")
    if not path:
        raise Misconfigured(
            "--ca", "is not given, and CERT_PATH is not set", "give the PEM that verifies the server: --ca ca.pem"
        )
    certificates = _server_chain(Path(path))
    above = chain.climb(certificates[0], [*certificates[1:], *public_roots(certificates[-1].issuer)])
    if not above:
        remedy = "give the CA that issued it: --ca ca.pem"
        raise Misconfigured("CERT_PATH", f"{path} holds the server's certificate, and nothing that issued it", remedy)
    return chain.write(above)


def hostname_of(given: str | None, environment: Mapping[str, str]) -> str:
    """The one of the command line, else the only one in the server's certificate. Raises Misconfigured."""
    if given is not None:
        return given
    remedy = "name the host that vehicles are to call: --hostname telemetry.example.com"
    path = environment.get("CERT_PATH", "")
    names = chain.names(_server_chain(Path(path))[0]) if path else []
    if len(names) != 1 or names[0].startswith("*"):
        fault = f"is not given, and the server's certificate is for {', '.join(names)}" if names else "is not given"
        raise Misconfigured("--hostname", fault, remedy)
    return names[0]


def _server_chain(path: Path) -> list[x509.Certificate]:
    try:
        return chain.read(_read("CERT_PATH", path))
    except ValueError:
        raise Misconfigured("CERT_PATH", f"{path} holds no readable certificate", "give a PEM file") from None


def public_roots(name: x509.Name) -> list[x509.Certificate]:
    """The CAs of this name that this machine trusts; others are not even parsed, some public ones are odd."""
    from cryptography import x509

    context = ssl.create_default_context()
    whole = Path(ssl.get_default_verify_paths().capath or "") / "ca-certificates.crt"
    if not context.get_ca_certs() and whole.exists():  # a folder of hashes, as on Debian, is read only when it is needed
        context.load_verify_locations(whole)
    wanted = name.public_bytes()
    return [x509.load_der_x509_certificate(der) for der in context.get_ca_certs(binary_form=True) if wanted in der]


def key_of(path: Path) -> EllipticCurvePrivateKey:
    """The app's private key. Raises Misconfigured."""
    return jws.load_key(_read("--key", path), f"--key {path}")


def _read(what: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(what, f"{path}: {error.strerror}", "give the path of a PEM file that you may read") from None


def cost(fields: Mapping[str, float]) -> str:
    """The estimate in words."""
    signals, dollars = presets.signals_a_month(fields), presets.dollars_a_month(fields)
    return (
        f"{len(fields)} fields: about {signals:,} signals, ${dollars:.2f} a month and vehicle "
        f"({presets.ASSUMPTIONS}; {presets.SIGNALS_PER_DOLLAR:,} signals for $1, before Tesla's ${presets.MONTHLY_CREDIT} credit)"
    )


# ---- configure


def configure(
    api: FleetApi, vins: Sequence[str], config: Mapping[str, Any], key: EllipticCurvePrivateKey | None, voice: Voice
) -> list[str]:
    """Sends it, signed with `key` or through a proxy; tells who was left out, and returns those who were not."""
    sent = api.send_signed(vins, jws.token(config, key)) if key is not None else api.send_unsigned(vins, config)
    for line in skipped(sent):
        voice.say(line)
    voice.say(f"sent to {sent.updated} of {len(vins)} vehicles")
    return [vin for vin in vins if vin not in sent.skipped]


def skipped(sent: Sent) -> list[str]:
    """A line for each vehicle that Tesla left out: what its word means and what to do."""
    known = {
        vin: vehicle_config.SKIPPED.get(word, ("Tesla left it out", "see Tesla's word")) for vin, word in sent.skipped.items()
    }
    return [
        f"✗ {one_line(vin, 32)} {one_line(sent.skipped[vin], 40)}: {says} — {remedy}" for vin, (says, remedy) in known.items()
    ]


def wait(api: FleetApi, vins: Sequence[str], patience_s: float, clock: Clock, voice: Voice) -> bool:
    """Looks until every vehicle has taken or rejected its config, or patience ends; whether all have taken it."""
    began = clock.now()
    verdicts: dict[str, Verdict] = {}
    pauses = iter(PAUSES_S)
    while True:
        for vin in vins:
            if vin not in verdicts or not verdicts[vin].settled:
                verdicts[vin] = _look(api, vin, clock)
                if verdicts[vin].settled:
                    voice.say(line_of(vin, verdicts[vin]))
        taken = sum(verdict.state == "taken" for verdict in verdicts.values())
        waiting = [vin for vin, verdict in verdicts.items() if not verdict.settled]
        passed = clock.now() - began
        if not waiting or passed >= patience_s:
            break
        voice.show(f"{taken} of {len(vins)} have taken it, {len(waiting)} to go, {passed:.0f} s (Ctrl-C: stop looking)")
        clock.sleep(min(next(pauses, PAUSES_S[-1]), patience_s - passed))
    for vin in waiting:
        voice.say(f"… {vin} not yet: {verdicts[vin].says} — {verdicts[vin].remedy}; see `teslafast vehicle show`")
    return taken == len(vins)


def _look(api: FleetApi, vin: str, clock: Clock) -> Verdict:
    """One look; what may pass by itself counts as waiting."""
    try:
        return vehicle_config.judge(api.show(vin), clock.time())
    except Unhealthy as error:
        return Verdict("waiting", str(error), "is this machine on the net?")
    except Declined as error:
        state = "waiting" if error.status == 429 or error.status >= 500 else "rejected"
        return Verdict(state, error.fault, error.remedy)


def line_of(vin: str, verdict: Verdict) -> str:
    """`✓ VIN …` or `✗ VIN … — remedy`, fit for a terminal."""
    mark = {"taken": "✓", "waiting": "…"}.get(verdict.state, "✗")
    return f"{mark} {vin} {one_line(verdict.says)}" + (f" — {verdict.remedy}" if verdict.remedy else "")


# ---- show, remove, errors


def show(api: FleetApi, vins: Sequence[str], as_json: bool, clock: Clock, voice: Voice) -> bool:
    """Each vehicle's config and what its state means; whether all have taken theirs."""
    well = True
    for vin in vins:
        answer = api.show(vin)
        verdict = vehicle_config.judge(answer, clock.time())
        well = well and verdict.state == "taken"
        voice.say(json.dumps({"vin": vin, "state": verdict.state, **answer}) if as_json else line_of(vin, verdict))
    return well


def remove(api: FleetApi, vins: Sequence[str], voice: Voice) -> bool:
    """Deletes each vehicle's config; whether each had one."""
    well = True
    for vin in vins:
        removed = api.remove(vin) > 0
        well = well and removed
        voice.say(f"✓ {vin} has no config any more, and stops streaming" if removed else f"✗ {vin} had no config")
    return well


def errors(api: FleetApi, vins: Sequence[str], as_json: bool, voice: Voice) -> bool:
    """What vehicles reported to Tesla, newest last; whether there was nothing."""
    found = [report for report in api.errors() if not vins or report.get("vin") in vins]
    for report in sorted(found, key=lambda report: str(report.get("created_at"))):
        voice.say(json.dumps(report) if as_json else error_line(report))
    if not found and not as_json:
        voice.say("✓ no errors reported")
    return not found


def error_line(report: Mapping[str, Any]) -> str:
    """`time VIN name: text (host:port) = what it means — remedy`."""
    says, remedy = vehicle_config.explain_error(report)
    when, vin, name = (one_line(str(report.get(key)), 40) for key in ("created_at", "vin", "error_name"))
    text = f"✗ {when} {vin} {name}: {one_line(str(report.get('error')))}"
    return f"{text} = {says} — {remedy}" if says else text
