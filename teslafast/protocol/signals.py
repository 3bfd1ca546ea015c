"""
The protocol's names: what a vehicle sends as a number, dashboards see as a word.

Facts of Tesla's published schema (vehicle_data.proto, vehicle_alert.proto, vehicle_connectivity.proto), no code. Every enum is
dense from 0, so a tuple is its whole table: the number is the index. A number past the end is a newer firmware's and stays one.
"""


def _named(prefix: str, words: str) -> tuple[str, ...]:
    """The enum's full names, in the order of their numbers: the schema repeats the prefix before every word."""
    return tuple(prefix + word for word in words.split())


# Datum.key: number -> signal. Fields from 179 (DetailedChargeState) on are always typed; below, older firmware sends text.
FIELDS = _named(
    "",
    """
    Unknown DriveRail ChargeState BmsFullchargecomplete VehicleSpeed Odometer PackVoltage PackCurrent Soc DCDCEnable Gear
    IsolationResistance PedalPosition BrakePedal DiStateR DiHeatsinkTR DiAxleSpeedR DiTorquemotor DiStatorTempR DiVBatR
    DiMotorCurrentR Location GpsState GpsHeading NumBrickVoltageMax BrickVoltageMax NumBrickVoltageMin BrickVoltageMin
    NumModuleTempMax ModuleTempMax NumModuleTempMin ModuleTempMin RatedRange Hvil DCChargingEnergyIn DCChargingPower
    ACChargingEnergyIn ACChargingPower ChargeLimitSoc FastChargerPresent EstBatteryRange IdealBatteryRange BatteryLevel
    TimeToFullCharge ScheduledChargingStartTime ScheduledChargingPending ScheduledDepartureTime PreconditioningEnabled
    ScheduledChargingMode ChargeAmps ChargeEnableRequest ChargerPhases ChargePortColdWeatherMode ChargeCurrentRequest
    ChargeCurrentRequestMax BatteryHeaterOn NotEnoughPowerToHeat SuperchargerSessionTripPlanner DoorState Locked FdWindow
    FpWindow RdWindow RpWindow VehicleName SentryMode SpeedLimitMode CurrentLimitMph Version TpmsPressureFl TpmsPressureFr
    TpmsPressureRl TpmsPressureRr SemitruckTpmsPressureRe1L0 SemitruckTpmsPressureRe1L1 SemitruckTpmsPressureRe1R0
    SemitruckTpmsPressureRe1R1 SemitruckTpmsPressureRe2L0 SemitruckTpmsPressureRe2L1 SemitruckTpmsPressureRe2R0
    SemitruckTpmsPressureRe2R1 TpmsLastSeenPressureTimeFl TpmsLastSeenPressureTimeFr TpmsLastSeenPressureTimeRl
    TpmsLastSeenPressureTimeRr InsideTemp OutsideTemp SeatHeaterLeft SeatHeaterRight SeatHeaterRearLeft SeatHeaterRearRight
    SeatHeaterRearCenter AutoSeatClimateLeft AutoSeatClimateRight DriverSeatBelt PassengerSeatBelt DriverSeatOccupied
    SemitruckPassengerSeatFoldPosition LateralAcceleration LongitudinalAcceleration Deprecated_2 CruiseSetSpeed
    LifetimeEnergyUsed LifetimeEnergyUsedDrive SemitruckTractorParkBrakeStatus SemitruckTrailerParkBrakeStatus BrakePedalPos
    RouteLastUpdated RouteLine MilesToArrival MinutesToArrival OriginLocation DestinationLocation CarType Trim ExteriorColor
    RoofColor ChargePort ChargePortLatch Experimental_1 Experimental_2 Experimental_3 Experimental_4 GuestModeEnabled
    PinToDriveEnabled PairedPhoneKeyAndKeyFobQty CruiseFollowDistance AutomaticBlindSpotCamera BlindSpotCollisionWarningChime
    SpeedLimitWarning ForwardCollisionWarning LaneDepartureAvoidance EmergencyLaneDepartureAvoidance
    AutomaticEmergencyBrakingOff LifetimeEnergyGainedRegen DiStateF DiStateREL DiStateRER DiHeatsinkTF DiHeatsinkTREL
    DiHeatsinkTRER DiAxleSpeedF DiAxleSpeedREL DiAxleSpeedRER DiSlaveTorqueCmd DiTorqueActualR DiTorqueActualF DiTorqueActualREL
    DiTorqueActualRER DiStatorTempF DiStatorTempREL DiStatorTempRER DiVBatF DiVBatREL DiVBatRER DiMotorCurrentF
    DiMotorCurrentREL DiMotorCurrentRER EnergyRemaining ServiceMode BMSState GuestModeMobileAccessState Deprecated_1
    DestinationName DiInverterTR DiInverterTF DiInverterTREL DiInverterTRER Experimental_5 Experimental_6 Experimental_7
    Experimental_8 Experimental_9 Experimental_10 Experimental_11 Experimental_12 Experimental_13 Experimental_14
    Experimental_15 DetailedChargeState CabinOverheatProtectionMode CabinOverheatProtectionTemperatureLimit CenterDisplay
    ChargePortDoorOpen ChargerVoltage ChargingCableType ClimateKeeperMode DefrostForPreconditioning DefrostMode
    EfficiencyPackage EstimatedHoursToChargeTermination EuropeVehicle ExpectedEnergyPercentAtTripArrival FastChargerType
    HomelinkDeviceCount HomelinkNearby HvacACEnabled HvacAutoMode HvacFanSpeed HvacFanStatus HvacLeftTemperatureRequest
    HvacPower HvacRightTemperatureRequest HvacSteeringWheelHeatAuto HvacSteeringWheelHeatLevel OffroadLightbarPresent
    PowershareHoursLeft PowershareInstantaneousPowerKW PowershareStatus PowershareStopReason PowershareType
    RearDisplayHvacEnabled RearSeatHeaters RemoteStartEnabled RightHandDrive RouteTrafficMinutesDelay
    SoftwareUpdateDownloadPercentComplete SoftwareUpdateExpectedDurationMinutes SoftwareUpdateInstallationPercentComplete
    SoftwareUpdateScheduledStartTime SoftwareUpdateVersion TonneauOpenPercent TonneauPosition TonneauTentMode TpmsHardWarnings
    TpmsSoftWarnings ValetModeEnabled WheelType WiperHeatEnabled LocatedAtHome LocatedAtWork LocatedAtFavorite
    SettingDistanceUnit SettingTemperatureUnit Setting24HourTime SettingTirePressureUnit SettingChargeUnit
    ClimateSeatCoolingFrontLeft ClimateSeatCoolingFrontRight LightsHazardsActive LightsTurnSignal LightsHighBeams
    MediaPlaybackStatus MediaPlaybackSource MediaAudioVolume MediaNowPlayingDuration MediaNowPlayingElapsed
    MediaNowPlayingArtist MediaNowPlayingTitle MediaNowPlayingAlbum MediaNowPlayingStation MediaAudioVolumeIncrement
    MediaAudioVolumeMax SunroofInstalled SeatVentEnabled RearDefrostEnabled ChargeRateMilePerHour Deprecated_3 MilesSinceReset
    SelfDrivingMilesSinceReset GpsAccuracyMeters LifetimeEnergyChargedKwh BrickSocMinPercent NominalFullPackEnergyKwh
    GradeEstimatePercent MaxSpeedToReachDestinationMph SoftwareUpdateAvailable SoftwareUpdateInProgress RemoteStartActive
    SemiCruiseSpeedLimitMph Cabin12vPortKeepOn Cabin48vPortKeepOn AccessoryRail PowerTransferStatus
    AutomaticEmergencyBrakingState RollingResistanceCoefficient LifetimeDcChargeEnergyKwh SemiVehicleMassKg
    """,
)

