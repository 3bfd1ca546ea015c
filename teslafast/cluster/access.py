"""
How a node logs in to NATS, and what it must be allowed there.

`rights_of` is the list that docs/deploy/cluster.md gives to operators. Each right has a probe: a subject that it covers, where
what the doctor sends does nothing.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, NamedTuple

from ..config import Settings
from ..errors import Misconfigured
from ..setting_values import NATS_CREDENTIALS_HOLD

INBOX = "_INBOX_TF"
BESIDES_BYTES = 4096  # of a message, besides the record: head, txid, VIN
IMPOSSIBLE = (("Nats-Expected-Last-Subject-Sequence", str(1 << 62)),)  # so the stream does not take what is published to it
LARGEST_LOGIN = 65536  # bytes of such a file


class Right(NamedTuple):
    """
    verb      `publish` or `subscribe`
    subject   as the permissions in a NATS server's configuration name it
    probe     a subject that it covers; a message with `payload` that is published there changes nothing
    vital     without it a node cannot work at all
    """

    verb: str
    subject: str
    probe: str
    payload: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    vital: bool = True


def rights_of(stream: str) -> tuple[Right, ...]:
    """Everything that a node does. Most important first: without the first nothing works."""
    prefix, api = stream.lower(), "$JS.API"
    return (
        Right("subscribe", f"{INBOX}.>", f"{INBOX}.doctor"),
        Right("publish", f"{api}.STREAM.INFO.{stream}", f"{api}.STREAM.INFO.{stream}"),
        Right(
            "publish", f"{api}.STREAM.CREATE.{stream}", f"{api}.STREAM.CREATE.{stream}", b"{}", vital=False
        ),  # no name: refused
        Right("publish", f"{prefix}.*", f"{prefix}.doctor", headers=IMPOSSIBLE),
        Right("publish", f"{api}.DIRECT.GET.{stream}", f"{api}.DIRECT.GET.{stream}", b'{"seq":1}'),
        Right("publish", f"{api}.CONSUMER.CREATE.{stream}", f"{api}.CONSUMER.CREATE.{stream}", b"{}"),  # likewise
        Right("publish", f"{api}.CONSUMER.DELETE.{stream}.*", f"{api}.CONSUMER.DELETE.{stream}.doctor", vital=False),
        Right("publish", f"$JS.FC.{stream}.>", f"$JS.FC.{stream}.doctor"),
        Right("publish", f"{prefix}c.>", f"{prefix}c.doctor"),
        Right("subscribe", f"{prefix}c.>", f"{prefix}c.doctor"),
    )


def rights_to_look(stream: str) -> tuple[Right, ...]:
    """Those among them without which nothing can be learnt of the stream."""
    return rights_of(stream)[:2]


def require_extra() -> None:
    """Before anything begins. Raises Misconfigured."""
    try:
        import nats.aio.client  # noqa: F401 — only whether it can be
        import nkeys  # noqa: F401 — likewise
    except ImportError:
        remedy = "install it: pip install 'teslafast[cluster]'"
        raise Misconfigured("CLUSTER_URL", "is set, but the extra `cluster` (nats-py) is not installed", remedy) from None


def login_of(settings: Settings) -> dict[str, Any]:
    """
    nats-py's options for who we are, and whom we trust. Raises Misconfigured.

    What the files hold, not their paths: nats-py would read them on the event loop whenever it connects again.
    """
    options: dict[str, Any] = {"name": "teslafast"}
    if settings.cluster_nkey_path is not None:
        public_nkey(settings.cluster_nkey_path)
        options["nkeys_seed_str"] = _read("CLUSTER_NKEY_PATH", settings.cluster_nkey_path).decode("ascii").strip()
    if settings.cluster_creds_path is not None:
        from nats.aio.client import RawCredentials

        options["user_credentials"] = RawCredentials(credentials(settings.cluster_creds_path))
    if settings.cluster_url[0].startswith("tls:"):
        options["tls"] = context_of(settings)
    return options


def context_of(settings: Settings) -> ssl.SSLContext:
    """How a node verifies the NATS servers. Raises Misconfigured."""
    if settings.cluster_ca_path is None:
        return ssl.create_default_context()
    _read("CLUSTER_CA_PATH", settings.cluster_ca_path)
    try:
        return ssl.create_default_context(cafile=str(settings.cluster_ca_path))
    except ssl.SSLError as error:
        raise Misconfigured("CLUSTER_CA_PATH", f"is not a PEM file of certificates ({error})", "give the CA's") from None


def public_nkey(path: Path) -> str:
    """The public key that belongs to the seed in this file. Raises Misconfigured."""
    import nkeys

    seed = bytearray(_read("CLUSTER_NKEY_PATH", path).strip())
    try:
        pair = nkeys.from_seed(seed)
        public: str = pair.public_key.decode()
    except Exception:  # whatever the package says could hold a part of the seed
        public = ""
    if not public.startswith("U"):
        remedy = "give the file with the seed alone, which begins with SU: nk -gen user"
        raise Misconfigured("CLUSTER_NKEY_PATH", f"{path} is not a user's nkey seed", remedy) from None
    return public


def credentials(path: Path) -> str:
    """A user's JWT and seed, as nsc writes them. Raises Misconfigured."""
    content = _read("CLUSTER_CREDS_PATH", path)
    if not all(mark in content for mark in NATS_CREDENTIALS_HOLD):
        remedy = "give the .creds file of the user, as nsc writes it"
        raise Misconfigured("CLUSTER_CREDS_PATH", f"{path} lacks the user's JWT or seed", remedy)
    return content.decode(errors="replace")


def _read(variable: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_LOGIN)
    except OSError as error:
        raise Misconfigured(
            variable, f"{path} cannot be read ({error.strerror})", "name a file that the server may read"
        ) from None
