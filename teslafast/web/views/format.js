/**
 * Values as people read them.
 *
 * Law: every value of every field has one line of text, and units change nowhere else. Vehicles speak in miles, mph, °C and bar; what is shown depends on `units.metric`.
 */

import { browserStore } from "./storage.js";

const KEY = "teslafast.units";
const MILE_KM = 1.609344;
const BAR_PSI = 14.5038;
const inMiles = /^(?:en-(?:US|GB|LR)|my)/.test(navigator.language);

export const units = { metric: (browserStore.get(KEY) ?? (inMiles ? "mi" : "km")) === "km" };

export function chooseUnits(metric) {
  units.metric = metric;
  browserStore.set(KEY, metric ? "km" : "mi");
}

// What a quantity is shown in: [metric unit, factor, offset, decimals], [the other unit, factor, offset, decimals].
const QUANTITIES = {
  speed: [["km/h", MILE_KM, 0, 0], ["mph", 1, 0, 0]],
  distance: [["km", MILE_KM, 0, 0], ["mi", 1, 0, 0]],
  temperature: [["°C", 1, 0, 1], ["°F", 1.8, 32, 0]],
  pressure: [["bar", 1, 0, 2], ["psi", BAR_PSI, 0, 0]],
  percent: [["%", 1, 0, 0]],
  share: [["%", 1, 0, 1]],
  power: [["kW", 1, 0, 1]],
  energy: [["kWh", 1, 0, 1]],
  voltage: [["V", 1, 0, 1]],
  current: [["A", 1, 0, 1]],
  hours: [["h", 1, 0, 2]],
  minutes: [["min", 1, 0, 0]],
  degrees: [["°", 1, 0, 0]],
  acceleration: [["m/s²", 1, 0, 2]],
};

// Which quantity a field of the protocol is, by its name; the first that fits.
const FIELDS = [
  [/^(?:VehicleSpeed|CruiseSetSpeed|CurrentLimitMph|ChargeRateMilePerHour)$/, "speed"],
  [/^(?:Odometer|.*Range|MilesToArrival|.*MilesSinceReset)$/, "distance"],
  [/Temp(?:Max|Min)?(?:erature.*)?$|^(?:In|Out)sideTemp|TemperatureRequest$|^Di.*T[FR]$/, "temperature"],
  [/^TpmsPressure/, "pressure"],
  [/^(?:Soc|BatteryLevel|ExpectedEnergy.*|.*Percent(?:Complete)?)$/, "share"],
  [/^(?:ChargeLimitSoc|PedalPosition|BrakePedalPos)$/, "percent"],
  [/Power(?:KW)?$/, "power"],
  [/^(?:EnergyRemaining|LifetimeEnergy.*|.*ChargingEnergyIn)$/, "energy"],
  [/Voltage(?:Max|Min)?$|^Di.*VBat/, "voltage"],
  [/Current[A-Z]*$|Amps$|^ChargeCurrentRequest/, "current"],
  [/^(?:TimeToFullCharge|.*HoursTo.*|PowershareHoursLeft)$/, "hours"],
  [/Minutes/, "minutes"],
  [/^GpsHeading$/, "degrees"],
  [/Acceleration$/, "acceleration"],
];

// Words that the protocol puts in front of an enum's own.
const PREFIX = /^(?:ShiftState|DetailedChargeState|ChargeState|SentryModeState|TurnSignalState|BuckleStatus|CarType|ClimateKeeperModeState|DefrostModeState|HvacPowerState|HvacAutoModeState|CableType|FastCharger|WindowState|SpeedAssistLevel|MediaStatus|DisplayState|DistanceUnit|TemperatureUnit|PressureUnit|ChargeUnit|BMSState|HvilStatus|DriveInverterState|ScheduledChargingMode|ChargePortLatch|ChargePort|PowershareState|PowershareType|CabinOverheatProtectionModeState)(?=[A-Z0-9])/;

/** { value, unit, decimals } of a number of this quantity, in the units chosen. */
export function convert(quantity, number) {
  const shown = QUANTITIES[quantity];
  const [unit, factor, offset, decimals] = (!units.metric && shown[1]) || shown[0];
  return { value: number * factor + offset, unit, decimals };
}

/** `"43 km/h"` of 26.7 mph; "–" where there is no number. `digits`: decimals, if not those of the quantity. */
export function formatQuantity(name, number, digits = undefined) {
  if (typeof number !== "number") return "–";
  const { value, unit, decimals } = convert(name, number);
  return `${fixed(value, digits ?? decimals)}${/[%°]/.test(unit) && unit.length === 1 ? "" : " "}${unit}`;
}

/** A number with so many decimals and no sign before a zero; five digits and more in groups, with a space that no language takes for a point. */
export function fixed(number, decimals) {
  const text = (Math.abs(number) < 0.5 * 10 ** -decimals ? 0 : number).toFixed(decimals);
  return Math.abs(number) < 10_000 ? text : text.replace(/\B(?=(?:\d{3})+(?:\.|$))/, "\u202f");
}

