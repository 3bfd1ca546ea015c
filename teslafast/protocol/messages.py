"""
The protocol's messages: which number holds what, of what type, under which JSON name.

Facts of Tesla's published schema, no code: the decoder builds its tables from these, the encoder walks them. A type is a scalar
(bool, int32, int64, float, double, string), an enum (`signals.ENUMS`) or another message of this table. VehicleMetrics is left
out: no topic carries it.
"""

from typing import NamedTuple


class FieldDescriptor(NamedTuple):
    number: int
    name: str  # protojson's spelling
    type: str
    repeated: bool = False


# An envelope's topic -> the kind of event it makes, and the message in its payload.
TOPIC_MESSAGES: dict[bytes, tuple[str, str]] = {
    b"V": ("data", "Payload"),
    b"alerts": ("alerts", "VehicleAlerts"),
    b"errors": ("errors", "VehicleErrors"),
    b"connectivity": ("connectivity", "VehicleConnectivity"),
}

# A Value is a oneof: at most one alternative at a time. 8 is deprecated, 10 says: nothing valid now. The
# numbers 20, 56, 58 and 59 are not in the published schema.
VALUE = (
    FieldDescriptor(1, "stringValue", "string"),
    FieldDescriptor(2, "intValue", "int32"),
    FieldDescriptor(3, "longValue", "int64"),
    FieldDescriptor(4, "floatValue", "float"),
    FieldDescriptor(5, "doubleValue", "double"),
    FieldDescriptor(6, "booleanValue", "bool"),
    FieldDescriptor(7, "locationValue", "LocationValue"),
    FieldDescriptor(8, "chargingValue", "ChargingState"),
    FieldDescriptor(9, "shiftStateValue", "ShiftState"),
    FieldDescriptor(10, "invalid", "bool"),
    FieldDescriptor(11, "laneAssistLevelValue", "LaneAssistLevel"),
    FieldDescriptor(12, "scheduledChargingModeValue", "ScheduledChargingModeValue"),
    FieldDescriptor(13, "sentryModeStateValue", "SentryModeState"),
    FieldDescriptor(14, "speedAssistLevelValue", "SpeedAssistLevel"),
    FieldDescriptor(15, "bmsStateValue", "BMSStateValue"),
    FieldDescriptor(16, "buckleStatusValue", "BuckleStatus"),
    FieldDescriptor(17, "carTypeValue", "CarTypeValue"),
    FieldDescriptor(18, "chargePortValue", "ChargePortValue"),
    FieldDescriptor(19, "chargePortLatchValue", "ChargePortLatchValue"),
    FieldDescriptor(21, "doorValue", "Doors"),
    FieldDescriptor(22, "driveInverterStateValue", "DriveInverterState"),
    FieldDescriptor(23, "hvilStatusValue", "HvilStatus"),
    FieldDescriptor(24, "windowStateValue", "WindowState"),
    FieldDescriptor(25, "seatFoldPositionValue", "SeatFoldPosition"),
    FieldDescriptor(26, "tractorAirStatusValue", "TractorAirStatus"),
    FieldDescriptor(27, "followDistanceValue", "FollowDistance"),
    FieldDescriptor(28, "forwardCollisionSensitivityValue", "ForwardCollisionSensitivity"),
    FieldDescriptor(29, "guestModeMobileAccessValue", "GuestModeMobileAccess"),
    FieldDescriptor(30, "trailerAirStatusValue", "TrailerAirStatus"),
    FieldDescriptor(31, "timeValue", "Time"),
    FieldDescriptor(32, "detailedChargeStateValue", "DetailedChargeStateValue"),
    FieldDescriptor(33, "hvacAutoModeValue", "HvacAutoModeState"),
    FieldDescriptor(34, "cabinOverheatProtectionModeValue", "CabinOverheatProtectionModeState"),
    FieldDescriptor(35, "cabinOverheatProtectionTemperatureLimitValue", "ClimateOverheatProtectionTempLimit"),
    FieldDescriptor(36, "defrostModeValue", "DefrostModeState"),
    FieldDescriptor(37, "climateKeeperModeValue", "ClimateKeeperModeState"),
    FieldDescriptor(38, "hvacPowerValue", "HvacPowerState"),
    FieldDescriptor(39, "tireLocationValue", "TireLocation"),
    FieldDescriptor(40, "fastChargerValue", "FastCharger"),
    FieldDescriptor(41, "cableTypeValue", "CableType"),
    FieldDescriptor(42, "tonneauTentModeValue", "TonneauTentModeState"),
    FieldDescriptor(43, "tonneauPositionValue", "TonneauPositionState"),
    FieldDescriptor(44, "powershareTypeValue", "PowershareTypeStatus"),
    FieldDescriptor(45, "powershareStateValue", "PowershareState"),
    FieldDescriptor(46, "powershareStopReasonValue", "PowershareStopReasonStatus"),
    FieldDescriptor(47, "displayStateValue", "DisplayState"),
    FieldDescriptor(48, "distanceUnitValue", "DistanceUnit"),
    FieldDescriptor(49, "temperatureUnitValue", "TemperatureUnit"),
    FieldDescriptor(50, "pressureUnitValue", "PressureUnit"),
    FieldDescriptor(51, "chargeUnitPreferenceValue", "ChargeUnitPreference"),
    FieldDescriptor(52, "turnSignalStateValue", "TurnSignalState"),
    FieldDescriptor(53, "mediaStatusValue", "MediaStatus"),
    FieldDescriptor(54, "sunroofInstalledStateValue", "SunroofInstalledState"),
    FieldDescriptor(55, "cabinPortKeepOnValue", "CabinPortKeepOnState"),
    FieldDescriptor(57, "powerTransferStatusValue", "PowerTransferStatusValue"),
    FieldDescriptor(60, "automaticEmergencyBrakingStateValue", "AutomaticEmergencyBrakingStateValue"),
)

