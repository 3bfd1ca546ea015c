"""
Every exception that is raised on purpose, as a tree.

The class says whose fault it is; attributes say what to answer. The message is for the log and for the operator: it never
holds a token, a secret or a payload.

    TeslafastError
    ├── Misconfigured      the operator's: a setting, a file, a command-line word   → one line on stderr, exit 2
    ├── Malformed          a vehicle's message that does not parse                  → an error reply, counted
    ├── Unhealthy          a server's that was asked how it is                      → one line on stderr, exit 1
    │   └── PermanentFault asking again would end the same way                      → nobody waits for it
    ├── Declined           Tesla's: its Fleet API did not do what it was asked      → one line on stderr, exit 1
    ├── Undelivered        an output's: what it was given has not arrived           → tried again, logged
    │   ├── Unreachable    there is no connection to where it should arrive
    │   │   └── Unheard    nobody listens: at the server's end nobody is waited for
    │   └── Unwanted       the receiver wants no more of it, ever               → the output stops, logged
    └── Refused            a request that may not pass (refusals.py)                → an HTTP answer, counted
        └── BadQuery       its query or its target cannot be read                   → 400
"""

from http import HTTPStatus

from .refusals import QUERY, Refusal


class TeslafastError(Exception):
    """Base of all: `str()` of it is one line, fit for a log."""


class Misconfigured(TeslafastError):
    """A setting or file that the operator can mend. `subject` names it, `remedy` says what would be right."""

    def __init__(self, subject: str, fault: str, remedy: str) -> None:
        super().__init__(f"{subject}: {fault} — {remedy}")
        self.subject = subject
        self.fault = fault
        self.remedy = remedy


class Unhealthy(TeslafastError):
    """A server that does not answer, or does not say that it is well. `fault`: what it did; `remedy`: what would help."""

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(f"{fault} — {remedy}")
        self.fault = fault
        self.remedy = remedy


class PermanentFault(Unhealthy):
    """Waiting makes it no better: a certificate that does not verify, a proxy that wants a password, an answer without end."""


class Declined(TeslafastError):
    """Tesla answers no. `status`: of HTTP; `fault`: what it said, as a sentence; `remedy`: what would help; `words`: its own."""

    def __init__(self, status: int, fault: str, remedy: str, words: str = "") -> None:
        super().__init__(f"{fault} — {remedy}")
        self.words = words
        self.status = status
        self.fault = fault
        self.remedy = remedy


class Undelivered(TeslafastError):
    """
    An output could not deliver what it was given; the message says why, and is fit for a log.

    `retry_after_s`: the receiver has asked not to be tried again before that.
    """

    retry_after_s: float = 0.0


class Unreachable(Undelivered):
    """There is no connection to where an output's events go. Whoever takes them may be down; nothing has been refused."""


class Unheard(Unreachable):
    """Nobody listens to an output that others connect to. Whoever comes later gets what waits; a server's end waits for none."""


class Unwanted(Undelivered):
    """The receiver has said that it wants nothing any more: this output is over until the next start."""


class Malformed(TeslafastError, ValueError):
    """Bytes of a vehicle that are no message of the protocol. `txid` is what the error reply echoes; empty if unreadable."""

    def __init__(self, reason: str, txid: bytes = b"") -> None:
        super().__init__(reason)
        self.txid = txid


class Refused(TeslafastError):
    """A request that may not pass. `refusal`: the row that says what is answered; `reason` replaces its meaning if given."""

    def __init__(self, refusal: Refusal, reason: str = "") -> None:
        super().__init__(reason or refusal.meaning)
        self.refusal = refusal

    @property
    def status(self) -> HTTPStatus:
        return self.refusal.status

    @property
    def cause(self) -> str:
        """The fixed word for counters and log lines."""
        return self.refusal.cause


class BadQuery(Refused):
    """A query, or a value in it, that cannot be read or is not one of those allowed."""

    def __init__(self, reason: str) -> None:
        super().__init__(QUERY, reason)
