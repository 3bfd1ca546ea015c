/**
 * The messages of teslafast's /stream (docs/stream.md). The names of fields and enums are Tesla's.
 * A value of a type other than the expected one is possible: firmware changes.
 */

// generated: enums
export type Audience = "Unknown" | "Customer" | "Service" | "ServiceFix" | number;
export type ChargingState = "ChargeStateUnknown" | "ChargeStateDisconnected" | "ChargeStateNoPower" | "ChargeStateStarting" | "ChargeStateCharging" | "ChargeStateComplete" | "ChargeStateStopped" | number;
export type DetailedChargeStateValue = "DetailedChargeStateUnknown" | "DetailedChargeStateDisconnected" | "DetailedChargeStateNoPower" | "DetailedChargeStateStarting" | "DetailedChargeStateCharging" | "DetailedChargeStateComplete" | "DetailedChargeStateStopped" | "DetailedChargeStateCalibrating" | number;
export type ShiftState = "ShiftStateUnknown" | "ShiftStateInvalid" | "ShiftStateP" | "ShiftStateR" | "ShiftStateN" | "ShiftStateD" | "ShiftStateSNA" | number;
export type FollowDistance = "FollowDistanceUnknown" | "FollowDistance1" | "FollowDistance2" | "FollowDistance3" | "FollowDistance4" | "FollowDistance5" | "FollowDistance6" | "FollowDistance7" | number;
export type ForwardCollisionSensitivity = "ForwardCollisionSensitivityUnknown" | "ForwardCollisionSensitivityOff" | "ForwardCollisionSensitivityLate" | "ForwardCollisionSensitivityAverage" | "ForwardCollisionSensitivityEarly" | number;
export type GuestModeMobileAccess = "GuestModeMobileAccessUnknown" | "GuestModeMobileAccessInit" | "GuestModeMobileAccessNotAuthenticated" | "GuestModeMobileAccessAuthenticated" | "GuestModeMobileAccessAbortedDriving" | "GuestModeMobileAccessAbortedUsingRemoteStart" | "GuestModeMobileAccessAbortedUsingBLEKeys" | "GuestModeMobileAccessAbortedValetMode" | "GuestModeMobileAccessAbortedGuestModeOff" | "GuestModeMobileAccessAbortedDriveAuthTimeExceeded" | "GuestModeMobileAccessAbortedNoDataReceived" | "GuestModeMobileAccessRequestingFromMothership" | "GuestModeMobileAccessRequestingFromAuthD" | "GuestModeMobileAccessAbortedFetchFailed" | "GuestModeMobileAccessAbortedBadDataReceived" | "GuestModeMobileAccessShowingQRCode" | "GuestModeMobileAccessSwipedAway" | "GuestModeMobileAccessDismissedQRCodeExpired" | "GuestModeMobileAccessSucceededPairedNewBLEKey" | number;
export type LaneAssistLevel = "LaneAssistLevelUnknown" | "LaneAssistLevelNone" | "LaneAssistLevelWarning" | "LaneAssistLevelAssist" | number;
export type ScheduledChargingModeValue = "ScheduledChargingModeUnknown" | "ScheduledChargingModeOff" | "ScheduledChargingModeStartAt" | "ScheduledChargingModeDepartBy" | number;
export type SentryModeState = "SentryModeStateUnknown" | "SentryModeStateOff" | "SentryModeStateIdle" | "SentryModeStateArmed" | "SentryModeStateAware" | "SentryModeStatePanic" | "SentryModeStateQuiet" | number;
export type SpeedAssistLevel = "SpeedAssistLevelUnknown" | "SpeedAssistLevelNone" | "SpeedAssistLevelDisplay" | "SpeedAssistLevelChime" | number;
export type BMSStateValue = "BMSStateUnknown" | "BMSStateStandby" | "BMSStateDrive" | "BMSStateSupport" | "BMSStateCharge" | "BMSStateFEIM" | "BMSStateClearFault" | "BMSStateFault" | "BMSStateWeld" | "BMSStateTest" | "BMSStateSNA" | number;
export type BuckleStatus = "BuckleStatusUnknown" | "BuckleStatusUnlatched" | "BuckleStatusLatched" | "BuckleStatusFaulted" | "BuckleStatusSNA" | number;
export type CarTypeValue = "CarTypeUnknown" | "CarTypeModelS" | "CarTypeModelX" | "CarTypeModel3" | "CarTypeModelY" | "CarTypeSemiTruck" | "CarTypeCybertruck" | "CarTypeSemiTruckV2" | "CarTypeCybercab" | number;
export type ChargePortValue = "ChargePortUnknown" | "ChargePortUS" | "ChargePortEU" | "ChargePortGB" | "ChargePortCCS" | number;
export type ChargePortLatchValue = "ChargePortLatchUnknown" | "ChargePortLatchSNA" | "ChargePortLatchDisengaged" | "ChargePortLatchEngaged" | "ChargePortLatchBlocking" | number;
export type DriveInverterState = "DriveInverterStateUnknown" | "DriveInverterStateUnavailable" | "DriveInverterStateStandby" | "DriveInverterStateFault" | "DriveInverterStateAbort" | "DriveInverterStateEnable" | number;
export type HvilStatus = "HvilStatusUnknown" | "HvilStatusFault" | "HvilStatusOK" | number;
export type WindowState = "WindowStateUnknown" | "WindowStateClosed" | "WindowStatePartiallyOpen" | "WindowStateOpened" | number;
export type SeatFoldPosition = "SeatFoldPositionUnknown" | "SeatFoldPositionSNA" | "SeatFoldPositionFaulted" | "SeatFoldPositionNotConfigured" | "SeatFoldPositionFolded" | "SeatFoldPositionUnfolded" | number;
export type TractorAirStatus = "TractorAirStatusUnknown" | "TractorAirStatusNotAvailable" | "TractorAirStatusError" | "TractorAirStatusCharged" | "TractorAirStatusBuildingPressureIntermediate" | "TractorAirStatusExhaustingPressureIntermediate" | "TractorAirStatusExhausted" | number;
export type TrailerAirStatus = "TrailerAirStatusUnknown" | "TrailerAirStatusSNA" | "TrailerAirStatusInvalid" | "TrailerAirStatusBobtailMode" | "TrailerAirStatusCharged" | "TrailerAirStatusBuildingPressureIntermediate" | "TrailerAirStatusExhaustingPressureIntermediate" | "TrailerAirStatusExhausted" | number;
export type HvacAutoModeState = "HvacAutoModeStateUnknown" | "HvacAutoModeStateOn" | "HvacAutoModeStateOverride" | number;
export type CabinOverheatProtectionModeState = "CabinOverheatProtectionModeStateUnknown" | "CabinOverheatProtectionModeStateOff" | "CabinOverheatProtectionModeStateOn" | "CabinOverheatProtectionModeStateFanOnly" | number;
export type ClimateOverheatProtectionTempLimit = "ClimateOverheatProtectionTempLimitUnknown" | "ClimateOverheatProtectionTempLimitHigh" | "ClimateOverheatProtectionTempLimitMedium" | "ClimateOverheatProtectionTempLimitLow" | number;
export type DefrostModeState = "DefrostModeStateUnknown" | "DefrostModeStateOff" | "DefrostModeStateNormal" | "DefrostModeStateMax" | "DefrostModeStateAutoDefog" | number;
export type ClimateKeeperModeState = "ClimateKeeperModeStateUnknown" | "ClimateKeeperModeStateOff" | "ClimateKeeperModeStateOn" | "ClimateKeeperModeStateDog" | "ClimateKeeperModeStateParty" | number;
export type HvacPowerState = "HvacPowerStateUnknown" | "HvacPowerStateOff" | "HvacPowerStateOn" | "HvacPowerStatePrecondition" | "HvacPowerStateOverheatProtect" | number;
export type FastCharger = "FastChargerUnknown" | "FastChargerSupercharger" | "FastChargerCHAdeMO" | "FastChargerGB" | "FastChargerACSingleWireCAN" | "FastChargerCombo" | "FastChargerMCSingleWireCAN" | "FastChargerOther" | "FastChargerSNA" | number;
export type CableType = "CableTypeUnknown" | "CableTypeIEC" | "CableTypeSAE" | "CableTypeGB_AC" | "CableTypeGB_DC" | "CableTypeSNA" | number;
export type TonneauTentModeState = "TonneauTentModeStateUnknown" | "TonneauTentModeStateInactive" | "TonneauTentModeStateMoving" | "TonneauTentModeStateFailed" | "TonneauTentModeStateActive" | number;
export type TonneauPositionState = "TonneauPositionStateUnknown" | "TonneauPositionStateInvalid" | "TonneauPositionStateClosed" | "TonneauPositionStatePartiallyOpen" | "TonneauPositionStateFullyOpen" | number;
export type PowershareState = "PowershareStateUnknown" | "PowershareStateInactive" | "PowershareStateHandshaking" | "PowershareStateInit" | "PowershareStateEnabled" | "PowershareStateEnabledReconnectingSoon" | "PowershareStateStopped" | number;
export type PowershareStopReasonStatus = "PowershareStopReasonStatusUnknown" | "PowershareStopReasonStatusNone" | "PowershareStopReasonStatusSOCTooLow" | "PowershareStopReasonStatusRetry" | "PowershareStopReasonStatusFault" | "PowershareStopReasonStatusUser" | "PowershareStopReasonStatusReconnecting" | "PowershareStopReasonStatusAuthentication" | number;
export type PowershareTypeStatus = "PowershareTypeStatusUnknown" | "PowershareTypeStatusNone" | "PowershareTypeStatusLoad" | "PowershareTypeStatusHome" | number;
export type DisplayState = "DisplayStateUnknown" | "DisplayStateOff" | "DisplayStateDim" | "DisplayStateAccessory" | "DisplayStateOn" | "DisplayStateDriving" | "DisplayStateCharging" | "DisplayStateLock" | "DisplayStateSentry" | "DisplayStateDog" | "DisplayStateEntertainment" | number;
export type DistanceUnit = "DistanceUnitUnknown" | "DistanceUnitMiles" | "DistanceUnitKilometers" | number;
export type TemperatureUnit = "TemperatureUnitUnknown" | "TemperatureUnitFahrenheit" | "TemperatureUnitCelsius" | number;
export type PressureUnit = "PressureUnitUnknown" | "PressureUnitPsi" | "PressureUnitBar" | number;
export type ChargeUnitPreference = "ChargeUnitUnknown" | "ChargeUnitDistance" | "ChargeUnitPercent" | number;
export type SunroofInstalledState = "SunroofInstalledStateUnknown" | "SunroofInstalledStateNotInstalled" | "SunroofInstalledStateGen1Installed" | "SunroofInstalledStateGen2Installed" | number;
export type TurnSignalState = "TurnSignalStateUnknown" | "TurnSignalStateOff" | "TurnSignalStateLeft" | "TurnSignalStateRight" | "TurnSignalStateBoth" | number;
export type MediaStatus = "MediaStatusUnknown" | "MediaStatusStopped" | "MediaStatusPlaying" | "MediaStatusPaused" | number;
export type CabinPortKeepOnState = "CabinPortKeepOnStateUnknown" | "CabinPortKeepOnStateOff" | "CabinPortKeepOnStateOn" | number;
export type PowerTransferStatusValue = "PowerTransferStatusUnknown" | "PowerTransferStatusStandby" | "PowerTransferStatusFaulted" | "PowerTransferStatusEmergencyShutdown" | "PowerTransferStatusExtEvseTestAllowed" | "PowerTransferStatusExtPrechargeAllowed" | "PowerTransferStatusChargeEnabling" | "PowerTransferStatusChargeEnabled" | "PowerTransferStatusGracefulShutdown" | "PowerTransferStatusBlocked" | number;
export type AutomaticEmergencyBrakingStateValue = "AutomaticEmergencyBrakingStateUnknown" | "AutomaticEmergencyBrakingStateUnavailable" | "AutomaticEmergencyBrakingStateStandby" | "AutomaticEmergencyBrakingStateEnabled" | "AutomaticEmergencyBrakingStateStandstill" | number;
// end of enums

