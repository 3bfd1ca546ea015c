"""
The owner's tokens on disk, and the one rule by which they are refreshed.

Tesla's refresh tokens are good for one use, and using one ends the access token before it. So two processes that refresh from
copies of one file put each other out. Here

    1  whoever refreshes holds the folder's lock, and first looks whether another has just done so;
    2  the new pair is on disk before it is used: a process that is killed leaves a file that works;
    3  an answer that is lost costs nothing: Tesla takes the refresh token that was used last again for 24 hours.

`access_token` refreshes at 75 % of the token's life, and before a call that would outlive it. A token that Tesla no longer takes
(`login_required`) is said once, with the remedy, and never tried again by itself.

tokens.json has `refresh_token`, `access_token`, `access_expires`, `refresh_expires`, `obtained` (s since 1970), `scopes`,
`generation` (rises by one with each pair), `client_id`, and `owner`: who refreshes, "here" or the name of the server that it was
handed to. The file of a folder whose tokens were handed over has no tokens, only that mark.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..errors import Declined, Misconfigured, PermanentFault, Unhealthy
from .access_token import LATEST_CLAIM_S, read_token
from .oauth import OAuth
from .state_folder import TOKENS_FILE, StateFolder

REFRESH_LIFE_S = 90 * 86400  # Tesla: three months
ACCESS_LIFE_S = 8 * 3600  # where Tesla's answer does not say
REFRESH_AT = 0.75  # of an access token's life
CALL_S = 120.0  # what a call may take, with everything that is tried again
HERE = "here"
LOGIN_AGAIN = "log in again: teslafast login"


@dataclass(frozen=True)
class Tokens:
    """What tokens.json holds. Times: seconds since 1970. `adopted`: which TESLA_REFRESH_TOKEN it came from, as a digest."""

    refresh_token: str = ""
    access_token: str = ""
    access_expires: float = 0.0
    refresh_expires: float = 0.0
    obtained: float = 0.0
    scopes: tuple[str, ...] = ()
    generation: int = 0
    client_id: str = ""
    owner: str = HERE
    adopted: str = ""

    def is_fresh(self, now: float, needed_s: float = CALL_S) -> bool:
        """Whether the access token is good for a call, and not yet at the age at which it is refreshed."""
        if not self.access_token or now + needed_s >= self.access_expires:
            return False
        return now < self.obtained + REFRESH_AT * (self.access_expires - self.obtained)


class TokenStore:
    """The tokens of one folder. `now`: seconds since 1970."""

    def __init__(self, folder: StateFolder, oauth: OAuth, now: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.oauth = oauth
        self._now = now

    def load(self) -> Tokens | None:
        """What is on disk. Raises Misconfigured."""
        return load_tokens(self.folder)

    def access_token(self, needed_s: float = CALL_S) -> str:
        """
        An access token that is good for `needed_s`; refreshed first if it is due. Raises Misconfigured if nobody has logged in
        or the tokens are a server's, Declined if Tesla takes the refresh token no longer, Unhealthy if it cannot be reached.
        """
        tokens = self._usable()
        if tokens.is_fresh(self._now(), needed_s):
            return tokens.access_token
        with self.folder.lock():
            tokens = self._usable()
            if tokens.is_fresh(self._now(), needed_s):
                return tokens.access_token  # another process has refreshed while we waited for the lock
            try:
                return self._refresh(tokens).access_token
            except Unhealthy:
                if self._now() + needed_s < tokens.access_expires:
                    return tokens.access_token  # it was only due, not over
                raise

    def renewed(self, refused: str) -> str:
        """An access token in place of one that Tesla has refused. Raises as `access_token`."""
        with self.folder.lock():
            tokens = self._usable()
            return tokens.access_token if tokens.access_token != refused else self._refresh(tokens).access_token

    def refresh_if_older(self, seconds: float) -> bool:
        """Refreshes a pair that is older than that, so that the refresh token stays alive; whether it did so."""
        with self.folder.lock():
            tokens = self._usable()
            if self._now() - tokens.obtained < seconds:
                return False
            self._refresh(tokens)
            return True

    def keep(self, answer: Mapping[str, Any], adopted: str = "") -> Tokens:
        """Writes a pair that Tesla has just given; nothing uses it before that. Raises Misconfigured."""
        with self.folder.lock():
            before = self.load() or Tokens()
            now = self._now()
            access = str(answer["access_token"])
            facts, life = read_token(access), answer.get("expires_in")
            ends = now + life if isinstance(life, int | float) and 0 < life < LATEST_CLAIM_S else facts.expires if facts else None
            tokens = replace(
                before,
                refresh_token=str(answer.get("refresh_token") or before.refresh_token),
                access_token=access,
                access_expires=ends or now + ACCESS_LIFE_S,
                refresh_expires=now + REFRESH_LIFE_S,
                obtained=now,
                scopes=facts.scopes if facts else before.scopes,
                generation=before.generation + 1,
                client_id=self.oauth.client_id or before.client_id,
                owner=before.owner if before.refresh_token else HERE,
                adopted=adopted or before.adopted,
            )
            self.folder.write_json(TOKENS_FILE, asdict(tokens))
            return tokens

    def adopt(self, refresh_token: str) -> Tokens:
        """Begins with a refresh token of TESLA_REFRESH_TOKEN, which is used up by that. Raises as `access_token`."""
        with self.folder.lock():
            answer = self._answer(refresh_token)
            return self.keep({**answer, "refresh_token": answer.get("refresh_token") or refresh_token}, digest_of(refresh_token))

    def forget(self, owner: str = "") -> bool:
        """Removes the tokens, or leaves the mark that `owner` has them; whether there were any."""
        with self.folder.lock():
            tokens = self.load()
            if owner and tokens is not None:
                self.folder.write_json(TOKENS_FILE, asdict(Tokens(owner=owner, client_id=tokens.client_id, scopes=tokens.scopes)))
            elif tokens is not None:
                self.folder.remove(TOKENS_FILE)
            return tokens is not None and bool(tokens.refresh_token)

    # ---- under the lock

    def _usable(self) -> Tokens:
        tokens = self.load()
        if tokens is None or not tokens.refresh_token:
            if tokens is not None and tokens.owner != HERE:
                fault = f"were handed over to {tokens.owner}, which alone refreshes them"
                raise Misconfigured("tokens", fault, "run this command there, or set TESLA_ACCESS_TOKEN, or `teslafast login`")
            raise Misconfigured("tokens", f"are not in {self.folder.path}: nobody has logged in", "log in: teslafast login")
        return tokens

    def _refresh(self, tokens: Tokens) -> Tokens:
        if not self.oauth.client_id:
            self.oauth.client_id = tokens.client_id
        return self.keep(self._answer(tokens.refresh_token))

    def _answer(self, refresh_token: str) -> dict[str, Any]:
        try:
            return self.oauth.refresh(refresh_token)
        except PermanentFault:
            raise
        except Unhealthy:  # the answer may have been lost on its way: the same token still works
            return self.oauth.refresh(refresh_token)
        except Declined as error:
            if error.status < 500:
                raise
            return self.oauth.refresh(refresh_token)


def handed_over(tokens: Tokens | None) -> bool:
    """Whether only the mark is here: another machine refreshes."""
    return tokens is not None and tokens.owner != HERE and not tokens.refresh_token


def load_tokens(folder: StateFolder) -> Tokens | None:
    """What a folder's tokens.json holds, None if there is none. Raises Misconfigured."""
    found = folder.read_json(TOKENS_FILE)
    if found is None:
        return None
    known = {name: found[name] for name, kind in _FORMS.items() if isinstance(found.get(name), kind)}
    scopes = found.get("scopes")
    known["scopes"] = tuple(map(str, scopes)) if isinstance(scopes, list) else ()
    return Tokens(**known)


_FORMS: Mapping[str, Any] = {
    "refresh_token": str,
    "access_token": str,
    "access_expires": int | float,
    "refresh_expires": int | float,
    "obtained": int | float,
    "generation": int,
    "client_id": str,
    "owner": str,
    "adopted": str,
}


def digest_of(refresh_token: str) -> str:
    """Which refresh token this was, without saying it."""
    return hashlib.sha256(refresh_token.encode()).hexdigest()[:16]
