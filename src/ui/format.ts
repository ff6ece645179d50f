/**
 * Times, durations and sizes for people.
 *
 * @module
 */
import { type Html, markup } from "../forms/html.ts";

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** A moment in the time zone of the machine, `2026-03-01 14:03:05`. */
export function dateText(at: number): string {
  const date = new Date(at);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** A moment, with what machines read of it. */
export function timeHtml(at: number): Html {
  const date = new Date(at);
  if (!Number.isFinite(date.getTime())) return markup`<span>unknown</span>`;
  return markup`<time datetime="${date.toISOString()}">${dateText(at)}</time>`;
}

/** A duration: `12 ms`, `1.4 s`, `2 min 5 s`, `3 h 20 min`, `2 d 4 h`. */
export function durationText(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  if (whole < 1000) return `${whole} ms`;
  if (whole < 10_000) return `${(Math.floor(whole / 100) / 10).toFixed(1)} s`;
  const seconds = Math.floor(whole / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A duration that goes on: the page's script counts it up. */
export function sinceHtml(since: number, now: number): Html {
  return markup`<span class="dur" data-since="${since}">${durationText(now - since)}</span>`;
}

/** A size of memory. */
export function bytesText(bytes: number): string {
  if (bytes < 1024 * 1024) return `${Math.ceil(bytes / 1024)} KiB`;
  const mebi = bytes / (1024 * 1024);
  return mebi < 1024 ? `${mebi.toFixed(mebi < 10 ? 1 : 0)} MiB` : `${(mebi / 1024).toFixed(1)} GiB`;
}

// deno-lint-ignore no-control-regex -- what terminals are told begins with one
const TERMINAL = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\^_])/g;

/** A log as it is shown: without what tells terminals of colours, with line feeds only. */
export function logText(text: string): string {
  return text.replace(TERMINAL, "").replace(/\r\n?/g, "\n");
}
