/**
 * A year of Seattle's weather, month by month, with a confidence interval for each figure, published once somebody agrees.
 */
import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
// Windmill recognises a workflow by this import; locally it leads to Windkit as well.
import "windmill-client";
import { parallel, sleep, step, task, taskInfo, waitForApproval, workflow } from "@windkit/windmill-client";

interface Day {
  date: string;
  precipitation: number;
  tempMax: number;
  tempMin: number;
  wind: number;
  weather: string;
}

interface Finding {
  line: number;
  problem: string;
  text: string;
}

interface Interval {
  estimate: number;
  low: number;
  high: number;
}

interface MonthSummary {
  month: string;
  days: number;
  rainyDays: number;
  precipitation: Interval;
  medianHigh: Interval;
  medianLow: Interval;
}

const HEADER = "date,precipitation,temp_max,temp_min,wind,weather";
const WEATHER = ["drizzle", "fog", "rain", "snow", "sun"];
const RESAMPLES = 10_000;

/** Attempt 1 reads the local mirror, which is fresher where there is one; attempt 2 reads the copy that npm installed. */
const load_days = task(async (year: number, mirror: string, data: string) => {
  const { attempt } = taskInfo();
  const source = attempt === 1 ? mirror : data;
  const text = await readText(source === "" ? installedCopy() : source);
  return { source: source === "" ? "npm:vega-datasets" : source, ...readDays(text, year) };
}, { retry: { attempts: 1 } });

/** The figures of one month. Seeded by the month, so the same data gives the same intervals. */
const summarize_month = task(async (month: string, days: Day[]): Promise<MonthSummary> => {
  const { signal } = taskInfo();
  const random = randomNumbers(Number(month.replace("-", "")));
  const estimate = (value: (day: Day) => number, statistic: (values: number[]) => number): Promise<Interval> =>
    bootstrap(days.map(value), statistic, random, signal);
  return {
    month,
    days: days.length,
    rainyDays: days.filter((day) => day.precipitation > 0).length,
    precipitation: await estimate((day) => day.precipitation, sum),
    medianHigh: await estimate((day) => day.tempMax, median),
    medianLow: await estimate((day) => day.tempMin, median),
  };
}, { timeout: 60, retry: { attempts: 2, delay: 1 } });

export const main = workflow(async (year: number, mirror: string = "mirror/seattle-weather.csv", data: string = "") => {
  const loaded = await load_days(year, mirror, data);
  if (loaded.days.length === 0) throw new Error(`No usable day of ${year} in ${loaded.source}`);

  const { id, at } = await step("report_id", () => ({ id: crypto.randomUUID(), at: new Date().toISOString() }));

  const months = Map.groupBy(loaded.days, (day) => day.date.slice(0, 7));
  const summaries = await parallel([...months], ([month, days]) => summarize_month(month, days), { concurrency: 4 });

  await sleep(1); // time to withdraw a report before anybody is asked about it

  const decision = await waitForApproval({
    key: "publish",
    timeout: 7 * 24 * 3600,
    description: `Publish the weather report of ${year}?`,
    form: { type: "object", properties: { note: { type: "string" } } },
  });

  return {
    id,
    at,
    year,
    source: loaded.source,
    days: loaded.days.length,
    rejected: loaded.rejected,
    doubtful: loaded.doubtful,
    warmest: best(summaries, (month) => month.medianHigh.estimate),
    wettest: best(summaries, (month) => month.precipitation.estimate),
    months: summaries,
    published: decision.approved,
    decidedBy: decision.approver,
    note: decision.value,
  };
});

function installedCopy(): string {
  const entry = createRequire(import.meta.url).resolve("vega-datasets");
  return join(dirname(entry), "../data/seattle-weather.csv");
}

async function readText(source: string): Promise<string> {
  if (!/^https?:/.test(source)) return await readFile(source, "utf8");
  const response = await fetch(source, { signal: taskInfo().signal });
  if (!response.ok) throw new Error(`GET ${source} gave status ${response.status}`);
  return await response.text();
}

