"""Gives `serve` what keeps the set-up alive, if TESLAFAST_STATE names its folder; else nothing of `onboarding` is imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import Misconfigured

if TYPE_CHECKING:
    from ..config import Settings
    from ..server.upkeep import Upkeep


def upkeep_of(settings: Settings, environment: Mapping[str, str]) -> Upkeep | None:
    """None without the setting. The folder may be empty, or be missing until the set-up hands it over. Raises Misconfigured."""
    path = settings.state_folder
    if path is None:
        return None
    if path.exists() and not path.is_dir():
        raise Misconfigured("TESLAFAST_STATE", f"{path} is not a folder", "give the folder that `teslafast setup` made")
    from ..onboarding.state_folder import StateFolder
    from ..onboarding.tesla_hosts import TeslaHosts
    from ..onboarding.upkeep import FolderUpkeep

    TeslaHosts.from_env(environment)  # a wrong address stops the start, and is not found out at night
    return FolderUpkeep(StateFolder(path), environment)