TIRES = (
    "frontLeft frontRight rearLeft rearRight semiMiddleAxleLeft2 semiMiddleAxleRight2"
    " semiRearAxleLeft semiRearAxleRight semiRearAxleLeft2 semiRearAxleRight2"
)
DOORS = "DriverFront DriverRear PassengerFront PassengerRear TrunkFront TrunkRear"


def _alike(names: str, type_: str) -> tuple[FieldDescriptor, ...]:
    """A structure whose members are numbered from 1 and all of one type."""
    return tuple(FieldDescriptor(number, name, type_) for number, name in enumerate(names.split(), 1))


# Message -> its fields, in protojson's order.
MESSAGES: dict[str, tuple[FieldDescriptor, ...]] = {
    "Payload": (
        FieldDescriptor(1, "data", "Datum", repeated=True),
        FieldDescriptor(2, "createdAt", "Timestamp"),
        FieldDescriptor(3, "vin", "string"),
        FieldDescriptor(4, "isResend", "bool"),
    ),
    "Datum": (FieldDescriptor(1, "key", "Field"), FieldDescriptor(2, "value", "Value")),
    "Value": VALUE,
    "LocationValue": _alike("latitude longitude", "double"),
    "Doors": _alike(DOORS, "bool"),
    "TireLocation": _alike(TIRES, "bool"),
    "Time": _alike("hour minute second", "int32"),
    "Timestamp": (FieldDescriptor(1, "seconds", "int64"), FieldDescriptor(2, "nanos", "int32")),
    "VehicleAlerts": (
        FieldDescriptor(1, "alerts", "VehicleAlert", repeated=True),
        FieldDescriptor(2, "createdAt", "Timestamp"),
        FieldDescriptor(3, "vin", "string"),
    ),
    "VehicleAlert": (
        FieldDescriptor(1, "name", "string"),
        FieldDescriptor(2, "audiences", "Audience", repeated=True),
        FieldDescriptor(3, "startedAt", "Timestamp"),
        FieldDescriptor(4, "endedAt", "Timestamp"),
    ),
    "VehicleErrors": (
        FieldDescriptor(1, "errors", "VehicleError", repeated=True),
        FieldDescriptor(2, "createdAt", "Timestamp"),
        FieldDescriptor(3, "vin", "string"),
    ),
    "VehicleError": (
        FieldDescriptor(1, "createdAt", "Timestamp"),
        FieldDescriptor(2, "name", "string"),
        FieldDescriptor(3, "tags", "Tag", repeated=True),
        FieldDescriptor(4, "body", "string"),
    ),
    "Tag": _alike("key value", "string"),  # an entry of a map<string, string>
    "VehicleConnectivity": (
        FieldDescriptor(1, "vin", "string"),
        FieldDescriptor(2, "connectionId", "string"),
        FieldDescriptor(3, "status", "ConnectivityEvent"),
        FieldDescriptor(4, "createdAt", "Timestamp"),
        FieldDescriptor(5, "networkInterface", "string"),
    ),
}

# The order of keys in a flat event (docs/protocol.md, "Shapes"); a message that is not named here keeps protojson's.
FLAT_ORDER: dict[str, tuple[str, ...]] = {
    "Payload": ("vin", "createdAt", "data", "isResend"),
    "VehicleAlerts": ("vin", "createdAt", "alerts"),
    "VehicleAlert": ("name", "startedAt", "endedAt", "audiences"),
    "VehicleErrors": ("vin", "createdAt", "errors"),
    "VehicleError": ("name", "createdAt", "tags", "body"),
    "VehicleConnectivity": ("vin", "createdAt", "status", "connectionId", "networkInterface"),
}