/** Rows of the year. What cannot be used is rejected, what is odd is kept: both are reported by line. */
function readDays(text: string, year: number): { days: Day[]; rejected: Finding[]; doubtful: Finding[] } {
  const [header, ...rows] = text.replaceAll("\r", "").trimEnd().split("\n");
  if (header !== HEADER) throw new Error(`Line 1 should be "${HEADER}": it is "${header}"`);
  const days: Day[] = [];
  const rejected: Finding[] = [];
  const doubtful: Finding[] = [];
  const seen = new Set<string>();
  rows.forEach((row, i) => {
    const line = i + 2;
    const fields = row.split(",");
    const [date = "", precipitation, tempMax, tempMin, wind] = fields;
    // A row whose date cannot be read may be of any year.
    if (isDate(date) && !date.startsWith(`${year}-`)) return;
    const day: Day = {
      date,
      precipitation: toNumber(precipitation),
      tempMax: toNumber(tempMax),
      tempMin: toNumber(tempMin),
      wind: toNumber(wind),
      weather: fields[5] ?? "",
    };
    const problem = fields.length === 6 ? problemOf(day, seen) : `has ${fields.length} fields, not 6`;
    if (problem !== undefined) {
      rejected.push({ line, problem, text: row });
      return;
    }
    seen.add(date);
    days.push(day);
    const doubt = doubtOf(day);
    if (doubt !== undefined) doubtful.push({ line, problem: doubt, text: row });
  });
  return { days, rejected, doubtful };
}

function problemOf(day: Day, seen: ReadonlySet<string>): string | undefined {
  if (!isDate(day.date)) return "its date is none";
  if (seen.has(day.date)) return "its day is there already";
  if (!(day.precipitation >= 0 && day.precipitation <= 500)) return "its precipitation is not within 0 to 500 mm";
  if (!(day.tempMin >= -60 && day.tempMax <= 60)) return "its temperature is not within -60 to 60 °C";
  if (day.tempMin > day.tempMax) return "its low is above its high";
  if (!(day.wind >= 0 && day.wind <= 120)) return "its wind is not within 0 to 120 m/s";
  if (!WEATHER.includes(day.weather)) return `its weather is none of ${WEATHER.join(", ")}`;
  return undefined;
}

function doubtOf(day: Day): string | undefined {
  if (day.weather === "rain" && day.precipitation === 0) return "rain, but no precipitation";
  if (day.weather === "snow" && day.tempMin > 5) return "snow, but no cold";
  return undefined;
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const time = Date.parse(text);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

function toNumber(text: string | undefined): number {
  return text === undefined || text.trim() === "" ? Number.NaN : Number(text);
}

/** 95 % bootstrap interval. Makes way for other work between batches, and stops when its attempt is given up. */
async function bootstrap(
  values: number[],
  statistic: (values: number[]) => number,
  random: () => number,
  signal: AbortSignal,
): Promise<Interval> {
  const estimates: number[] = [];
  while (estimates.length < RESAMPLES) {
    for (let i = 0; i < 500; i++) {
      estimates.push(statistic(values.map(() => values[Math.floor(random() * values.length)] ?? Number.NaN)));
    }
    await setImmediate();
    signal.throwIfAborted();
  }
  estimates.sort((a, b) => a - b);
  const at = (share: number): number => round(estimates[Math.floor(share * (estimates.length - 1))] ?? Number.NaN);
  return { estimate: round(statistic(values)), low: at(0.025), high: at(0.975) };
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = (sorted.length - 1) / 2;
  return sum([sorted[Math.floor(half)] ?? Number.NaN, sorted[Math.ceil(half)] ?? Number.NaN]) / 2;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function best(months: MonthSummary[], figure: (month: MonthSummary) => number): string {
  return months.reduce((top, month) => (figure(month) > figure(top) ? month : top)).month;
}

/** A linear congruential generator: repeatable, and good enough to draw days. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