const known = new Map();

/** The quantity that a field is; undefined if it is a plain number, or none. */
export function quantityOf(field) {
  if (!known.has(field)) known.set(field, FIELDS.find(([name]) => name.test(field))?.[1]);
  return known.get(field);
}

// Names of fields, and parts of them, that say little as they are.
const LABELS = { Soc: "State of charge", ChargeLimitSoc: "Charge limit" };
const PARTS = { Tpms: "tyre", Fl: "front left", Fr: "front right", Rl: "rear left", Rr: "rear right", Est: "estimated", Temp: "temperature", Di: "inverter", Num: "number of", Gps: "GPS", Hvac: "HVAC", Bms: "BMS" };

/** The name of a field in words: `"Vehicle speed"` of VehicleSpeed. */
export function fieldLabel(field) {
  if (Object.hasOwn(LABELS, field)) return LABELS[field];
  const parts = field.match(/[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]|\d+/g) ?? [field];
  const text = parts.map((part) => (Object.hasOwn(PARTS, part) && PARTS[part]) || (/^[A-Z]{2}/.test(part) ? part : part.toLowerCase())).join(" ");
  return text[0].toUpperCase() + text.slice(1);
}

/** The unit that a field is shown in; "" without one. */
export const unitOf = (field) => (quantityOf(field) ? convert(quantityOf(field), 0).unit : "");

/** An enum's member in words: `"No power"` of DetailedChargeStateNoPower. What is no enum's stays as it is. */
export function enumLabel(text) {
  if (!PREFIX.test(text)) return text;
  const [first, ...more] = text.replace(PREFIX, "").replace(/([a-z])(?=[A-Z0-9])/g, "$1 ").split(" ");
  return [first, ...more.map((word) => (/^[A-Z][a-z]/.test(word) ? word.toLowerCase() : word))].join(" ");
}

/** Any value of any field, in one line. */
export function formatValue(field, value) {
  if (value === null || value === undefined) return "–";
  switch (typeof value) {
    case "number":
      return quantityOf(field) ? formatQuantity(quantityOf(field), value) : String(Math.round(value * 1000) / 1000);
    case "boolean":
      return value ? "yes" : "no";
    case "string":
      return enumLabel(value);
    default:
      return structure(value);
  }
}

function structure(value) {
  if ("latitude" in value) return formatPlace(value, 5);
  const members = Object.entries(value);
  if (members.every(([, member]) => typeof member === "boolean")) return members.filter(([, on]) => on).map(([name]) => name).join(", ") || "none";
  if ("hour" in value) return [value.hour, value.minute, value.second].map((part) => String(part ?? 0).padStart(2, "0")).join(":");
  return members.map(([name, member]) => `${name} ${member}`).join(", ");
}

/** `37.442° N 122.143° W` */
export function formatPlace({ latitude, longitude }, decimals = 3) {
  const side = (number, plus, minus) => `${Math.abs(number).toFixed(decimals)}° ${number < 0 ? minus : plus}`;
  return `${side(latitude, "N", "S")}  ${side(longitude, "E", "W")}`;
}

/** How long ago, in one unit; "" if that is not known. */
export function formatAge(ms) {
  if (!Number.isFinite(ms)) return "";
  const s = Math.floor(ms / 1000);
  if (s < 2) return "now";
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return s < 86_400 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86_400)} d`;
}

/** How long ago, as the end of a sentence. */
export const formatAgo = (ms) => (formatAge(ms) === "now" ? "just now" : `${formatAge(ms)} ago`);

const hours = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const days = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** The time of day, with its day if that is not today's; "–" for NaN. */
export function formatTime(ms, now = Date.now()) {
  if (Number.isNaN(ms)) return "–";
  const far = days.format(ms) !== days.format(now);
  return far ? `${days.format(ms)} ${hours.format(ms)}` : hours.format(ms);
}

const minutes = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** The time of day without its seconds. */
export const formatMinute = (ms) => minutes.format(ms);

/** The day; "" if that is today's. */
export const formatDay = (ms, now = Date.now()) => (days.format(ms) === days.format(now) ? "" : days.format(ms));

/** How long something took: `"35 min"`, `"1 h 20 min"`. */
export function formatSpan(ms) {
  if (ms < 60_000) return `${Math.max(0, Math.round(ms / 1000))} s`;
  const [h, min] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60];
  return [h && `${h} h`, (min || !h) && `${min} min`].filter(Boolean).join(" ");
}

/** So many bytes: `"640 kB"`. */
export function formatBytes(bytes) {
  if (bytes < 1e6) return `${Math.round(bytes / 1000)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** Milliseconds as a delay: `12 ms`, `1.4 s`, `3 min`. */
export const formatDelay = (ms) => (Number.isNaN(ms) ? "–" : ms < 1000 ? `${Math.round(ms)} ms` : ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : formatAge(ms));
