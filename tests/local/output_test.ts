/** What jobs write, as it is kept: secrets in it, whatever pieces it comes in. */
import { openDatabase } from "../../src/server/database.ts";
import { createOutput } from "../../src/server/jobs/output.ts";
import { createStoredTexts } from "../../src/server/stored_text.ts";
import { JOB_STEPS } from "../../src/server/jobs/table.ts";
import { createRedactor } from "../../src/server/redaction.ts";
import { assert, assertEquals } from "../suite/assert.ts";
import { createFakeClock } from "./_clock.ts";
import { fakeSecrets } from "./_fakes.ts";

const SECRET = "correct-horse-battery";

Deno.test("A secret that comes in pieces is in no row, and what only looks like its beginning comes in the end", async () => {
  using database = await openDatabase({ path: ":memory:" });
  database.migrate("jobs", JOB_STEPS);
  const clock = createFakeClock();
  const secrets = { ...fakeSecrets(), ...createRedactor() };
  secrets.remember(SECRET);
  const output = createOutput({
    database,
    clock,
    secrets,
    texts: createStoredTexts(secrets),
    maxChars: 4_000_000,
    told: () => {},
  });
  output.hide("j", "0123456789-token");
  for (let cut = 1; cut < SECRET.length; cut++) {
    output.write("j", "log", `[${SECRET.slice(0, cut)}`);
    clock.advance(1000);
    // Nothing of it is there, and what is before it is.
    assert(output.read("j", "log", 0).endsWith("["), `${cut}: ${output.read("j", "log", 0)}`);
    output.write("j", "log", SECRET.slice(cut));
    clock.advance(1000);
  }
  assertEquals(output.read("j", "log", 0), "[***".repeat(SECRET.length - 1));
  output.write("j", "log", "\n0123456789");
  clock.advance(1000);
  output.write("j", "log", "-token, ");
  output.write("j", "log", "x".repeat(300_000) + SECRET.slice(0, 7));
  output.write("j", "log", SECRET.slice(7, 9));
  output.write("j", "log", SECRET.slice(9));
  for (let cut = 1; cut < SECRET.length; cut++) output.write("j", "stream", SECRET.slice(cut - 1, cut));
  clock.advance(1000);
  output.write("j", "log", "\ncorr");
  clock.advance(1000);
  output.finish("j");
  const log = output.read("j", "log", 0);
  assertEquals(log.slice(log.indexOf("\n")).replace(/x+/, "x"), "\n***, x***\ncorr");
  assertEquals(output.read("j", "stream", 3), SECRET.slice(3, -1));
  assertEquals(output.end("j", "stream"), SECRET.length - 1);
  const rows = database.all<{ readonly text: string }>("SELECT text FROM logs UNION ALL SELECT text FROM streams");
  assertEquals(rows.filter(({ text }) => text.includes(SECRET.slice(0, 6)) || text.includes(SECRET.slice(-6))), []);
  output.close();
});
