/**
 * `deno task histories:record`: records the scenarios that the running version has no file of. A file that exists is never
 * written again: it is what a released version has left in somebody's data folder.
 *
 * @module
 */
import { writeMissing } from "./_histories.ts";
import { scenarios } from "./scenarios.ts";

if (import.meta.main) {
  const written = await writeMissing(scenarios);
  for (const file of written) console.log(`tests/histories/${file}`);
  if (written.length === 0) console.log("Every scenario is recorded already");
}
