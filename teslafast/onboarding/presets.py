"""
Presets: which fields a vehicle is asked for and how often, and an estimate of what that costs a month.

A vehicle sends a field when it has changed, but no sooner than `interval_seconds` after the last time. Tesla bills each such
signal. So the signals of a field in a month follow from its ChangeRate, from the interval, and from how long the vehicle drives
and charges (the assumptions below, for an ordinary car). The estimate is within a factor of about two of a real month.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ..protocol.signals import FIELDS

SIGNALS_PER_DOLLAR = 150_000
MONTHLY_CREDIT = 10  # dollars a month free for each account; unless the account raises its limit, streaming stops there

DRIVING_H, CHARGING_H = 30, 25
ASSUMPTIONS = f"{DRIVING_H} h of driving and {CHARGING_H} h of charging a month"


class ChangeRate(NamedTuple):
    """How a field changes: every `period_s` during `hours` of a month, and `changes` times besides."""

    hours: float
    period_s: float
    changes: int

    def signals(self, interval_s: float) -> int:
        """Signals a month, with at most one every `interval_s`."""
        return round(self.hours * 3600 / max(interval_s, self.period_s)) + self.changes


def _fields(words: str) -> tuple[str, ...]:
    return tuple(words.split())


SELDOM = ChangeRate(0, 1, 60)  # a switch, a setting, a state: twice a day

# Fields that are known to change more often than SELDOM.
CHANGE_RATES: dict[str, ChangeRate] = {
    field: rate
    for rate, fields in {
        # with every movement of the car
        ChangeRate(DRIVING_H, 0.5, 60): _fields(
            """
            VehicleSpeed Location GpsHeading PedalPosition BrakePedalPos LateralAcceleration LongitudinalAcceleration
            DiTorquemotor DiSlaveTorqueCmd DiTorqueActualF DiTorqueActualR DiTorqueActualREL DiTorqueActualRER DiAxleSpeedF
            DiAxleSpeedR DiAxleSpeedREL DiAxleSpeedRER DiMotorCurrentF DiMotorCurrentR DiMotorCurrentREL DiMotorCurrentRER
            DiVBatF DiVBatR DiVBatREL DiVBatRER GpsAccuracyMeters GradeEstimatePercent
            """
        ),
        # with every movement of current, either way
        ChangeRate(DRIVING_H + CHARGING_H, 1, 60): _fields("PackVoltage PackCurrent BrickVoltageMax BrickVoltageMin"),
        # along the way
        ChangeRate(DRIVING_H, 10, 60): _fields(
            """
            Odometer MilesSinceReset SelfDrivingMilesSinceReset LifetimeEnergyUsed LifetimeEnergyGainedRegen MilesToArrival
            MinutesToArrival RouteTrafficMinutesDelay DiHeatsinkTF DiHeatsinkTR DiHeatsinkTREL DiHeatsinkTRER DiInverterTF
            DiInverterTR DiInverterTREL DiInverterTRER DiStatorTempF DiStatorTempR DiStatorTempREL DiStatorTempRER
            IsolationResistance MediaNowPlayingElapsed MaxSpeedToReachDestinationMph RollingResistanceCoefficient
            """
        ),
        ChangeRate(CHARGING_H, 5, 60): _fields("ACChargingPower DCChargingPower ChargeAmps ChargerVoltage ChargeRateMilePerHour"),
        # as the battery fills and empties
        ChangeRate(DRIVING_H + CHARGING_H, 30, 60): _fields(
            """
            Soc BatteryLevel EnergyRemaining RatedRange EstBatteryRange IdealBatteryRange ACChargingEnergyIn DCChargingEnergyIn
            TimeToFullCharge EstimatedHoursToChargeTermination ExpectedEnergyPercentAtTripArrival ModuleTempMax ModuleTempMin
            NumBrickVoltageMax NumBrickVoltageMin NumModuleTempMax NumModuleTempMin BrickSocMinPercent LifetimeEnergyChargedKwh
            LifetimeDcChargeEnergyKwh
            """
        ),
        # as the day goes by
        ChangeRate(DRIVING_H + CHARGING_H, 120, 300): _fields(
            """
            InsideTemp OutsideTemp HvacFanSpeed HvacFanStatus TpmsPressureFl TpmsPressureFr TpmsPressureRl TpmsPressureRr
            TpmsLastSeenPressureTimeFl TpmsLastSeenPressureTimeFr TpmsLastSeenPressureTimeRl TpmsLastSeenPressureTimeRr
            """
        ),
        # with the driver's hands and feet
        ChangeRate(0, 1, 3000): _fields("BrakePedal LightsTurnSignal LightsHighBeams CruiseSetSpeed RouteLastUpdated RouteLine"),
        ChangeRate(0, 1, 600): _fields(
            """
            Gear DoorState Locked DriverSeatOccupied DriverSeatBelt PassengerSeatBelt CenterDisplay DriveRail GpsState DiStateF
            DiStateR DiStateREL DiStateRER BMSState CurrentLimitMph MediaPlaybackStatus MediaNowPlayingTitle MediaNowPlayingArtist
            MediaNowPlayingAlbum MediaNowPlayingStation MediaNowPlayingDuration MediaAudioVolume FdWindow FpWindow RdWindow
            RpWindow
            """
        ),
    }.items()
    for field in fields
}

_HOLLOW = ("Unknown", "Deprecated_", "Experimental_")  # numbers that no vehicle uses
_TRUCKS = ("Semi", "LifetimeEnergyUsedDrive")
OF_CARS = tuple(field for field in FIELDS if not field.startswith(_HOLLOW + _TRUCKS))

_MINIMAL = {
    "Location": 60,
    "VehicleSpeed": 60,
    "Odometer": 300,
    "Soc": 300,
    "RatedRange": 300,
    "Gear": 1,
    "DetailedChargeState": 1,
    "Locked": 1,
}
_CHARGING = {
    **_MINIMAL,
    "BatteryLevel": 60,
    "EnergyRemaining": 60,
    "ChargeLimitSoc": 1,
    "ChargeAmps": 30,
    "ChargerVoltage": 60,
    "ACChargingPower": 30,
    "DCChargingPower": 10,
    "ACChargingEnergyIn": 60,
    "DCChargingEnergyIn": 60,
    "TimeToFullCharge": 60,
    "ChargeRateMilePerHour": 60,
    "FastChargerPresent": 1,
    "FastChargerType": 1,
    "ChargingCableType": 1,
    "ChargePortDoorOpen": 1,
    "ChargePortLatch": 1,
    "PackVoltage": 60,
    "PackCurrent": 60,
    "ModuleTempMax": 60,
    "ModuleTempMin": 60,
    "BatteryHeaterOn": 1,
    "OutsideTemp": 300,
}
_DRIVING = {
    **_MINIMAL,
    "Location": 1,
    "VehicleSpeed": 1,
    "GpsHeading": 2,
    "Odometer": 30,
    "Soc": 30,
    "EnergyRemaining": 30,
    "PackVoltage": 10,
    "PackCurrent": 2,
    "PedalPosition": 2,
    "BrakePedal": 1,
    "CruiseSetSpeed": 1,
    "InsideTemp": 60,
    "OutsideTemp": 60,
    "DoorState": 1,
    "DestinationName": 1,
    "DestinationLocation": 1,
    "MilesToArrival": 60,
    "MinutesToArrival": 60,
    "TpmsPressureFl": 300,
    "TpmsPressureFr": 300,
    "TpmsPressureRl": 300,
    "TpmsPressureRr": 300,
}
# What the doors for TeslaMate are made of: rows from the first three besides those of driving, REST answers from the rest.
_TESLAMATE = {
    **_CHARGING,
    **_DRIVING,
    "EstBatteryRange": 60,
    "ACChargingPower": 10,
    "DCChargingPower": 10,
    "IdealBatteryRange": 60,
    "ChargerPhases": 60,
    "ChargerVoltage": 60,
    "ACChargingEnergyIn": 60,
    "DCChargingEnergyIn": 60,
    "HvacPower": 1,
    "HvacLeftTemperatureRequest": 60,
    "HvacRightTemperatureRequest": 60,
    "HvacFanStatus": 300,
    "FdWindow": 1,
    "FpWindow": 1,
    "RdWindow": 1,
    "RpWindow": 1,
    "SentryMode": 1,
    "DriverSeatOccupied": 1,
    "VehicleName": 300,
    "Version": 300,
    "CarType": 300,
    "Trim": 300,
    "ExteriorColor": 300,
    "WheelType": 300,
    "SoftwareUpdateVersion": 60,
    "SoftwareUpdateDownloadPercentComplete": 60,
    "SoftwareUpdateInstallationPercentComplete": 60,
}
_EVERYTHING = {field: 1 if CHANGE_RATES.get(field, SELDOM).hours == 0 else 10 for field in OF_CARS} | _CHARGING | _DRIVING

# preset -> field -> the least number of seconds between two of its signals
PRESETS: Mapping[str, Mapping[str, int]] = {
    "minimal": _MINIMAL,
    "driving": _DRIVING,
    "charging": _CHARGING,
    "teslamate": _TESLAMATE,
    "everything": _EVERYTHING,
}


def signals_a_month(intervals: Mapping[str, float]) -> int:
    """An estimate for one vehicle that is asked for these fields at these intervals."""
    return sum(CHANGE_RATES.get(field, SELDOM).signals(interval) for field, interval in intervals.items())


def dollars_a_month(intervals: Mapping[str, float]) -> float:
    """What Tesla charges for them, before any credit."""
    return signals_a_month(intervals) / SIGNALS_PER_DOLLAR
