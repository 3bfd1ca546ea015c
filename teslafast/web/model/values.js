/**
 * What vehicles say, made into what the page can show: each value gets a type that its field can have, or is passed over.
 *
 * Law: everything that comes from a vehicle goes through here once, before the model has it. What leaves is null, a finite number,
 * a boolean, a text, or an object of those, and bounded: nothing that a vehicle sends can end the drawing or fill the memory.
 * Old firmware sends numbers and booleans as text: these become what they say, but in the fields that hold text.
 */

export const TEXT_MOST = 300; // characters of a text: more than a line of the page shows
export const FIELDS_MOST = 512; // of one vehicle: twice what the protocol has
const UNKNOWN_MOST = 64; // of them, those that the server has no name for, so that these leave room for the known
const NAME_MOST = 80; // characters of a name; the protocol's longest has 42
const MEMBERS_MOST = 32; // of a value that has parts: the largest has six
const ITEMS_MOST = 200; // alerts or errors of one message: more than anybody scrolls through

const DIGITS_MOST = 40; // characters of a number as text; a double has 24
const GREATEST = 1e20; // of a number: more than 64 bits hold, and its square is finite
const NUMBER = /^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?\s*$/i;
const FREE_TEXT = /(?:Name|Version|Title|Artist|Album|Station|Color|Line)$|^(?:Trim|CarType|WheelType|EfficiencyPackage)$/;
const UNKNOWN = /^Field_\d+$/;

// Left-to-right and right-to-left marks and overrides, and control characters: text that turns its neighbours round, or says one
// thing and is another.
const CONTROLS = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** A text in one line, as it may stand beside others. */
export function cleanText(text, most = TEXT_MOST) {
  const short = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return short.replace(CONTROLS, " ");
}

/** A text of a value that may be anything; "" for none. */
export function asText(value) {
  if (value === null || value === undefined) return "";
  return cleanText(typeof value === "object" ? JSON.stringify(value) : String(value));
}

/** A number, also from text; undefined if there is none. */
function number(value) {
  const found = typeof value === "string" && value.length <= DIGITS_MOST && NUMBER.test(value) ? Number(value) : value;
  return typeof found === "number" && Math.abs(found) <= GREATEST ? found : undefined;
}

/** A value that has parts, with parts that have none. */
function structure(value) {
  if ("latitude" in value || "longitude" in value) return place(value);
  const parts = Object.entries(value).slice(0, MEMBERS_MOST).map(([name, part]) => [cleanText(name, NAME_MOST), part !== null && typeof part === "object" ? asText(part) : any(part)]);
  return Object.fromEntries(parts.filter(([, part]) => part !== undefined));
}

function any(value) {
  if (value === null || typeof value === "boolean") return value;
  if (Array.isArray(value)) return asText(value);
  if (typeof value === "object") return structure(value);
  if (typeof value === "number") return number(value);
  if (typeof value !== "string") return undefined;
  if (/^(?:true|false)$/i.test(value)) return value.toLowerCase() === "true";
  return number(value) ?? (value === "<invalid>" ? null : cleanText(value));
}

/** A place on Earth; undefined if it is none. */
function place(value) {
  const latitude = number(value?.latitude);
  const longitude = number(value?.longitude);
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 ? { latitude, longitude } : undefined;
}

/** A member of an enum: its word, or its number where the schema has no word for it yet. */
const word = (value) => (typeof value === "string" || typeof value === "number" ? cleanText(String(value)) : undefined);

/** Which are open; old firmware names them in one text: `DriverFront|TrunkRear`. */
function doors(value) {
  if (typeof value === "string") return Object.fromEntries(cleanText(value).split("|").filter(Boolean).map((name) => [name, true]));
  return typeof value === "object" && !Array.isArray(value) ? structure(value) : undefined;
}

// The fields that the page computes with or draws in a form of their own, and what they must be; any other may be anything.
const KINDS = [
  [/^(?:VehicleSpeed|Soc|BatteryLevel|ChargeLimitSoc|(?:Est|Ideal)BatteryRange|RatedRange|EnergyRemaining|TimeToFullCharge)$/, number],
  [/^(?:Pack(?:Voltage|Current)|[AD]CChargingPower|(?:In|Out)sideTemp|Odometer|GpsHeading|TpmsPressure..)$/, number],
  [/^(?:Gear|ChargeState|DetailedChargeState)$/, word],
  [FREE_TEXT, word],
  [/^(?:Origin|Destination)?Location$/, place],
  [/^DoorState$/, doors],
];

const kinds = new Map(); // name → function, of the first names seen: to look in KINDS takes longer

function kindOf(name) {
  let kind = kinds.get(name);
  if (kind === undefined) {
    kind = KINDS.find(([names]) => names.test(name))?.[1] ?? any;
    if (kinds.size < FIELDS_MOST) kinds.set(name, kind);
  }
  return kind;
}

/** The value of a field, or undefined if it is none that the field can have. */
export function cleanValue(name, value) {
  if (value === null || value === "<invalid>") return null;
  return name.length > NAME_MOST ? undefined : kindOf(name)(value);
}

/** [name, value] of each field of a message that has a value it can have. */
export function* cleanFields(data) {
  for (const name in data) {
    const value = cleanValue(name, data[name]);
    if (value !== undefined) yield [name, value];
  }
}

/** Something of each field, by its name: bounded, and the names that the server does not know leave room for those that it does. */
export class FieldMap extends Map {
  #unknown = 0;

  /** Takes in a field that is not there yet; returns whether there was room. */
  add(name, what) {
    const unknown = UNKNOWN.test(name);
    if (this.size >= FIELDS_MOST || (unknown && this.#unknown >= UNKNOWN_MOST)) return false;
    this.#unknown += unknown;
    this.set(name, what);
    return true;
  }
}

/** Alerts or errors of an event, the last of them, each with a name: nothing else in them has to be there. */
export function cleanItems(items) {
  const those = Array.isArray(items) ? items.slice(-ITEMS_MOST) : [];
  return those.filter((item) => typeof item?.name === "string").map(({ name, endedAt, audiences, body, tags }) => ({
    name: cleanText(name, NAME_MOST),
    ended: Boolean(endedAt),
    audiences: Array.isArray(audiences) ? asText(audiences.slice(0, MEMBERS_MOST).join(", ")) : "",
    body: asText(body),
    tags: tags && typeof tags === "object" ? Object.entries(tags).slice(0, MEMBERS_MOST).map(([key, value]) => `${cleanText(key, NAME_MOST)} ${asText(value)}`) : [],
  }));
}
