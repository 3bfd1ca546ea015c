"""What fly.toml says, and the settings that a server on Fly gets."""

from __future__ import annotations

import tomllib
from typing import Any

from teslafast.config import Settings

from tests.support import ROOT
from tests.support.peers import SECRET

FLY: dict[str, Any] = tomllib.loads((ROOT / "fly.toml").read_text())
SECRETS = {"JWT_SECRET": SECRET, "TESLA_VIN": "5YJ3TEST5PF000001"}
VEHICLES, DASHBOARDS = FLY["services"]


def settings_on_fly() -> Settings:
    return Settings.from_env(FLY["env"] | SECRETS)
