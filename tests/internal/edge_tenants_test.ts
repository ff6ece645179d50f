/**
 * Two tenants at full concurrency through one isolate, for 5 s, or 60 s with `WINDKIT_SOAK=1`; the suite does the same for a second
 * on every runtime.
 */
import { deepStrictEqual as assertEquals, ok as assert } from "node:assert";
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
