/**
 * A schedule: what happens otherwise than plainly. The plain schedule lets no process die, gives outcomes in the order in which
 * calls ended, answers when it is waited for, and lets time pass when there is nothing else to do.
 *
 * @module
 */
import { durationText } from "./_duration.ts";

/** One thing that happens otherwise. Commits and choices are counted from 1 over the whole schedule. */
export type Deviation =
  /** The process dies at a commit, and another one goes on after `delayMs`. */
  | { readonly t: "crash"; readonly when: "before" | "after"; readonly commit: number; readonly delayMs: number }
  /** Where several things may happen, this one does. */
  | { readonly t: "pick"; readonly choice: number; readonly label: string };

/** A schedule as text: `crash>3+3600000 5:done:charge`. */
export function formatSchedule(deviations: readonly Deviation[]): string {
  return deviations.map((d) =>
    d.t === "crash"
      ? `crash${d.when === "before" ? "<" : ">"}${d.commit}${d.delayMs === 0 ? "" : `+${d.delayMs}`}`
      : `${d.choice}:${encodeURI(d.label)}`
  ).join(" ");
}

/**
 * Reads what {@linkcode formatSchedule} wrote.
 *
 * @throws SyntaxError that names the part that is none
 */
export function parseSchedule(text: string): readonly Deviation[] {
  return text.split(/\s+/).filter((part) => part !== "").map((part): Deviation => {
    const crash = /^crash([<>])(\d+)(?:\+(\d+))?$/.exec(part);
    if (crash !== null) {
      return {
        t: "crash",
        when: crash[1] === "<" ? "before" : "after",
        commit: Number(crash[2]),
        delayMs: Number(crash[3] ?? 0),
      };
    }
    const pick = /^(\d+):(.+)$/.exec(part);
    if (pick !== null) return { t: "pick", choice: Number(pick[1]), label: decodeURI(pick[2] ?? "") };
    throw new SyntaxError(
      `Cannot read 'schedule': expected parts like "crash<3", "crash>3+1000" or "5:done:charge", found "${part}"`,
    );
  });
}

/** A deviation in words. `commits` says what each commit wrote, where that is known. */
export function deviationText(d: Deviation, commits: readonly string[]): string {
  if (d.t === "crash") {
    const what = commits[d.commit - 1];
    const shown = `commit ${d.commit}${what === undefined ? "" : ` (${what})`}`;
    const lost = d.when === "before" ? `dies before ${shown} is made` : `dies right after ${shown}`;
    return `the process ${lost}; another one goes on ${
      d.delayMs === 0 ? "at once" : `after ${durationText(d.delayMs)}`
    }`;
  }
  const [kind = "", ...rest] = d.label.split(":");
  const name = rest.join(":");
  switch (kind) {
    case "done":
      return `the outcome of "${name}" comes before others that are ready`;
    case "go":
      return `the body of "${name}" goes on before others`;
    case "answer":
      return `the answer "${name}" comes now, out of its order`;
    case "cancel":
      return "somebody cancels the run";
    case "time":
      return `${
        name === "" ? "time passes" : `${durationText(Number(name))} pass`
      } before what is ready is handed over`;
    default:
      return d.label;
  }
}
