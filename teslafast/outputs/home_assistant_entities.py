"""
Which fields Home Assistant shows, and as what: one row an entity.

    field     of the vehicle's data; `connectivity` is its connection
    platform  Home Assistant's: sensor, binary_sensor, device_tracker, update
    class     device class
    state     m measurement, ti total_increasing, ma measurement_angle
    unit      what vehicles send; whoever wants another one chooses it in Home Assistant
    digits    how many are shown after the point
    flags     d: diagnostic; +: enabled at once. What changes every second, and what few look at, is disabled by default
    reads     how a payload becomes a state: home_assistant.py
    icon      of Material Design Icons
    name      without the car's; empty = the car's own

Two things are never changed: a row keeps its `field` and what makes it differ from the field's other rows (class or part),
because they make the unique id that a user's history hangs on. A row that goes is taken out of Home Assistant by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from .mqtt_topics import snake_case

_TABLE = """
Soc | sensor | battery | m | % | 1 | + | number |  | Battery
BatteryLevel | sensor | battery | m | % | 1 | d | number |  | Battery including buffer
EnergyRemaining | sensor | energy_storage | m | kWh | 1 | d | number |  | Energy remaining
RatedRange | sensor | distance | m | mi | 0 | + | number | map-marker-distance | Rated range
EstBatteryRange | sensor | distance | m | mi | 0 |  | number | map-marker-distance | Estimated range
IdealBatteryRange | sensor | distance | m | mi | 0 |  | number | map-marker-distance | Ideal range
ChargeLimitSoc | sensor |  |  | % | 0 | + | number | battery-lock | Charge limit
DetailedChargeState | sensor | enum |  |  |  | + | names DetailedChargeState: disconnected nopower starting charging complete stopped calibrating | ev-station | Charging state
DetailedChargeState | binary_sensor | plug |  |  |  | + | on unless DetailedChargeStateDisconnected |  | Plugged in
DetailedChargeState | binary_sensor | battery_charging |  |  |  | + | on if DetailedChargeStateCharging DetailedChargeStateStarting |  | Charging
ACChargingPower | sensor | power | m | kW | 1 | + | number |  | AC charging power
DCChargingPower | sensor | power | m | kW | 1 | + | number |  | DC charging power
ACChargingEnergyIn | sensor | energy | ti | kWh | 2 | + | number |  | AC energy this charge
DCChargingEnergyIn | sensor | energy | ti | kWh | 2 | + | number |  | DC energy this charge
ChargerVoltage | sensor | voltage | m | V | 0 | d+ | number |  | Charger voltage
ChargeAmps | sensor | current | m | A | 0 | d+ | number |  | Charger current
ChargerPhases | sensor |  |  |  | 0 | d | number | sine-wave | Charger phases
ChargeCurrentRequest | sensor | current | m | A | 0 | d | number |  | Requested current
ChargeCurrentRequestMax | sensor | current | m | A | 0 | d | number |  | Requested current limit
ChargeRateMilePerHour | sensor | speed | m | mph | 0 | d | number |  | Charge rate
TimeToFullCharge | sensor | duration | m | h | 2 | + | number |  | Time to full charge
EstimatedHoursToChargeTermination | sensor | duration | m | h | 2 | d | number |  | Time to end of charge
FastChargerPresent | binary_sensor |  |  |  |  | d | boolean | ev-plug-tesla | Fast charger
FastChargerType | sensor | enum |  |  |  | d | names FastCharger: supercharger chademo gb acsinglewirecan combo mcsinglewirecan other sna | ev-plug-tesla | Fast charger type
ChargingCableType | sensor | enum |  |  |  | d | names CableType: iec sae gb_ac gb_dc sna | ev-plug-type2 | Charge cable
ChargePortDoorOpen | binary_sensor | opening |  |  |  | + | boolean | ev-plug-tesla | Charge port
ChargePortLatch | sensor | enum |  |  |  | d | names ChargePortLatch: sna disengaged engaged blocking | lock | Charge port latch
ChargePortColdWeatherMode | binary_sensor |  |  |  |  | d | boolean | snowflake | Charge port cold weather mode
BatteryHeaterOn | binary_sensor | heat |  |  |  | d | boolean |  | Battery heater
ScheduledChargingMode | sensor | enum |  |  |  | d | names ScheduledChargingMode: off startat departby | calendar-clock | Scheduled charging
ScheduledChargingPending | binary_sensor |  |  |  |  | d | boolean | calendar-clock | Scheduled charging pending
ScheduledDepartureTime | sensor |  |  |  |  | d | text | clock-start | Scheduled departure
PreconditioningEnabled | binary_sensor |  |  |  |  | d | boolean | hvac | Preconditioning
PackVoltage | sensor | voltage | m | V | 1 | d | number |  | Pack voltage
PackCurrent | sensor | current | m | A | 1 | d | number |  | Pack current
ModuleTempMax | sensor | temperature | m | °C | 1 | d | number |  | Battery module temperature, highest
ModuleTempMin | sensor | temperature | m | °C | 1 | d | number |  | Battery module temperature, lowest
BrickVoltageMax | sensor | voltage | m | V | 3 | d | number |  | Brick voltage, highest
BrickVoltageMin | sensor | voltage | m | V | 3 | d | number |  | Brick voltage, lowest
BMSState | sensor | enum |  |  |  | d | names BMSState: standby drive support charge feim clearfault fault weld test sna | battery-heart | Battery management
LifetimeEnergyUsed | sensor | energy | ti | kWh | 0 | d | number |  | Energy used, lifetime
LifetimeEnergyGainedRegen | sensor | energy | ti | kWh | 0 | d | number |  | Energy regenerated, lifetime
Location | device_tracker |  |  |  |  | + | position | car-electric |
VehicleSpeed | sensor | speed | m | mph | 0 |  | number |  | Speed
Gear | sensor | enum |  |  |  | + | names ShiftState: invalid p r n d sna | car-shift-pattern | Gear
Odometer | sensor | distance | ti | mi | 0 | d+ | number | counter | Odometer
GpsHeading | sensor |  | ma | ° | 0 | d | number | compass | Heading
GpsState | binary_sensor | connectivity |  |  |  | d | boolean |  | GPS
LocatedAtHome | binary_sensor | presence |  |  |  | + | boolean |  | At home
LocatedAtWork | binary_sensor | presence |  |  |  |  | boolean |  | At work
LocatedAtFavorite | binary_sensor | presence |  |  |  |  | boolean |  | At favourite
DestinationName | sensor |  |  |  |  | + | text | flag-checkered | Destination
DestinationLocation | device_tracker |  |  |  |  | d | position | flag-checkered | Destination location
MilesToArrival | sensor | distance | m | mi | 1 | + | number |  | Distance to arrival
MinutesToArrival | sensor | duration | m | min | 0 | + | number |  | Time to arrival
RouteTrafficMinutesDelay | sensor | duration | m | min | 0 |  | number | traffic-light | Traffic delay
ExpectedEnergyPercentAtTripArrival | sensor |  | m | % | 0 | + | number | battery-arrow-down | Battery at arrival
CruiseSetSpeed | sensor | speed | m | mph | 0 | d | number |  | Cruise speed
BrakePedal | binary_sensor |  |  |  |  | d | boolean | car-brake-alert | Brake pedal
PedalPosition | sensor |  | m | % | 0 | d | number | pan-down | Accelerator
LateralAcceleration | sensor |  | m | g | 2 | d | number | axis-x-arrow | Lateral acceleration
LongitudinalAcceleration | sensor |  | m | g | 2 | d | number | axis-y-arrow | Longitudinal acceleration
CurrentLimitMph | sensor | speed | m | mph | 0 | d | number |  | Speed limit mode, limit
SelfDrivingMilesSinceReset | sensor | distance | ti | mi | 0 | d | number |  | Self-driven distance since reset
MilesSinceReset | sensor | distance | ti | mi | 0 | d | number |  | Distance since reset
InsideTemp | sensor | temperature | m | °C | 1 | + | number |  | Inside temperature
OutsideTemp | sensor | temperature | m | °C | 1 | + | number |  | Outside temperature
HvacPower | sensor | enum |  |  |  | + | names HvacPowerState: off on precondition overheatprotect | hvac | Climate
HvacLeftTemperatureRequest | sensor | temperature | m | °C | 1 | d | number |  | Left set temperature
HvacRightTemperatureRequest | sensor | temperature | m | °C | 1 | d | number |  | Right set temperature
HvacFanStatus | sensor |  | m |  | 0 | d | number | fan | Fan
ClimateKeeperMode | sensor | enum |  |  |  |  | names ClimateKeeperModeState: off on dog party | dog-side | Climate keeper
DefrostMode | sensor | enum |  |  |  |  | names DefrostModeState: off normal max autodefog | car-defrost-front | Defrost
RearDefrostEnabled | binary_sensor | heat |  |  |  | d | boolean |  | Rear defrost
CabinOverheatProtectionMode | sensor | enum |  |  |  | d | names CabinOverheatProtectionModeState: off on fanonly | sun-thermometer | Cabin overheat protection
SeatHeaterLeft | sensor |  |  |  | 0 | d | number | car-seat-heater | Left seat heater
SeatHeaterRight | sensor |  |  |  | 0 | d | number | car-seat-heater | Right seat heater
HvacSteeringWheelHeatLevel | sensor |  |  |  | 0 | d | number | steering | Steering wheel heater
Locked | binary_sensor | lock |  |  |  | + | on if false |  | Lock
DoorState | binary_sensor | door |  |  |  | + | part DriverFront |  | Driver's door
DoorState | binary_sensor | door |  |  |  | + | part PassengerFront |  | Passenger's door
DoorState | binary_sensor | door |  |  |  | + | part DriverRear |  | Rear door, driver's side
DoorState | binary_sensor | door |  |  |  | + | part PassengerRear |  | Rear door, passenger's side
DoorState | binary_sensor | opening |  |  |  | + | part TrunkFront |  | Frunk
DoorState | binary_sensor | opening |  |  |  | + | part TrunkRear |  | Trunk
FdWindow | binary_sensor | window |  |  |  | + | on unless WindowStateClosed |  | Driver's window
FpWindow | binary_sensor | window |  |  |  | + | on unless WindowStateClosed |  | Passenger's window
RdWindow | binary_sensor | window |  |  |  | + | on unless WindowStateClosed |  | Rear window, driver's side
RpWindow | binary_sensor | window |  |  |  | + | on unless WindowStateClosed |  | Rear window, passenger's side
SentryMode | sensor | enum |  |  |  | + | names SentryModeState: off idle armed aware panic quiet | shield-car | Sentry
ValetModeEnabled | binary_sensor |  |  |  |  | d | boolean | account-tie | Valet mode
GuestModeEnabled | binary_sensor |  |  |  |  | d | boolean | account-question | Guest mode
ServiceMode | binary_sensor |  |  |  |  | d | boolean | wrench | Service mode
DriverSeatBelt | binary_sensor | safety |  |  |  | d | on unless BuckleStatusLatched | seatbelt | Driver's belt
DriverSeatOccupied | binary_sensor | occupancy |  |  |  | + | boolean |  | Driver's seat
HomelinkNearby | binary_sensor |  |  |  |  | d | boolean | garage | Homelink nearby
CenterDisplay | sensor | enum |  |  |  | d | names DisplayState: off dim accessory on driving charging lock sentry dog entertainment | monitor | Centre display
LightsHazardsActive | binary_sensor |  |  |  |  | d | boolean | hazard-lights | Hazard lights
TonneauOpenPercent | sensor |  | m | % | 0 | d | number | car-pickup | Tonneau
TpmsPressureFl | sensor | pressure | m | bar | 2 | d+ | number | car-tire-alert | Tyre pressure, front left
TpmsPressureFr | sensor | pressure | m | bar | 2 | d+ | number | car-tire-alert | Tyre pressure, front right
TpmsPressureRl | sensor | pressure | m | bar | 2 | d+ | number | car-tire-alert | Tyre pressure, rear left
TpmsPressureRr | sensor | pressure | m | bar | 2 | d+ | number | car-tire-alert | Tyre pressure, rear right
TpmsHardWarnings | binary_sensor | problem |  |  |  | d+ | any | car-tire-alert | Tyre pressure
Version | sensor |  |  |  |  | d+ | text | car-info | Software
Version | update |  |  |  |  | + | text |  | Software update
SoftwareUpdateDownloadPercentComplete | sensor |  | m | % | 0 | d | number | download | Update download
SoftwareUpdateInstallationPercentComplete | sensor |  | m | % | 0 | d | number | progress-wrench | Update installation
connectivity | binary_sensor | connectivity |  |  |  | d+ | connected |  | Streaming
"""  # noqa: E501

STATE_CLASSES = {"m": "measurement", "ti": "total_increasing", "ma": "measurement_angle"}
NOISE = 0.1  # of the last digit that is shown: a smaller change is not worth a message, see mqtt_pace.py


@dataclass(frozen=True, slots=True)
class Entity:
    """A row. `key`: its name among those of one vehicle, for ever."""

    key: str
    field: str
    platform: str
    device_class: str
    state_class: str
    unit: str
    digits: int | None
    diagnostic: bool
    enabled: bool
    reads: str
    icon: str
    name: str


def _entities() -> tuple[Entity, ...]:
    found: dict[str, Entity] = {}
    for line in _TABLE.strip().splitlines():
        field, platform, device_class, state, unit, digits, flags, reads, icon, name = (cell.strip() for cell in line.split("|"))
        key = snake_case(field)
        if reads.startswith("part "):
            key += f"_{snake_case(reads.removeprefix('part '))}"
        elif key in found:
            key += f"_{device_class or platform}"
        found[key] = Entity(
            key=key,
            field=field,
            platform=platform,
            device_class=device_class,
            state_class=STATE_CLASSES.get(state, ""),
            unit=unit,
            digits=int(digits) if digits else None,
            diagnostic="d" in flags,
            enabled="+" in flags,
            reads=reads,
            icon=icon,
            name=name,
        )
    return tuple(found.values())


ENTITIES = _entities()
THRESHOLDS = {
    entity.field: NOISE * 10.0**-entity.digits for entity in ENTITIES if entity.digits is not None and entity.reads == "number"
}
