/**
 * Values of PostgreSQL as JSON, as Windmill gives them: whole numbers of 64 bits with all their digits, `numeric` as a number,
 * dates and times in ISO form, `bytea` in hex, `interval` as `1 months 2 days 3 ms` (microseconds), what JSON has no form for as text.
 *
 * @module
 */

/** Type number of an array to that of its items. */
const ITEMS: Readonly<Record<number, number>> = {
  1000: 16,
  1001: 17,
  1002: 18,
  1003: 19,
  1005: 21,
  1007: 23,
  1009: 25,
  1014: 1042,
  1015: 1043,
  1016: 20,
  1021: 700,
  1022: 701,
  1028: 26,
  1041: 869,
  1115: 1114,
  1182: 1082,
  1183: 1083,
  1185: 1184,
  1187: 1186,
  1231: 1700,
  1270: 1266,
  1561: 1560,
  199: 114,
  2951: 2950,
  3807: 3802,
};

/** What a result lost on its way to JSON. */
export interface Losses {
  /** A `numeric` had more digits than a number holds. */
  numeric: boolean;
}

/** A value as JSON text. */
export function cellText(text: string | null, oid: number, losses: Losses): string {
  if (text === null) return "null";
  switch (oid) {
    case 16:
      return text === "t" ? "true" : "false";
    case 20:
    case 21:
    case 23:
    case 26:
      return text;
    case 700:
      return numberText(text, Math.fround(Number(text)));
    case 701:
      return numberText(text, Number(text));
    case 1700:
      if (text.replace(/^[-0.]+|\.|0+$/g, "").length > 15) losses.numeric = true;
      return numberText(text, Number(text));
    case 114:
    case 3802:
      // Line feeds stand between its parts only: in strings they are escaped.
      return text.replace(/[\r\n]+/g, " ");
    case 1083:
      return JSON.stringify(fraction(text));
    case 1114:
      return JSON.stringify(fraction(text.replace(" ", "T")));
    case 1184:
      return JSON.stringify(instant(text));
    case 1186:
      return JSON.stringify(interval(text));
    case 1266:
      return JSON.stringify(timeInUtc(text));
    case 1560:
      return text.length === 1 ? `${text === "1"}` : JSON.stringify(text);
    case 2278:
      return "null";
  }
  const item = ITEMS[oid];
  return item === undefined ? JSON.stringify(text) : arrayText(text, item, losses);
}

function numberText(text: string, value: number): string {
  // NaN and the infinities, and what no double holds.
  return Number.isFinite(value) ? `${value}` : JSON.stringify(text);
}

/** Fractions of seconds come in 3, 6 or 9 digits. */
function fraction(text: string): string {
  return text.replace(/\.(\d+)/, (_, digits: string) => `.${digits.padEnd(Math.ceil(digits.length / 3) * 3, "0")}`);
}

function instant(text: string): string {
  const [, seconds = "", rest = "", zone = ""] = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d+)?([+-][\d:]+)$/.exec(text) ??
    [];
  const [, sign, hours = "", minutes = "00", extra = "0"] = /^([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?$/.exec(zone) ?? [];
  const at = Date.parse(`${seconds.replace(" ", "T")}Z`);
  // `infinity`, dates before Christ, and what another `datestyle` makes.
  if (Number.isNaN(at) || hours === "") return text;
  const offset = (Number(hours) * 3600 + Number(minutes) * 60 + Number(extra)) * (sign === "-" ? -1000 : 1000);
  return `${new Date(at - offset).toISOString().replace(/\.\d+Z$/, "")}${fraction(rest)}+00:00`;
}

function timeInUtc(text: string): string {
  const [, hour, minute, second, rest = "", sign, hours, minutes = "0"] =
    /^(\d\d):(\d\d):(\d\d)(\.\d+)?([+-])(\d\d)(?::(\d\d))?$/.exec(text) ?? [];
  if (hour === undefined) return text;
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? 1 : -1);
  const total = (Number(hour) * 60 + Number(minute) + offset + 2880) % 1440;
  const two = (value: number) => `${value}`.padStart(2, "0");
  return `${two(Math.floor(total / 60))}:${two(total % 60)}:${second}${fraction(rest)}+00:00`;
}

/** `1 year 2 mons -3 days +04:05:06.7` in months, days and microseconds. */
function interval(text: string): string {
  let months = 0, days = 0, micros = 0;
  const left = text.replace(/([+-]?\d+) (year|mon|day)s?/g, (_, count: string, unit: string) => {
    if (unit === "day") days += Number(count);
    else months += Number(count) * (unit === "year" ? 12 : 1);
    return "";
  }).replace(/([+-])?(\d+):(\d\d):(\d\d)(?:\.(\d+))?/, (_, sign: string, hours, minutes, seconds, part = "") => {
    const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
    micros = (whole * 1_000_000 + Number(part.padEnd(6, "0"))) * (sign === "-" ? -1 : 1);
    return "";
  });
  // Another `intervalstyle`.
  if (left.trim() !== "") return text;
  return `${months} months ${days} days ${micros} ms`;
}

/** `{1,NULL,{2}}` as an array. */
function arrayText(text: string, item: number, losses: Losses): string {
  // Brackets, commas, items in quotes and without; bounds, as in `[0:1]={1,2}`, come before the first bracket.
  const pieces = /[{},]|"((?:[^"\\]|\\[^])*)"|[^{},"]+/g;
  pieces.lastIndex = Math.max(text.indexOf("{"), 0);
  let made = "";
  for (let found = pieces.exec(text); found !== null; found = pieces.exec(text)) {
    const [piece, inner] = found;
    if (piece === "{") made += "[";
    else if (piece === "}") made += "]";
    else if (piece === ",") made += ",";
    else if (inner !== undefined) made += cellText(inner.replace(/\\([^])/g, "$1"), item, losses);
    else made += cellText(piece === "NULL" ? null : piece, item, losses);
  }
  return made;
}
