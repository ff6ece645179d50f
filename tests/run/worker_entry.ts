/**
 * Runs the registered cases in workerd, one for each request. A worker that blocks its thread cannot even send what it
 * wrote before, so the program that asks knows which case runs.
 *
 * `/plan?filter=` answers the names, `/case?name=&limit=` runs one case and answers its report.
 *
 * @module
 */

import { chooseCases, type Report, reportCase } from "./report.ts";

const strays: unknown[] = [];

/** Collects what no case caught. What is thrown in a timer goes to the log of workerd only, there is no event for it. */
function collectStrays(): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    strays.push((event as Event & { readonly reason?: unknown }).reason);
  });
  const scope = globalThis as unknown as Record<string, (run: unknown, ...rest: unknown[]) => unknown>;
  for (const name of ["setTimeout", "setInterval"]) {
    const original = scope[name];
    if (original === undefined) continue;
    scope[name] = (run, ...rest) =>
      original(
        typeof run !== "function" ? run : (...args: unknown[]) => {
          try {
            return run(...args);
          } catch (error) {
            strays.push(error);
          }
        },
        ...rest,
      );
  }
}

collectStrays();

/** Answers one request: for the plan, or for one case. */
export async function runWorker(request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname === "/plan") return Response.json(chooseCases(searchParams.get("filter") ?? "").map((c) => c.name));
  const name = searchParams.get("name") ?? "", limit = searchParams.get("limit");
  const found = chooseCases(name).find((c) => c.name === name);
  if (found === undefined) return new Response(`No case is named "${name}"`, { status: 404 });
  const reports: Report[] = [];
  await reportCase(found, {
    say: (report) => Promise.resolve(void reports.push(report)),
    strays,
    limitMs: limit === null ? undefined : Number(limit),
  });
  return Response.json(reports);
}
