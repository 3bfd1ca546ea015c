"""What `teslafast setup` was asked to do: its options and the environment, before anything is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Misconfigured
from ..onboarding.refusals_of_tesla import Step
from ..urls import is_this_machine, parse_url

DEFAULT_VEHICLE_PORT = 8443
DEFAULT_PRESET = "driving"


@dataclass(frozen=True, kw_only=True)
class SetupOptions:
    """
    steps        the steps to go through, in their order
    on           `fly`, `here`, or the address of a server that runs already; "" if it was not said
    domain, hostname, port, fly_app, fly_region, redirect, region, preset: "" or 0 if not said
    wait_s       how long a step waits for a person, a car or Tesla; 0: it asks once
    yes          nobody is asked anything
    with_key     `--remove` deletes the app's key, too
    look_only    nothing is changed: `--status` and `--dry-run`
    """

    environment: Mapping[str, str]
    steps: tuple[Step, ...] = tuple(Step)
    on: str = ""
    domain: str = ""
    hostname: str = ""
    port: int = 0
    ca: Path | None = None
    fly_app: str = ""
    fly_region: str = ""
    redirect: str = ""
    client_secret_file: Path | None = None
    paste: bool = False
    vins: tuple[str, ...] = ()
    preset: str = ""
    fields: tuple[str, ...] = field(default=())
    region: str = ""
    wait_s: float = 600.0
    yes: bool = False
    look_only: bool = False
    dry_run: bool = False
    no_qr: bool = False
    renew: bool = False
    with_key: bool = False

    def variable(self, name: str) -> str:
        """A variable of the environment, without blanks around it; "" if it is not set."""
        return self.environment.get(name, "").strip()


def parse_step(text: str, option: str) -> Step:
    """A step by its number or its name. Raises Misconfigured."""
    word = text.strip().lower().replace("-", " ").replace("_", " ")
    for step in Step:
        if word in (str(step.number), step.value.lower()):
            return step
    aliases = {
        "key": Step.APP_KEY,
        "public key": Step.SERVER,
        "app": Step.PORTAL,
        "portal": Step.PORTAL,
        "register": Step.REGISTRATION,
    }
    aliases |= {"vehicles": Step.VEHICLE, "pair": Step.PAIRING, "pairing": Step.PAIRING, "doctor": Step.ROAD_TEST}
    aliases |= {"data": Step.FIRST_DATA, "keeping": Step.KEEPING, "keep": Step.KEEPING}
    if word in aliases:
        return aliases[word]
    names = ", ".join(f"{step.number} {step.value}" for step in Step)
    raise Misconfigured(option, f"{text!r} is not a step", f"give one of: {names}")


def chosen_steps(only: Sequence[str], first: str | None, last: str | None) -> tuple[Step, ...]:
    """The steps of --only, or those from --from to --until. Raises Misconfigured."""
    if only:
        if first or last:
            raise Misconfigured("--only", "excludes --from and --until", "give either")
        wanted = {parse_step(text, "--only") for one in only for text in one.split(",")}
        return tuple(step for step in Step if step in wanted)
    start = parse_step(first, "--from").number if first else 1
    end = parse_step(last, "--until").number if last else len(Step)
    if start > end:
        raise Misconfigured("--from", f"step {start} comes after --until, step {end}", "give them in order")
    return tuple(step for step in Step if start <= step.number <= end)


def check_on(text: str, subject: str = "--on") -> str:
    """`fly`, `here`, or a server's address without a path: https, or on this machine. Raises Misconfigured."""
    word = text.strip()
    if word.lower() in ("", "fly", "here"):
        return word.lower()
    if "." not in word and ":" not in word:
        raise Misconfigured(subject, f"{text!r} is not a place", "give fly, here, or the https:// address of your server")
    parts = parse_url(word, ("https", "http"), default="https", example="https://telemetry.example.com", subject=subject)
    if parts.scheme == "http" and not is_this_machine(parts.hostname or ""):
        remedy = f"give https://{parts.hostname}; http:// is only for a server on this machine"
        raise Misconfigured(subject, f"{text!r} would carry tokens unencrypted", remedy)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
