"""
Which type each field of the protocol has in a database: one for ever, whatever a vehicle sends.

Vehicles do not keep to one type: firmware from before August 2025 sends text for a number, and an enum comes as a number where
this schema knows no name for it. A database that fixed a column's type with the first value would refuse the others. So the type
goes by the field's name alone. An enum is text. Structures are not here: their members are fields of their own
(field_values.py).
"""

from __future__ import annotations

_NUMBERS = """
    VehicleSpeed Odometer PackVoltage PackCurrent Soc IsolationResistance PedalPosition DiHeatsinkTR DiAxleSpeedR
    DiTorquemotor DiStatorTempR DiVBatR DiMotorCurrentR GpsHeading NumBrickVoltageMax BrickVoltageMax NumBrickVoltageMin
    BrickVoltageMin NumModuleTempMax ModuleTempMax NumModuleTempMin ModuleTempMin RatedRange DCChargingEnergyIn
    DCChargingPower ACChargingEnergyIn ACChargingPower ChargeLimitSoc EstBatteryRange IdealBatteryRange BatteryLevel
    TimeToFullCharge ChargeAmps ChargerPhases ChargeCurrentRequest ChargeCurrentRequestMax CurrentLimitMph TpmsPressureFl
    TpmsPressureFr TpmsPressureRl TpmsPressureRr SemitruckTpmsPressureRe1L0 SemitruckTpmsPressureRe1L1
    SemitruckTpmsPressureRe1R0 SemitruckTpmsPressureRe1R1 SemitruckTpmsPressureRe2L0 SemitruckTpmsPressureRe2L1
    SemitruckTpmsPressureRe2R0 SemitruckTpmsPressureRe2R1 InsideTemp OutsideTemp SeatHeaterLeft SeatHeaterRight
    SeatHeaterRearLeft SeatHeaterRearRight SeatHeaterRearCenter LateralAcceleration LongitudinalAcceleration
    CruiseSetSpeed LifetimeEnergyUsed LifetimeEnergyUsedDrive BrakePedalPos RouteLastUpdated MilesToArrival
    MinutesToArrival PairedPhoneKeyAndKeyFobQty LifetimeEnergyGainedRegen DiHeatsinkTF DiHeatsinkTREL DiHeatsinkTRER
    DiAxleSpeedF DiAxleSpeedREL DiAxleSpeedRER DiSlaveTorqueCmd DiTorqueActualR DiTorqueActualF DiTorqueActualREL
    DiTorqueActualRER DiStatorTempF DiStatorTempREL DiStatorTempRER DiVBatF DiVBatREL DiVBatRER DiMotorCurrentF
    DiMotorCurrentREL DiMotorCurrentRER EnergyRemaining DiInverterTR DiInverterTF DiInverterTREL DiInverterTRER
    ChargerVoltage EstimatedHoursToChargeTermination ExpectedEnergyPercentAtTripArrival HomelinkDeviceCount HvacFanSpeed
    HvacFanStatus HvacLeftTemperatureRequest HvacRightTemperatureRequest HvacSteeringWheelHeatLevel PowershareHoursLeft
    PowershareInstantaneousPowerKW RouteTrafficMinutesDelay SoftwareUpdateDownloadPercentComplete
    SoftwareUpdateExpectedDurationMinutes SoftwareUpdateInstallationPercentComplete SoftwareUpdateScheduledStartTime
    TonneauOpenPercent ClimateSeatCoolingFrontLeft ClimateSeatCoolingFrontRight MediaAudioVolume MediaNowPlayingDuration
    MediaNowPlayingElapsed MediaAudioVolumeIncrement MediaAudioVolumeMax ChargeRateMilePerHour MilesSinceReset
    SelfDrivingMilesSinceReset GpsAccuracyMeters LifetimeEnergyChargedKwh BrickSocMinPercent NominalFullPackEnergyKwh
    GradeEstimatePercent MaxSpeedToReachDestinationMph SemiCruiseSpeedLimitMph LifetimeDcChargeEnergyKwh SemiVehicleMassKg
"""
_BOOLEANS = """
    DriveRail BmsFullchargecomplete DCDCEnable BrakePedal GpsState FastChargerPresent ScheduledChargingPending
    PreconditioningEnabled ChargeEnableRequest ChargePortColdWeatherMode BatteryHeaterOn NotEnoughPowerToHeat
    SuperchargerSessionTripPlanner Locked SpeedLimitMode AutoSeatClimateLeft AutoSeatClimateRight DriverSeatOccupied
    GuestModeEnabled PinToDriveEnabled AutomaticBlindSpotCamera BlindSpotCollisionWarningChime
    EmergencyLaneDepartureAvoidance AutomaticEmergencyBrakingOff ServiceMode ChargePortDoorOpen DefrostForPreconditioning
    EuropeVehicle HomelinkNearby HvacACEnabled HvacSteeringWheelHeatAuto OffroadLightbarPresent RearDisplayHvacEnabled
    RemoteStartEnabled RightHandDrive ValetModeEnabled WiperHeatEnabled LocatedAtHome LocatedAtWork LocatedAtFavorite
    Setting24HourTime LightsHazardsActive LightsHighBeams SeatVentEnabled RearDefrostEnabled SoftwareUpdateAvailable
    SoftwareUpdateInProgress RemoteStartActive
"""
_TEXTS = """
    ChargeState Gear DiStateR Hvil ScheduledChargingStartTime ScheduledDepartureTime ScheduledChargingMode FdWindow
    FpWindow RdWindow RpWindow VehicleName SentryMode Version TpmsLastSeenPressureTimeFl TpmsLastSeenPressureTimeFr
    TpmsLastSeenPressureTimeRl TpmsLastSeenPressureTimeRr DriverSeatBelt PassengerSeatBelt
    SemitruckPassengerSeatFoldPosition SemitruckTractorParkBrakeStatus SemitruckTrailerParkBrakeStatus RouteLine CarType
    Trim ExteriorColor RoofColor ChargePort ChargePortLatch CruiseFollowDistance SpeedLimitWarning ForwardCollisionWarning
    LaneDepartureAvoidance DiStateF DiStateREL DiStateRER BMSState GuestModeMobileAccessState DestinationName
    DetailedChargeState CabinOverheatProtectionMode CabinOverheatProtectionTemperatureLimit CenterDisplay
    ChargingCableType ClimateKeeperMode DefrostMode EfficiencyPackage FastChargerType HvacAutoMode HvacPower
    PowershareStatus PowershareStopReason PowershareType RearSeatHeaters SoftwareUpdateVersion TonneauPosition
    TonneauTentMode WheelType SettingDistanceUnit SettingTemperatureUnit SettingTirePressureUnit SettingChargeUnit
    LightsTurnSignal MediaPlaybackStatus MediaPlaybackSource MediaNowPlayingArtist MediaNowPlayingTitle
    MediaNowPlayingAlbum MediaNowPlayingStation SunroofInstalled Cabin12vPortKeepOn Cabin48vPortKeepOn PowerTransferStatus
    AutomaticEmergencyBrakingState
"""

NUMBERS = frozenset(_NUMBERS.split())
BOOLEANS = frozenset(_BOOLEANS.split())
TEXTS = frozenset(_TEXTS.split())