export interface Location { latitude: number; longitude: number }
export interface TimeOfDay { hour: number; minute: number; second: number }
export type Doors = Record<string, boolean>;
export type Tyres = Record<string, boolean>;
/** A field that this version does not know: `Field_300`. */
export type Value = number | string | boolean | null | Location | TimeOfDay | Doors | Tyres;

/** Only the fields that changed; null: the vehicle has no valid value just now. */
export interface Fields {
  // generated: fields
  DriveRail?: boolean | null;
  ChargeState?: string | null;
  BmsFullchargecomplete?: boolean | null;
  VehicleSpeed?: number | null;  // mph
  Odometer?: number | null;  // mi
  PackVoltage?: number | null;  // V
  PackCurrent?: number | null;  // A
  Soc?: number | null;  // %
  DCDCEnable?: boolean | null;
  Gear?: ShiftState | null;
  IsolationResistance?: number | null;
  PedalPosition?: number | null;  // %
  BrakePedal?: boolean | null;
  DiStateR?: DriveInverterState | null;
  DiHeatsinkTR?: number | null;  // °C
  DiAxleSpeedR?: number | null;  // rad/s
  DiTorquemotor?: number | null;  // Nm
  DiStatorTempR?: number | null;  // °C
  DiVBatR?: number | null;  // V
  DiMotorCurrentR?: number | null;  // A
  Location?: Location | null;
  GpsState?: boolean | null;
  GpsHeading?: number | null;  // °
  NumBrickVoltageMax?: number | null;
  BrickVoltageMax?: number | null;  // V
  NumBrickVoltageMin?: number | null;
  BrickVoltageMin?: number | null;  // V
  NumModuleTempMax?: number | null;
  ModuleTempMax?: number | null;  // °C
  NumModuleTempMin?: number | null;
  ModuleTempMin?: number | null;  // °C
  RatedRange?: number | null;  // mi
  Hvil?: HvilStatus | null;
  DCChargingEnergyIn?: number | null;  // kWh
  DCChargingPower?: number | null;  // kW
  ACChargingEnergyIn?: number | null;  // kWh
  ACChargingPower?: number | null;  // kW
  ChargeLimitSoc?: number | null;  // %
  FastChargerPresent?: boolean | null;
  EstBatteryRange?: number | null;  // mi
  IdealBatteryRange?: number | null;  // mi
  BatteryLevel?: number | null;  // %
  TimeToFullCharge?: number | null;  // h
  ScheduledChargingStartTime?: string | null;
  ScheduledChargingPending?: boolean | null;
  ScheduledDepartureTime?: TimeOfDay | null;
  PreconditioningEnabled?: boolean | null;
  ScheduledChargingMode?: ScheduledChargingModeValue | null;
  ChargeAmps?: number | null;  // A
  ChargeEnableRequest?: boolean | null;
  ChargerPhases?: number | null;
  ChargePortColdWeatherMode?: boolean | null;
  ChargeCurrentRequest?: number | null;  // A
  ChargeCurrentRequestMax?: number | null;  // A
  BatteryHeaterOn?: boolean | null;
  NotEnoughPowerToHeat?: boolean | null;
  SuperchargerSessionTripPlanner?: boolean | null;
  DoorState?: Doors | null;
  Locked?: boolean | null;
  FdWindow?: WindowState | null;
  FpWindow?: WindowState | null;
  RdWindow?: WindowState | null;
  RpWindow?: WindowState | null;
  VehicleName?: string | null;
  SentryMode?: SentryModeState | null;
  SpeedLimitMode?: boolean | null;
  CurrentLimitMph?: number | null;  // mph
  Version?: string | null;
  TpmsPressureFl?: number | null;  // bar
  TpmsPressureFr?: number | null;  // bar
  TpmsPressureRl?: number | null;  // bar
  TpmsPressureRr?: number | null;  // bar
  SemitruckTpmsPressureRe1L0?: number | null;
  SemitruckTpmsPressureRe1L1?: number | null;
  SemitruckTpmsPressureRe1R0?: number | null;
  SemitruckTpmsPressureRe1R1?: number | null;
  SemitruckTpmsPressureRe2L0?: number | null;
  SemitruckTpmsPressureRe2L1?: number | null;
  SemitruckTpmsPressureRe2R0?: number | null;
  SemitruckTpmsPressureRe2R1?: number | null;
  TpmsLastSeenPressureTimeFl?: string | null;
  TpmsLastSeenPressureTimeFr?: string | null;
  TpmsLastSeenPressureTimeRl?: string | null;
  TpmsLastSeenPressureTimeRr?: string | null;
  InsideTemp?: number | null;  // °C
  OutsideTemp?: number | null;  // °C
  SeatHeaterLeft?: number | null;
  SeatHeaterRight?: number | null;
  SeatHeaterRearLeft?: number | null;
  SeatHeaterRearRight?: number | null;
  SeatHeaterRearCenter?: number | null;
  AutoSeatClimateLeft?: boolean | null;
  AutoSeatClimateRight?: boolean | null;
  DriverSeatBelt?: BuckleStatus | null;
  PassengerSeatBelt?: BuckleStatus | null;
  DriverSeatOccupied?: boolean | null;
  SemitruckPassengerSeatFoldPosition?: SeatFoldPosition | null;
  LateralAcceleration?: number | null;  // g
  LongitudinalAcceleration?: number | null;  // g
  CruiseSetSpeed?: number | null;  // mph
  LifetimeEnergyUsed?: number | null;  // kWh
  LifetimeEnergyUsedDrive?: number | null;  // kWh
  SemitruckTractorParkBrakeStatus?: TractorAirStatus | null;
  SemitruckTrailerParkBrakeStatus?: TrailerAirStatus | null;
  BrakePedalPos?: number | null;
  RouteLastUpdated?: number | null;
  RouteLine?: string | null;
  MilesToArrival?: number | null;  // mi
  MinutesToArrival?: number | null;  // min
  OriginLocation?: Location | null;
  DestinationLocation?: Location | null;
  CarType?: CarTypeValue | null;
  Trim?: string | null;
  ExteriorColor?: string | null;
  RoofColor?: string | null;
  ChargePort?: ChargePortValue | null;
  ChargePortLatch?: ChargePortLatchValue | null;
  GuestModeEnabled?: boolean | null;
  PinToDriveEnabled?: boolean | null;
  PairedPhoneKeyAndKeyFobQty?: number | null;
  CruiseFollowDistance?: FollowDistance | null;
  AutomaticBlindSpotCamera?: boolean | null;
  BlindSpotCollisionWarningChime?: boolean | null;
  SpeedLimitWarning?: SpeedAssistLevel | null;
  ForwardCollisionWarning?: ForwardCollisionSensitivity | null;
  LaneDepartureAvoidance?: LaneAssistLevel | null;
  EmergencyLaneDepartureAvoidance?: boolean | null;
  AutomaticEmergencyBrakingOff?: boolean | null;
  LifetimeEnergyGainedRegen?: number | null;  // kWh
  DiStateF?: DriveInverterState | null;
  DiStateREL?: DriveInverterState | null;
  DiStateRER?: DriveInverterState | null;
  DiHeatsinkTF?: number | null;  // °C
  DiHeatsinkTREL?: number | null;  // °C
  DiHeatsinkTRER?: number | null;  // °C
  DiAxleSpeedF?: number | null;  // rad/s
  DiAxleSpeedREL?: number | null;  // rad/s
  DiAxleSpeedRER?: number | null;  // rad/s
  DiSlaveTorqueCmd?: number | null;  // Nm
  DiTorqueActualR?: number | null;  // Nm
  DiTorqueActualF?: number | null;  // Nm
  DiTorqueActualREL?: number | null;  // Nm
  DiTorqueActualRER?: number | null;  // Nm
  DiStatorTempF?: number | null;  // °C
  DiStatorTempREL?: number | null;  // °C
  DiStatorTempRER?: number | null;  // °C
  DiVBatF?: number | null;  // V
  DiVBatREL?: number | null;  // V
  DiVBatRER?: number | null;  // V
  DiMotorCurrentF?: number | null;  // A
  DiMotorCurrentREL?: number | null;  // A
  DiMotorCurrentRER?: number | null;  // A
  EnergyRemaining?: number | null;  // kWh
  ServiceMode?: boolean | null;
  BMSState?: BMSStateValue | null;
  GuestModeMobileAccessState?: GuestModeMobileAccess | null;
  DestinationName?: string | null;
  DiInverterTR?: number | null;  // °C
  DiInverterTF?: number | null;  // °C
  DiInverterTREL?: number | null;  // °C
  DiInverterTRER?: number | null;  // °C
  DetailedChargeState?: DetailedChargeStateValue | null;
  CabinOverheatProtectionMode?: CabinOverheatProtectionModeState | null;
  CabinOverheatProtectionTemperatureLimit?: ClimateOverheatProtectionTempLimit | null;
  CenterDisplay?: DisplayState | null;
  ChargePortDoorOpen?: boolean | null;
  ChargerVoltage?: number | null;  // V
  ChargingCableType?: CableType | null;
  ClimateKeeperMode?: ClimateKeeperModeState | null;
  DefrostForPreconditioning?: boolean | null;
  DefrostMode?: DefrostModeState | null;
  EfficiencyPackage?: string | null;
  EstimatedHoursToChargeTermination?: number | null;  // h
  EuropeVehicle?: boolean | null;
  ExpectedEnergyPercentAtTripArrival?: number | null;  // %
  FastChargerType?: FastCharger | null;
  HomelinkDeviceCount?: number | null;
  HomelinkNearby?: boolean | null;
  HvacACEnabled?: boolean | null;
  HvacAutoMode?: HvacAutoModeState | null;
  HvacFanSpeed?: number | null;
  HvacFanStatus?: number | null;
  HvacLeftTemperatureRequest?: number | null;  // °C
  HvacPower?: HvacPowerState | null;
  HvacRightTemperatureRequest?: number | null;  // °C
  HvacSteeringWheelHeatAuto?: boolean | null;
  HvacSteeringWheelHeatLevel?: number | null;
  OffroadLightbarPresent?: boolean | null;
  PowershareHoursLeft?: number | null;
  PowershareInstantaneousPowerKW?: number | null;
  PowershareStatus?: PowershareState | null;
  PowershareStopReason?: PowershareStopReasonStatus | null;
  PowershareType?: PowershareTypeStatus | null;
  RearDisplayHvacEnabled?: boolean | null;
  RearSeatHeaters?: string | null;
  RemoteStartEnabled?: boolean | null;
  RightHandDrive?: boolean | null;
  RouteTrafficMinutesDelay?: number | null;  // min
  SoftwareUpdateDownloadPercentComplete?: number | null;  // %
  SoftwareUpdateExpectedDurationMinutes?: number | null;
  SoftwareUpdateInstallationPercentComplete?: number | null;  // %
  SoftwareUpdateScheduledStartTime?: number | null;
  SoftwareUpdateVersion?: string | null;
  TonneauOpenPercent?: number | null;  // %
  TonneauPosition?: TonneauPositionState | null;
  TonneauTentMode?: TonneauTentModeState | null;
  TpmsHardWarnings?: Tyres | null;
  TpmsSoftWarnings?: Tyres | null;
  ValetModeEnabled?: boolean | null;
  WheelType?: string | null;
  WiperHeatEnabled?: boolean | null;
  LocatedAtHome?: boolean | null;
  LocatedAtWork?: boolean | null;
  LocatedAtFavorite?: boolean | null;
  SettingDistanceUnit?: DistanceUnit | null;
  SettingTemperatureUnit?: TemperatureUnit | null;
  Setting24HourTime?: boolean | null;
  SettingTirePressureUnit?: PressureUnit | null;
  SettingChargeUnit?: ChargeUnitPreference | null;
  ClimateSeatCoolingFrontLeft?: number | null;
  ClimateSeatCoolingFrontRight?: number | null;
  LightsHazardsActive?: boolean | null;
  LightsTurnSignal?: TurnSignalState | null;
  LightsHighBeams?: boolean | null;
  MediaPlaybackStatus?: MediaStatus | null;
  MediaPlaybackSource?: string | null;
  MediaAudioVolume?: number | null;
  MediaNowPlayingDuration?: number | null;
  MediaNowPlayingElapsed?: number | null;
  MediaNowPlayingArtist?: string | null;
  MediaNowPlayingTitle?: string | null;
  MediaNowPlayingAlbum?: string | null;
  MediaNowPlayingStation?: string | null;
  MediaAudioVolumeIncrement?: number | null;
  MediaAudioVolumeMax?: number | null;
  SunroofInstalled?: SunroofInstalledState | null;
  SeatVentEnabled?: boolean | null;
  RearDefrostEnabled?: boolean | null;
  ChargeRateMilePerHour?: number | null;  // mph
  MilesSinceReset?: number | null;  // mi
  SelfDrivingMilesSinceReset?: number | null;  // mi
  GpsAccuracyMeters?: number | null;  // m
  LifetimeEnergyChargedKwh?: number | null;  // kWh
  BrickSocMinPercent?: number | null;  // %
  NominalFullPackEnergyKwh?: number | null;  // kWh
  GradeEstimatePercent?: number | null;  // %
  MaxSpeedToReachDestinationMph?: number | null;  // mph
  SoftwareUpdateAvailable?: boolean | null;
  SoftwareUpdateInProgress?: boolean | null;
  RemoteStartActive?: boolean | null;
  SemiCruiseSpeedLimitMph?: number | null;  // mph
  Cabin12vPortKeepOn?: CabinPortKeepOnState | null;
  Cabin48vPortKeepOn?: CabinPortKeepOnState | null;
  AccessoryRail?: Value | null;
  PowerTransferStatus?: PowerTransferStatusValue | null;
  AutomaticEmergencyBrakingState?: AutomaticEmergencyBrakingStateValue | null;
  RollingResistanceCoefficient?: Value | null;
  LifetimeDcChargeEnergyKwh?: number | null;  // kWh
  SemiVehicleMassKg?: number | null;  // kg
  // end of fields
  [unknown: `Field_${number}`]: Value;
}

