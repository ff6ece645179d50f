/**
 * 10,000 requests that are given up, and two tenants at full concurrency through one isolate, for 5 s, or 60 s with `WINDKIT_SOAK=1`; the suite does
 * the same on every runtime, in small.
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert";
import { giveUp } from "../suite/_aborts_kit.ts";
import { runTenants } from "../suite/_tenants_kit.ts";

const SOAK = Deno.env.get("WINDKIT_SOAK") === "1";
const SECONDS = SOAK ? 60 : 5;

Deno.test(`tenants: ${SECONDS} s of two at full concurrency, and no token crosses`, async () => {
  const seed = SOAK ? Math.floor(Math.random() * 2 ** 32) : 6;
  const report = await runTenants({ ms: SECONDS * 1000, seed });
  assertEquals(report.crossed, [], `Seed ${seed}`);
  assertEquals(report.openBodies, [], `Seed ${seed}`);
  const made = Object.values(report.requests).reduce((sum, one) => sum + one, 0);
  assert(made > SECONDS * 100, `Expected many requests, found ${made}`);
});

Deno.test("abort: 10,000 requests that are given up leave no body, no request, no listener, no timer", async () => {
  const { asked, made, left } = await giveUp(10_000);
  assert(made > 3_000 && asked > 5_000, `Expected many requests, found ${asked} with ${made} bodies`);
  assertEquals(left, { bodies: [], pending: 0, listeners: 0, timers: 0, sources: 0 });
});
