"""
The protocol's messages: which number holds what, of what type, under which JSON name.

Facts of Tesla's published schema, no code: the decoder builds its tables from these, the encoder walks them. A type is a scalar
(bool, int32, int64, float, double, string), an enum (`signals.ENUMS`) or another message of this table. VehicleMetrics is left
out: no topic carries it.
"""

from typing import NamedTuple


class Field(NamedTuple):
    number: int
    name: str  # protojson's spelling
    type: str
    repeated: bool = False


# An envelope's topic -> the kind of event it makes, and the message in its payload.
TOPICS: dict[bytes, tuple[str, str]] = {
    b"V": ("data", "Payload"),
    b"alerts": ("alerts", "VehicleAlerts"),
    b"errors": ("errors", "VehicleErrors"),
    b"connectivity": ("connectivity", "VehicleConnectivity"),
}

# A Value is a oneof: at most one alternative at a time. 20 was never used, 8 is deprecated, 10 says: nothing valid now.
VALUE = (
    Field(1, "stringValue", "string"),
    Field(2, "intValue", "int32"),
    Field(3, "longValue", "int64"),
    Field(4, "floatValue", "float"),
    Field(5, "doubleValue", "double"),
    Field(6, "booleanValue", "bool"),
    Field(7, "locationValue", "LocationValue"),
    Field(8, "chargingValue", "ChargingState"),
    Field(9, "shiftStateValue", "ShiftState"),
    Field(10, "invalid", "bool"),
    Field(11, "laneAssistLevelValue", "LaneAssistLevel"),
    Field(12, "scheduledChargingModeValue", "ScheduledChargingModeValue"),
    Field(13, "sentryModeStateValue", "SentryModeState"),
    Field(14, "speedAssistLevelValue", "SpeedAssistLevel"),
    Field(15, "bmsStateValue", "BMSStateValue"),
    Field(16, "buckleStatusValue", "BuckleStatus"),
    Field(17, "carTypeValue", "CarTypeValue"),
    Field(18, "chargePortValue", "ChargePortValue"),
    Field(19, "chargePortLatchValue", "ChargePortLatchValue"),
    Field(21, "doorValue", "Doors"),
    Field(22, "driveInverterStateValue", "DriveInverterState"),
    Field(23, "hvilStatusValue", "HvilStatus"),
    Field(24, "windowStateValue", "WindowState"),
    Field(25, "seatFoldPositionValue", "SeatFoldPosition"),
    Field(26, "tractorAirStatusValue", "TractorAirStatus"),
    Field(27, "followDistanceValue", "FollowDistance"),
    Field(28, "forwardCollisionSensitivityValue", "ForwardCollisionSensitivity"),
    Field(29, "guestModeMobileAccessValue", "GuestModeMobileAccess"),
    Field(30, "trailerAirStatusValue", "TrailerAirStatus"),
    Field(31, "timeValue", "Time"),
    Field(32, "detailedChargeStateValue", "DetailedChargeStateValue"),
    Field(33, "hvacAutoModeValue", "HvacAutoModeState"),
    Field(34, "cabinOverheatProtectionModeValue", "CabinOverheatProtectionModeState"),
    Field(35, "cabinOverheatProtectionTemperatureLimitValue", "ClimateOverheatProtectionTempLimit"),
    Field(36, "defrostModeValue", "DefrostModeState"),
    Field(37, "climateKeeperModeValue", "ClimateKeeperModeState"),
    Field(38, "hvacPowerValue", "HvacPowerState"),
    Field(39, "tireLocationValue", "TireLocation"),
    Field(40, "fastChargerValue", "FastCharger"),
    Field(41, "cableTypeValue", "CableType"),
    Field(42, "tonneauTentModeValue", "TonneauTentModeState"),
    Field(43, "tonneauPositionValue", "TonneauPositionState"),
    Field(44, "powershareTypeValue", "PowershareTypeStatus"),
    Field(45, "powershareStateValue", "PowershareState"),
    Field(46, "powershareStopReasonValue", "PowershareStopReasonStatus"),
    Field(47, "displayStateValue", "DisplayState"),
    Field(48, "distanceUnitValue", "DistanceUnit"),
    Field(49, "temperatureUnitValue", "TemperatureUnit"),
    Field(50, "pressureUnitValue", "PressureUnit"),
    Field(51, "chargeUnitPreferenceValue", "ChargeUnitPreference"),
    Field(52, "turnSignalStateValue", "TurnSignalState"),
    Field(53, "mediaStatusValue", "MediaStatus"),
    Field(54, "sunroofInstalledStateValue", "SunroofInstalledState"),
)

