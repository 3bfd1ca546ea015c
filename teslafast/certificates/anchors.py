"""
PEM files into an SSL context: our own chain and key, and the anchors for vehicles' certificates.

Anchors are loaded as OpenSSL's `TRUSTED CERTIFICATE` blocks with the trust "client authentication" spelt out. That is what
makes OpenSSL behave as Tesla's Go server does in two points: an issuing CA counts as an anchor although it is not self-signed,
and Tesla's "Products CA", whose only extended key usage is anyExtendedKeyUsage, may issue clients (docs/protocol.md).
"""

from __future__ import annotations

import base64
import errno
import os
import ssl
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..config import Settings
from ..errors import Misconfigured
from . import pem

# X509_CERT_AUX { trust: [ clientAuth 1.3.6.1.5.5.7.3.2 ] }, what `openssl x509 -addtrust clientAuth -trustout` appends
LARGEST_PEM_FILE = 16 << 20  # bytes; all public roots of the world have 250 KB. A wrong path may lead to gigabytes
_TRUST_CLIENT_AUTH = bytes.fromhex("300c300a06082b06010505070302")


@dataclass(frozen=True, slots=True)
class ServerPair:
    """The content of CERT_PATH and KEY_PATH: reading them may block, and loading them must not."""

    certificate: Path
    key: Path
    contents: tuple[bytes, bytes]

    @classmethod
    def read(cls, settings: Settings) -> ServerPair:
        """Raises Misconfigured."""
        certificate, key = Path(settings.cert_path or ""), Path(settings.key_path or "")
        return cls(certificate, key, (read_bytes("CERT_PATH", certificate), read_bytes("KEY_PATH", key)))

    def load(self, context: ssl.SSLContext) -> None:
        """Into a context, also one in use, for later handshakes. Raises Misconfigured."""
        try:
            if not _loaded_from_memory(partial(context.load_cert_chain, password=_no_password), *self.contents):
                context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            remedy = "give the PEM chain (server first) and the unencrypted PEM key that belongs to it"
            paths = self.certificate, self.key
            said = zip(("CERT_PATH", "KEY_PATH"), paths, self.contents, ("x509", "pkey"), strict=True)
            for variable, path, content, command in said:
                if form := pem.foreign_form(content, command):
                    raise Misconfigured(variable, f"{path} {form}", remedy) from None
            raise Misconfigured(*_chain_fault(error, *paths), remedy) from None


def load_chain(context: ssl.SSLContext, settings: Settings) -> None:
    """Loads the server's certificate and key. Raises Misconfigured."""
    ServerPair.read(settings).load(context)


def _no_password() -> str:
    raise ValueError("the key is encrypted")  # else OpenSSL asks for the password on the terminal


def _chain_fault(error: ssl.SSLError | ValueError, certificate: Path, key: Path) -> tuple[str, str]:
    if "KEY_VALUES_MISMATCH" in str(error):
        return "KEY_PATH", f"{key} does not belong to the certificate in {certificate}"
    return "CERT_PATH", f"{certificate} with KEY_PATH {key} cannot be used ({error})"


def read_bytes(variable: str, path: Path) -> bytes:
    """The file. Raises Misconfigured, with the variable's name, if it cannot be read."""
    try:
        with open(path, "rb", opener=_open_now) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise OSError(errno.EINVAL, "not a file (a FIFO or a device)")
            content = file.read(LARGEST_PEM_FILE + 1)
            if len(content) > LARGEST_PEM_FILE:  # counted, not believed: a file may grow
                raise OSError(errno.EFBIG, f"larger than {LARGEST_PEM_FILE} bytes, and not what is wanted here")
            return content
    except OSError as error:
        # Exactly as it was given: a quote, a blank or a CR at the end comes from an .env file, and would not be seen otherwise.
        shown = path if str(path).isprintable() and str(path) == str(path).strip(" \"'") else repr(str(path))
        fault = f"{shown}: {error.strerror}"
        raise Misconfigured(variable, fault, "give the path of a PEM file that the server may read") from None


def in_another_form(variable: str, path: Path, content: bytes) -> Misconfigured | None:
    """The fault of a file in which no public key was found, if it has another form than PEM."""
    form = pem.foreign_form(content, "pkey -pubin -pubout")
    return Misconfigured(variable, f"{path} {form}", "give the public key as PEM") if form else None


def _open_now(path: str, flags: int) -> int:
    """A FIFO is refused, not waited for: the running server reads these files again, and would stand still."""
    return os.open(path, flags | os.O_NONBLOCK)


def load_anchors(context: ssl.SSLContext, path: Path) -> int:
    """Makes every certificate in the PEM file an anchor for clients; returns how many there are. Raises Misconfigured."""
    blocks = anchors(path)
    text = "".join(trusted_block(der) for der in blocks).encode()
    try:
        if not _loaded_from_memory(context.load_verify_locations, text):
            _load_from_temporary_file(context, text)
    except ssl.SSLError as error:
        raise Misconfigured("CA_PATH", f"{path} cannot be used ({error.reason})", "give a PEM file of CA certificates") from None
    except OSError as error:
        fault = f"the certificates of {path} cannot be handed to OpenSSL ({error.strerror or error})"
        raise Misconfigured("CA_PATH", fault, "mount /proc, or give the server a writable /tmp") from None
    return len(blocks)


def _loaded_from_memory(load: Callable[..., object], *contents: bytes) -> bool:
    """`load` with a path of each of these; False where memory cannot have a name (`_named`). Raises ssl.SSLError, ValueError."""
    try:
        with ExitStack() as named:
            load(*[named.enter_context(_named(content)) for content in contents])
    except ssl.SSLError:
        raise
    except OSError:
        return False
    return True


@contextmanager
def _named(content: bytes) -> Iterator[str]:
    """
    A path of these bytes while the block runs. OpenSSL reads some things from a named file only, and Linux gives memory a name:
    no disk, which may be read-only, full or away, is touched. OSError where the system has no such memory; no path without /proc.
    """
    if not hasattr(os, "memfd_create"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    with open(os.memfd_create("pem", os.MFD_CLOEXEC), "wb", buffering=0) as file:
        file.write(content)
        yield f"/proc/self/fd/{file.fileno()}"


def _load_from_temporary_file(context: ssl.SSLContext, text: bytes) -> None:
    """Raises OSError, of which ssl.SSLError is one."""
    with tempfile.NamedTemporaryFile("wb", suffix=".pem") as file:
        file.write(text)
        file.flush()
        context.load_verify_locations(cafile=file.name)


def anchors(path: Path) -> list[bytes]:
    """The DER of every certificate in a PEM file, under each of its three labels. Raises Misconfigured if there is none."""
    try:
        return pem.certificates(read_bytes("CA_PATH", path))
    except ValueError as error:
        raise Misconfigured("CA_PATH", f"{path} {error}", "give a PEM file of CA certificates") from None


def trusted_block(der: bytes) -> str:
    """The certificate in PEM, with the trust that makes OpenSSL accept it as an issuer of clients, whatever its usages are."""
    text = base64.encodebytes(der + _TRUST_CLIENT_AUTH).decode()
    return f"-----BEGIN TRUSTED CERTIFICATE-----\n{text}-----END TRUSTED CERTIFICATE-----\n"