/** RFC 3339, UTC, milliseconds: "2026-11-23T08:00:00.123Z"; null where the vehicle gave no time. */
export type Time = string;
export type Kind = "data" | "alerts" | "errors" | "connectivity";

// From the server

export interface Hello { type: "hello"; epoch: string; seq: number; oldest: number; server: string }
export interface Snapshot { type: "snapshot"; seq: number; vin: string; createdAt: Time; isCache: true; data: Fields }
export interface Data { type: "data"; seq: number; vin: string; createdAt: Time | null; data: Fields; isResend: boolean }
export interface Alert { name: string; startedAt: Time | null; endedAt: Time | null; audiences: (Audience | number)[] }
export interface Alerts { type: "alerts"; seq: number; vin: string; createdAt: Time | null; alerts: Alert[] }
export interface VehicleError { name: string; createdAt: Time | null; tags: Record<string, string>; body: string }
export interface Errors { type: "errors"; seq: number; vin: string; createdAt: Time | null; errors: VehicleError[] }
export interface Connectivity {
  type: "connectivity";
  seq: number;
  vin: string;
  createdAt: Time | null;
  status: "CONNECTED" | "DISCONNECTED" | "UNKNOWN" | number;
  connectionId: string;
  networkInterface: string;
}
/** Events from … to, both included, are lost for you. */
export interface Gap { type: "gap"; from: number; to: number }
export interface TokenExpiring { type: "token_expiring"; exp: number }

// Answers to what you send

export interface Authorized { type: "auth"; exp: number }
export interface Subscribed { type: "subscribed"; vins: string[] | null; types: Kind[] | null }
export interface Pong { type: "pong" }
export interface Refused { type: "error"; reason: string }

export type Event = Data | Alerts | Errors | Connectivity;
export type Message = Hello | Snapshot | Event | Gap | TokenExpiring | Authorized | Subscribed | Pong | Refused;

// To the server

export interface Auth { type: "auth"; token: string }
export interface Subscribe { type: "subscribe"; vins?: string[] | null; types?: Kind[] | null }
export interface Ping { type: "ping" }
export type Request = Auth | Subscribe | Ping;