# Enum (by its name in the schema) -> names, the number being the index.
ENUMS: dict[str, tuple[str, ...]] = {
    "Field": FIELDS,
    "Audience": _named("", "Unknown Customer Service ServiceFix"),
    "ConnectivityEvent": _named("", "UNKNOWN CONNECTED DISCONNECTED"),
    "ChargingState": _named("ChargeState", "Unknown Disconnected NoPower Starting Charging Complete Stopped"),
    "DetailedChargeStateValue": _named(
        "DetailedChargeState", "Unknown Disconnected NoPower Starting Charging Complete Stopped Calibrating"
    ),
    "ShiftState": _named("ShiftState", "Unknown Invalid P R N D SNA"),
    "FollowDistance": _named("FollowDistance", "Unknown 1 2 3 4 5 6 7"),
    "ForwardCollisionSensitivity": _named("ForwardCollisionSensitivity", "Unknown Off Late Average Early"),
    "GuestModeMobileAccess": _named(
        "GuestModeMobileAccess",
        "Unknown Init NotAuthenticated Authenticated AbortedDriving AbortedUsingRemoteStart AbortedUsingBLEKeys "
        "AbortedValetMode AbortedGuestModeOff AbortedDriveAuthTimeExceeded AbortedNoDataReceived RequestingFromMothership "
        "RequestingFromAuthD AbortedFetchFailed AbortedBadDataReceived ShowingQRCode SwipedAway DismissedQRCodeExpired "
        "SucceededPairedNewBLEKey",
    ),
    "LaneAssistLevel": _named("LaneAssistLevel", "Unknown None Warning Assist"),
    "ScheduledChargingModeValue": _named("ScheduledChargingMode", "Unknown Off StartAt DepartBy"),
    "SentryModeState": _named("SentryModeState", "Unknown Off Idle Armed Aware Panic Quiet"),
    "SpeedAssistLevel": _named("SpeedAssistLevel", "Unknown None Display Chime"),
    "BMSStateValue": _named("BMSState", "Unknown Standby Drive Support Charge FEIM ClearFault Fault Weld Test SNA"),
    "BuckleStatus": _named("BuckleStatus", "Unknown Unlatched Latched Faulted SNA"),
    "CarTypeValue": _named("CarType", "Unknown ModelS ModelX Model3 ModelY SemiTruck Cybertruck SemiTruckV2 Cybercab"),
    "ChargePortValue": _named("ChargePort", "Unknown US EU GB CCS"),
    "ChargePortLatchValue": _named("ChargePortLatch", "Unknown SNA Disengaged Engaged Blocking"),
    "DriveInverterState": _named("DriveInverterState", "Unknown Unavailable Standby Fault Abort Enable"),
    "HvilStatus": _named("HvilStatus", "Unknown Fault OK"),
    "WindowState": _named("WindowState", "Unknown Closed PartiallyOpen Opened"),
    "SeatFoldPosition": _named("SeatFoldPosition", "Unknown SNA Faulted NotConfigured Folded Unfolded"),
    "TractorAirStatus": _named(
        "TractorAirStatus",
        "Unknown NotAvailable Error Charged BuildingPressureIntermediate ExhaustingPressureIntermediate Exhausted",
    ),
    "TrailerAirStatus": _named(
        "TrailerAirStatus",
        "Unknown SNA Invalid BobtailMode Charged BuildingPressureIntermediate ExhaustingPressureIntermediate Exhausted",
    ),
    "HvacAutoModeState": _named("HvacAutoModeState", "Unknown On Override"),
    "CabinOverheatProtectionModeState": _named("CabinOverheatProtectionModeState", "Unknown Off On FanOnly"),
    "ClimateOverheatProtectionTempLimit": _named("ClimateOverheatProtectionTempLimit", "Unknown High Medium Low"),
    "DefrostModeState": _named("DefrostModeState", "Unknown Off Normal Max AutoDefog"),
    "ClimateKeeperModeState": _named("ClimateKeeperModeState", "Unknown Off On Dog Party"),
    "HvacPowerState": _named("HvacPowerState", "Unknown Off On Precondition OverheatProtect"),
    "FastCharger": _named("FastCharger", "Unknown Supercharger CHAdeMO GB ACSingleWireCAN Combo MCSingleWireCAN Other SNA"),
    "CableType": _named("CableType", "Unknown IEC SAE GB_AC GB_DC SNA"),
    "TonneauTentModeState": _named("TonneauTentModeState", "Unknown Inactive Moving Failed Active"),
    "TonneauPositionState": _named("TonneauPositionState", "Unknown Invalid Closed PartiallyOpen FullyOpen"),
    "PowershareState": _named("PowershareState", "Unknown Inactive Handshaking Init Enabled EnabledReconnectingSoon Stopped"),
    "PowershareStopReasonStatus": _named(
        "PowershareStopReasonStatus",
        "Unknown None SOCTooLow Retry Fault User Reconnecting Authentication",
    ),
    "PowershareTypeStatus": _named("PowershareTypeStatus", "Unknown None Load Home"),
    "DisplayState": _named("DisplayState", "Unknown Off Dim Accessory On Driving Charging Lock Sentry Dog Entertainment"),
    "DistanceUnit": _named("DistanceUnit", "Unknown Miles Kilometers"),
    "TemperatureUnit": _named("TemperatureUnit", "Unknown Fahrenheit Celsius"),
    "PressureUnit": _named("PressureUnit", "Unknown Psi Bar"),
    "ChargeUnitPreference": _named("ChargeUnit", "Unknown Distance Percent"),
    "SunroofInstalledState": _named("SunroofInstalledState", "Unknown NotInstalled Gen1Installed Gen2Installed"),
    "TurnSignalState": _named("TurnSignalState", "Unknown Off Left Right Both"),
    "MediaStatus": _named("MediaStatus", "Unknown Stopped Playing Paused"),
    "CabinPortKeepOnState": _named("CabinPortKeepOnState", "Unknown Off On"),
    "PowerTransferStatusValue": _named(
        "PowerTransferStatus",
        "Unknown Standby Faulted EmergencyShutdown ExtEvseTestAllowed ExtPrechargeAllowed ChargeEnabling ChargeEnabled "
        "GracefulShutdown Blocked",
    ),
    "AutomaticEmergencyBrakingStateValue": _named(
        "AutomaticEmergencyBrakingState", "Unknown Unavailable Standby Enabled Standstill"
    ),
}
