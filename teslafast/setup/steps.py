"""The twelve steps, in their order."""

from __future__ import annotations

from .app_key_step import APP_KEY_STEP
from .config_step import CONFIG_STEP
from .data_step import FIRST_DATA_STEP
from .journey import SetupStep
from .keeping_step import KEEPING_STEP
from .login_step import LOGIN_STEP
from .pairing_step import PAIRING_STEP
from .portal_step import PORTAL_STEP
from .registration_step import REGISTRATION_STEP
from .road_test_step import ROAD_TEST_STEP
from .server_step import SERVER_STEP
from .vehicle_steps import REGION_STEP, VEHICLE_STEP

SETUP_STEPS: tuple[SetupStep, ...] = (
    APP_KEY_STEP,
    SERVER_STEP,
    PORTAL_STEP,
    REGISTRATION_STEP,
    LOGIN_STEP,
    REGION_STEP,
    VEHICLE_STEP,
    PAIRING_STEP,
    ROAD_TEST_STEP,
    CONFIG_STEP,
    FIRST_DATA_STEP,
    KEEPING_STEP,
)
