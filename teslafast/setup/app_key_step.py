"""Step 1: the app's private key. Made once; a new one in its place would orphan the key on the car, so that is refused."""

from __future__ import annotations

import stat

from cryptography.hazmat.primitives.asymmetric import ec

from ..certificates.issue import key_pem
from ..errors import Misconfigured
from ..onboarding.refusals_of_tesla import Step
from ..onboarding.state_folder import KEY_FILE, STATE_FILE_MODE
from .context import SetupContext
from .journey import SetupStep
from .outcome import Blocked


def _look(context: SetupContext) -> str | None:
    path = context.folder.path / KEY_FILE
    pem = context.folder.read(KEY_FILE)
    if pem is None:
        if context.notes.registered:
            says = f"{path} is gone, and its public half is registered for {context.notes.domain}"
            remedy = "put it back from your copy: a new one would orphan the key on your car"
            raise Blocked(says, f"{remedy}; to begin again all the same, move {context.folder.path / 'state.json'} away, too")
        return None
    try:
        context.key()
    except Misconfigured as error:
        raise Blocked(f"{path} {error.fault}", f"{error.remedy}; or move it away, if no car has its public half") from None
    _close(context)
    return f"{path} (P-256; nobody but you needs it; keep a copy)"


def _close(context: SetupContext) -> None:
    """A key that others can read is closed to them."""
    path = context.folder.path / KEY_FILE
    if stat.S_IMODE(path.stat().st_mode) & 0o077 and not context.options.look_only:
        path.chmod(STATE_FILE_MODE)
        context.console.line(f"  ! {path} was open to others: now it has mode 0600")


def _act(context: SetupContext) -> None:
    context.folder.write(KEY_FILE, key_pem(ec.generate_private_key(ec.SECP256R1())), replace=False)


APP_KEY_STEP = SetupStep(Step.APP_KEY, _look, _act, f"make {KEY_FILE}")