TIRES = (
    "frontLeft frontRight rearLeft rearRight semiMiddleAxleLeft2 semiMiddleAxleRight2"
    " semiRearAxleLeft semiRearAxleRight semiRearAxleLeft2 semiRearAxleRight2"
)
DOORS = "DriverFront DriverRear PassengerFront PassengerRear TrunkFront TrunkRear"


def _alike(names: str, type_: str) -> tuple[Field, ...]:
    """A structure whose members are numbered from 1 and all of one type."""
    return tuple(Field(number, name, type_) for number, name in enumerate(names.split(), 1))


# Message -> its fields, in protojson's order.
MESSAGES: dict[str, tuple[Field, ...]] = {
    "Payload": (
        Field(1, "data", "Datum", repeated=True),
        Field(2, "createdAt", "Timestamp"),
        Field(3, "vin", "string"),
        Field(4, "isResend", "bool"),
    ),
    "Datum": (Field(1, "key", "Field"), Field(2, "value", "Value")),
    "Value": VALUE,
    "LocationValue": _alike("latitude longitude", "double"),
    "Doors": _alike(DOORS, "bool"),
    "TireLocation": _alike(TIRES, "bool"),
    "Time": _alike("hour minute second", "int32"),
    "Timestamp": (Field(1, "seconds", "int64"), Field(2, "nanos", "int32")),
    "VehicleAlerts": (
        Field(1, "alerts", "VehicleAlert", repeated=True),
        Field(2, "createdAt", "Timestamp"),
        Field(3, "vin", "string"),
    ),
    "VehicleAlert": (
        Field(1, "name", "string"),
        Field(2, "audiences", "Audience", repeated=True),
        Field(3, "startedAt", "Timestamp"),
        Field(4, "endedAt", "Timestamp"),
    ),
    "VehicleErrors": (
        Field(1, "errors", "VehicleError", repeated=True),
        Field(2, "createdAt", "Timestamp"),
        Field(3, "vin", "string"),
    ),
    "VehicleError": (
        Field(1, "createdAt", "Timestamp"),
        Field(2, "name", "string"),
        Field(3, "tags", "Tag", repeated=True),
        Field(4, "body", "string"),
    ),
    "Tag": _alike("key value", "string"),  # an entry of a map<string, string>
    "VehicleConnectivity": (
        Field(1, "vin", "string"),
        Field(2, "connectionId", "string"),
        Field(3, "status", "ConnectivityEvent"),
        Field(4, "createdAt", "Timestamp"),
        Field(5, "networkInterface", "string"),
    ),
}

# The order of keys in a flat event (contract.md); a message that is not named here keeps protojson's.
FLAT_ORDER: dict[str, tuple[str, ...]] = {
    "Payload": ("vin", "createdAt", "data", "isResend"),
    "VehicleAlerts": ("vin", "createdAt", "alerts"),
    "VehicleAlert": ("name", "startedAt", "endedAt", "audiences"),
    "VehicleErrors": ("vin", "createdAt", "errors"),
    "VehicleError": ("name", "createdAt", "tags", "body"),
    "VehicleConnectivity": ("vin", "createdAt", "status", "connectionId", "networkInterface"),
}
