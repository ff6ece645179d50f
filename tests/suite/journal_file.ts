/** One run as one file, and what is found when a journal is not as it was written. */
import {
  type Engine,
  exportLines,
  exportRecords,
  exportRun,
  importRun,
  type JournalFile,
  type JournalRecord,
  type Json,
  type Message,
  type RunHeader,
  type Storage,
  type StoredRecord,
  storeRun,
  type WorkflowFunction,
} from "@windkit/windmill-client/engine";
import { createMemoryStorage, type MemoryStorage } from "@windkit/windmill-client/storage/memory";
import { sleep, step, task, waitForApproval, workflow } from "@windkit/windmill-client/workflow";
import { createGate, settledKeys, startedKeys, withEngine } from "./_engine_kit.ts";
import { createVirtualHost } from "./_virtual_host.ts";
import { assert, assertEquals, assertIncludes, assertRejects } from "./assert.ts";
import { noAsyncLocalStorage } from "./env.ts";
import { test } from "./harness.ts";

const three = workflow(async (n: number) => {
  const a = await step("first", () => n + 1);
  const b = await task("charge", (x: number) => x * 2)(a);
  return [a, b, await step("last", () => b + 1)];
});

const asking = workflow(async () => {
  const before = await step("before", () => "b");
  const { value } = await waitForApproval({ key: "sign", timeout: 600 });
  return [before, value, await step("after", () => "a")];
});

/** Runs a workflow to its end, or as far as it comes without help. */
async function recorded(
  main: WorkflowFunction,
  args: Json = {},
  runId = "r1",
): Promise<{ readonly storage: MemoryStorage; readonly text: string }> {
  const storage = createMemoryStorage();
  await withEngine({ workflows: { main }, storage }, async ({ engine, host }) => {
    await host.drive(engine.start("main", args, { runId }));
    await host.settle();
  });
  return { storage, text: await exportRun(storage.visit(), runId) };
}

function finished(): Promise<{ readonly storage: MemoryStorage; readonly text: string }> {
  return recorded(three, { n: 1 });
}

/** Lines of a file, without the last line break. */
function linesOf(text: string): string[] {
  return text.trimEnd().split("\n");
}

async function damage(lines: readonly string[], ...parts: readonly string[]): Promise<{ readonly seq?: number }> {
  const error = await assertRejects(() => importRun(`${lines.join("\n")}\n`), "JOURNAL_CORRUPT");
  for (const part of ["Journal file of run", ...parts]) assertIncludes(error.message, part);
  return error as { readonly seq?: number };
}

// --- There and back ---

test("exportRun() and importRun(): the records, in their documented form, and the same text for the same run", async () => {
  const { storage, text } = await finished();
  const file = importRun(text);
  assertEquals([file.run, file.workflow, file.records.length, file.messages], ["r1", "main", 5, []]);
  assertEquals(settledKeys(file.records), ["first", "charge", "last"]);
  assertEquals(exportRecords(file.records), text);
  assertEquals(await exportRun(storage.visit(), "r1"), text);
  assertEquals(importRun(text.replaceAll("\n", "\r\n")), file, "Line ends are not what is recorded");
  const lines = linesOf(text);
  assertEquals(lines.length, file.records.length + 2);
  for (const [i, line] of lines.entries()) {
    const kind = i === 0 ? "journal" : i === lines.length - 1 ? "end" : "record";
    assertEquals(Object.keys(JSON.parse(line)), ["sha256", kind]);
  }
  assertEquals(file.digest, JSON.parse(lines.at(-1) ?? "").sha256);
});

test("exportRun(): each digest is the SHA-256 of the one before and the rest of its line", async () => {
  const { text } = await finished();
  let before = "";
  for (const line of linesOf(text)) {
    const bytes = new TextEncoder().encode(before + line.slice('{"sha256":"'.length + 64 + 1));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    before = [...digest].map((b) => b.toString(16).padStart(2, "0")).join("");
    assertEquals(JSON.parse(line).sha256, before);
  }
});

test("exportLines(): gives a long run page by page", async () => {
  const many = workflow(async () => {
    for (let i = 0; i < 1500; i++) await step("s", () => i);
  });
  const { storage, text } = await recorded(many);
  const parts: string[] = [];
  for await (const part of exportLines(storage.visit(), "r1")) parts.push(part);
  assert(parts.length > 3, `Expected pages, found ${parts.length}`);
  assertEquals(parts.join(""), text);
  assertEquals(importRun(text).records.length, 1502);
});

test("exportRun(): an unknown run is an error", async () => {
  await assertRejects(() => exportRun(createMemoryStorage(), "r9"), "UNKNOWN_RUN", 'Cannot export run "r9"');
});

test("engine.importRun(): a run that has ended can be read, and nothing of it runs", async () => {
  const { text } = await finished();
  await withEngine({ workflows: { main: three } }, async ({ engine, events }) => {
    const run = await engine.importRun(importRun(text));
    assertEquals(await run.result(), [2, 4, 5]);
    const { state, status } = await run.row();
    assertEquals([state, status, startedKeys(events)], ["closed", "completed", []]);
    assertEquals(await engine.journal("r1"), importRun(text).records);
  });
});

test("engine.importRun(): a run that has not ended goes on, and nothing that is recorded runs again", async () => {
  const { text } = await recorded(asking);
  for (const replay of ["when-needed", "always"] as const) {
    await withEngine({ workflows: { main: asking }, replay }, async ({ engine, host, events }) => {
      const run = await engine.importRun(importRun(text));
      await host.settle();
      assertEquals((await run.row()).waits, ["approval:sign"]);
      await host.drive(engine.approve("r1", undefined, { value: 7 }));
      assertEquals(await host.drive(run.result()), ["b", 7, "a"]);
      assertEquals(startedKeys(events), ["after"]);
      assertEquals((await engine.journal("r1")).slice(0, 3), importRun(text).records);
    });
  }
});

test("engine.importRun(): goes on from each record of a run", async () => {
  const file = importRun((await finished()).text);
  for (let length = 1; length < file.records.length; length++) {
    const records = file.records.slice(0, length);
    await withEngine({ workflows: { main: three } }, async ({ engine, host, events }) => {
      const run = await engine.importRun(importRun(exportRecords(records)));
      assertEquals(await host.drive(run.result()), [2, 4, 5]);
      assertEquals(startedKeys(events), ["first", "charge", "last"].slice(length - 1));
    });
  }
});

test("engine.importRun(): a run whose workflow is not known here waits as an orphan", async () => {
  const { text } = await recorded(asking);
  const storage = createMemoryStorage();
  await withEngine({ workflows: { other: three }, storage }, async ({ engine, host }) => {
    const run = await engine.importRun(importRun(text));
    await host.settle();
    assertEquals((await run.row()).state, "orphan");
  });
  await withEngine({ workflows: { main: asking }, storage: storage.visit() }, async ({ engine, host }) => {
    await host.settle();
    await host.drive(engine.approve("r1"));
    assertEquals(await host.drive((await engine.run("r1")).result()), ["b", null, "a"]);
  });
});

test("engine.importRun(): under another id it is a copy beside the original", async () => {
  const { storage, text } = await recorded(asking);
  await withEngine({ workflows: { main: asking }, storage: storage.visit() }, async ({ engine, host }) => {
    const copy = await engine.importRun(importRun(text), { runId: "copy" });
    for (const [id, value] of [["copy", 1], ["r1", 2]] as const) {
      await host.drive(engine.approve(id, undefined, { value }));
      assertEquals(await host.drive((await engine.run(id)).result()), ["b", value, "a"]);
    }
    const [first] = await engine.journal(copy.id);
    assert(first?.t === "opened");
    assertEquals(first.header.id, "copy");
    await assertRejects(() => engine.importRun(importRun(text), { runId: "" }), undefined, "'runId'");
  });
}, noAsyncLocalStorage);

test("engine.importRun(): the same run twice is one run, another under its id is refused", async () => {
  const { text } = await finished();
  const other = (await recorded(three, { n: 5 })).text;
  await withEngine({ workflows: { main: three } }, async ({ engine }) => {
    await engine.importRun(importRun(text));
    assertEquals((await engine.importRun(importRun(text))).id, "r1");
    assertEquals((await engine.runs()).length, 1);
    const error = await assertRejects(
      () => engine.importRun(importRun(other)),
      "RUN_EXISTS",
      "record 0 (opened) differs",
    );
    assertIncludes(error.message, "Store it under another id");
    const shorter = importRun(exportRecords(importRun(text).records.slice(0, 2)));
    await assertRejects(() => engine.importRun(shorter), "RUN_EXISTS", "the stored one has 5 records, the file 2");
    assertEquals(await (await engine.run("r1")).result(), [2, 4, 5]);
  });
});

test("storeRun(): nothing is stored when the storage refuses a part, and the engine goes on", async () => {
  const { storage, text } = await recorded(workflow(async () => await step("big", () => "x".repeat(20_000))));
  const file = importRun(text);
  const small = createMemoryStorage({ maxRecordBytes: 10_000 });
  await withEngine({ workflows: { main: three }, storage: small }, async ({ engine, host }) => {
    await assertRejects(() => engine.importRun(file), "PAYLOAD_TOO_LARGE", "record 1");
    assertEquals(await engine.runs(), []);
    assertEquals(await host.drive((await engine.start("main", { n: 1 })).result()), [2, 4, 5]);
  });
  await small.close();

  const few = createMemoryStorage({ maxMessages: 1 });
  await few.own({ name: "test" });
  const message = (id: string): Message => ({ id, run: "r1", kind: "event", name: "e", payload: "1", at: 1 });
  const left = { ...file, messages: [message("m1"), message("m2")] };
  await assertRejects(() => storeRun(few, left), "STORAGE_FAILED", "m2");
  assertEquals([await few.run("r1"), await few.inbox("r1", 9)], [undefined, []]);
  const visitor = storage.visit();
  await assertRejects(() => storeRun(visitor, file, { runId: "x" }), "STORAGE_FAILED", "does not drive");
});

// --- Messages ---

/** A run that is busy with a step while an answer to its next approval comes. */
async function answered(): Promise<MemoryStorage> {
  const storage = createMemoryStorage();
  const gate = createGate();
  const main = workflow(async () => {
    await step("slow", () => gate.promise);
    return (await waitForApproval({ key: "sign" })).value;
  });
  await withEngine({ workflows: { main }, storage }, async ({ engine, host }) => {
    await engine.start("main", {}, { runId: "r1" });
    await host.settle();
    await host.drive(
      engine.approve("r1", "sign", { value: { __proto__: null, n: 1 } as unknown as Json, approver: "ada" }),
    );
  });
  return storage;
}

test("exportRun({ messages: true }): what is left for a run goes with it, under another id too", async () => {
  const storage = await answered();
  assertEquals(importRun(await exportRun(storage.visit(), "r1")).messages, []);
  const file = importRun(await exportRun(storage.visit(), "r1", { messages: true }));
  assertEquals(file.messages, await storage.visit().inbox("r1", 9));
  assertEquals(file.messages.length, 1);
  const main = workflow(async () => {
    await step("slow", () => 1);
    return (await waitForApproval({ key: "sign" })).value;
  });
  for (const runId of ["r1", "copy"]) {
    await withEngine({ workflows: { main } }, async ({ engine, host }) => {
      const run = await engine.importRun(file, { runId });
      // The answer is known to be there already, as the answer to this approval.
      await assertRejects(
        () => host.drive(engine.approve(runId, "sign", { value: "other" })),
        undefined,
        "answered already",
      );
      assertEquals(await host.drive(run.result()), { n: 1 });
    });
  }
});

test("exportRun({ messages: true }): a message that is taken while it is written is not in it twice", async () => {
  const storage = await answered();
  const inbox = await storage.visit().inbox("r1", 9);
  const main = workflow(async () => {
    await step("slow", () => 1);
    return (await waitForApproval({ key: "sign" })).value;
  });
  await withEngine({ workflows: { main }, storage: storage.visit() }, async ({ engine, host }) => {
    await host.drive((await engine.run("r1")).result());
    const racing: Storage = { ...storage.visit(), inbox: () => Promise.resolve(inbox) };
    assertEquals(importRun(await exportRun(racing, "r1", { messages: true })).messages, []);
  });
});

// --- What is not as it was written: a file ---

test("importRun(): an edited record is found and named, wherever it was edited", async () => {
  const lines = linesOf((await finished()).text);
  const names = [
    'record 0 ("opened")',
    'record 1 ("first")',
    'record 2 ("charge")',
    'record 3 ("last")',
    'record 4 ("closed")',
  ];
  for (const [seq, name] of names.entries()) {
    const line = lines[seq + 1] ?? "";
    for (let at = line.indexOf(',"record"') + 10; at < line.length - 2; at += 7) {
      const edited = `${line.slice(0, at)}${line[at] === "7" ? "8" : "7"}${line.slice(at + 1)}`;
      const error = await damage(lines.with(seq + 1, edited));
      assertEquals(error.seq, seq, edited);
    }
    await damage(
      lines.with(seq + 1, line.replace(/"at":\d+/, '"at":5')),
      name,
      "was changed: found SHA-256",
      ", expected",
    );
    await damage(
      lines.with(seq + 1, line.replace(/"sha256":".{64}"/, `"sha256":"${"0".repeat(64)}"`)),
      name,
      "expected",
    );
  }
  await damage(lines.with(0, (lines[0] ?? "").replace('"main"', '"other"')), "the first line was changed");
  await damage(lines.with(6, (lines[6] ?? "").replace('"records":5', '"records":4')), "the end was changed");
});

test("importRun(): a record whose digest was made anew is found at the next", async () => {
  const { text } = await finished();
  const lines = linesOf(text);
  const edited = importRun(text).records.map((r): JournalRecord =>
    r.t === "settled" && r.key === "charge" ? { ...r, outcome: { ok: true, value: "400" } } : r
  );
  const forged = linesOf(exportRecords(edited));
  const error = await damage(lines.with(3, forged[3] ?? ""), 'record 3 ("last")', "and the line before it");
  assertEquals(error.seq, 3);
  // Who makes all of them anew is found by the digest that was noted.
  const { digest } = importRun(text);
  assertEquals(importRun(text, { digest: digest.toUpperCase() }).digest, digest);
  const whole = `${forged.join("\n")}\n`;
  assertEquals(importRun(whole).records.length, 5);
  await assertRejects(() => importRun(whole, { digest }), "JOURNAL_CORRUPT", `expected ${digest}`);
});

test("importRun(): a missing record is found and named", async () => {
  const lines = linesOf((await finished()).text);
  for (
    const [seq, next] of [[1, 'record 2 ("charge")'], [2, 'record 3 ("last")'], [3, 'record 4 ("closed")']] as const
  ) {
    const error = await damage(
      lines.toSpliced(seq + 1, 1),
      `record ${seq} is missing: found ${next} on line ${seq + 2}`,
    );
    assertEquals(error.seq, seq);
  }
  await damage(lines.toSpliced(1, 1), 'record 0 is missing: found record 1 ("first") on line 2, after the first line');
  await damage(lines.toSpliced(5, 1), "the end was changed, or what is before it was taken out");
});

test("importRun(): records in another order are found and named", async () => {
  const lines = linesOf((await finished()).text);
  const swapped = lines.with(2, lines[3] ?? "").with(3, lines[2] ?? "");
  await damage(
    swapped,
    'found record 2 ("charge") on line 3, after record 0',
    'expected record 1 ("first"), which is on line 4',
  );
  const moved = [...lines.slice(0, 2), ...lines.slice(3, 5), lines[2] ?? "", ...lines.slice(5)];
  await damage(moved, 'expected record 1 ("first"), which is on line 5');
});

test("importRun(): a record that is there twice is found and named", async () => {
  const lines = linesOf((await finished()).text);
  await damage(
    lines.toSpliced(4, 0, lines[3] ?? ""),
    'record 2 ("charge") is there a second time, on line 5',
    "expected record 3",
  );
  await damage(
    lines.toSpliced(5, 0, lines[2] ?? ""),
    'record 1 ("first") is there a second time, on line 6',
    "expected record 4",
  );
  await damage(lines.toSpliced(1, 0, lines[0] ?? ""), "the first line was changed");
});

test("importRun(): the same is found when all digests were made anew", async () => {
  const { records } = importRun((await finished()).text);
  const [a, b, c] = records as readonly [JournalRecord, JournalRecord, JournalRecord];
  for (const wrong of [[a, c, b], [a, b, b], [a, c]]) {
    // The numbers are right where it is written, and put back to what they were afterwards.
    const lines = linesOf(exportRecords(wrong.map((r, seq) => ({ ...r, seq }))));
    await assertRejects(() => exportRecords(wrong), undefined, "Cannot export a run");
    await damage(lines.map((line, i) => line.replace(/"seq":\d+/, `"seq":${wrong[i - 1]?.seq}`)));
  }
});

test("importRun(): a file that is cut off, or goes on after its end", async () => {
  const { text } = await finished();
  const lines = linesOf(text);
  await damage(lines.slice(0, -1), 'it stops after record 4 ("closed")', "Was it copied whole?");
  await damage(lines.slice(0, 3), 'it stops after record 1 ("first")');
  await damage([...lines.slice(0, 3), (lines[3] ?? "").slice(0, 90)], "line 4 is damaged");
  await damage([...lines, lines[1] ?? ""], "line 8 comes after the end");
  for (
    const other of [
      "",
      "\n",
      "hello",
      "[]",
      "null",
      '{"a":1}',
      '{"journal":{}}',
      '{"journal":{"v":"1"}}',
      "{".repeat(9),
    ]
  ) {
    await assertRejects(() => importRun(other), "JOURNAL_CORRUPT", "Cannot read journal file");
  }
});

/** A file of one run with this header. */
function headed(change: Readonly<Record<string, unknown>>): string {
  const header: RunHeader = {
    v: 1,
    id: "r1",
    workflow: "main",
    sourceHash: "",
    sdk: "9.9.9",
    flags: [],
    codec: 1,
    seed: "00",
    args: "{}",
    createdAt: 1,
    ...change,
  };
  return exportRecords([{ t: "opened", seq: 0, at: 1, header }]);
}

const NEWER: readonly (readonly [what: string, change: Readonly<Record<string, unknown>>, text: string])[] = [
  ["version of the journal", { v: 2 }, "journal version 2"],
  ["codec", { codec: 2 }, "codec 2"],
  ["flag", { flags: [999_999] }, "flags [999999]"],
];

for (const [what, change, text] of NEWER) {
  test(`importRun(): a newer ${what} is SchemaTooNewError, which says what to do`, async () => {
    const error = await assertRejects(() => importRun(headed(change)), "SCHEMA_TOO_NEW", text);
    assertIncludes(error.message, "Use version 9.9.9 or a newer one for it");
  });

  test(`recovery: a newer ${what} refuses that run alone, and its journal stands`, async () => {
    const storage = createMemoryStorage();
    const host = createVirtualHost();
    // As a newer version would have stored it.
    const { records } = importRun(headed({}));
    const [first] = records;
    assert(first?.t === "opened");
    const header = { ...first.header, ...change } as RunHeader;
    const driver = storage.visit();
    await driver.own({ name: "newer" });
    const file: JournalFile = { ...importRun(headed({})), records: [{ ...first, header }] };
    await storeRun(driver, file);
    await driver.close();
    await withEngine({ workflows: { main: three }, storage, host }, async ({ engine, events }) => {
      await host.settle();
      const error = await assertRejects(async () => (await engine.run("r1")).result(), "SCHEMA_TOO_NEW", text);
      assertIncludes(error.message, "9.9.9");
      assertEquals(events.flatMap((e) => e.event === "run_stopped" ? [e.run] : []), ["r1"]);
      assertEquals(await host.drive((await engine.start("main", { n: 1 })).result()), [2, 4, 5]);
      assertEquals((await engine.journal("r1")).length, 1);
    });
  });
}

test("importRun(): what a newer version may have added is SchemaTooNewError, never lost", async () => {
  const { records } = importRun((await finished()).text);
  const last = records.at(-1) as JournalRecord;
  const changed = (change: Readonly<Record<string, unknown>>): string =>
    exportRecords([...records.slice(0, -1), { ...last, ...change } as unknown as JournalRecord]);
  await assertRejects(
    () => importRun(changed({ t: "teleported" })),
    "SCHEMA_TOO_NEW",
    'at record 4, its kind is "teleported"',
  );
  await assertRejects(() => importRun(changed({ mood: "good" })), "SCHEMA_TOO_NEW", "it has 'mood'");
  // A header, a call and a failure are stored as they are: a field that replay may ignore is kept.
  const [first] = importRun(headed({ colour: "red" })).records;
  assertEquals((first as unknown as { readonly header: { readonly colour: string } }).header.colour, "red");
  const head = '{"sha256":"","journal":{"v":2,"run":"r1","workflow":"main","sdk":"9.9.9"}}\n';
  await assertRejects(() => importRun(head), "SCHEMA_TOO_NEW", "read it with that version, or a newer one");
});

test("importRun(): a record of another shape is damage, and says where", async () => {
  const { records } = importRun((await finished()).text);
  const settled = records[1] as Extract<JournalRecord, { readonly t: "settled" }>;
  const wrong: readonly (readonly [Readonly<Record<string, unknown>>, string])[] = [
    [{ key: 5 }, "'key' must be text, found 5"],
    [{ after: -1 }, "'after' must be an integer of at least 0"],
    [{ outcome: { ok: true, value: "{" } }, "'outcome.value' must be the JSON text of a value"],
    [{ outcome: { ok: false, failure: { message: "m" } } }, "'outcome.failure.stepKey' is missing"],
    [{ outcome: null }, "'outcome' must be an object, found null"],
    [{ startedAt: settled.at + 1 }, "'startedAt' cannot be"],
    [{ fp: { kind: "dance", name: "a", digest: "" } }, "'fp.kind' must be"],
    [{ at: "now" }, "'at' must be a number"],
  ];
  for (const [change, text] of wrong) {
    const file = exportRecords([records[0] as JournalRecord, { ...settled, ...change } as unknown as JournalRecord]);
    await assertRejects(() => importRun(file), "JOURNAL_CORRUPT", text);
  }
  const twice = exportRecords([records[0] as JournalRecord, { ...records[0] as JournalRecord, seq: 1 }]);
  await assertRejects(() => importRun(twice), "JOURNAL_CORRUPT", 'record 1 is "opened", which only record 0 may be');
  const after = exportRecords([...records, { ...records.at(-1) as JournalRecord, seq: 5 }]);
  assertEquals(importRun(after).records.length, 6); // a run may be opened again by a later version's records
  await assertRejects(() => importRun(headed({ id: "r2" }).replace('"run":"r2"', '"run":"r1"')), "JOURNAL_CORRUPT");
});

// --- What is not as it was written: stored ---

/** A storage that gives a run's records as somebody changed them. */
function tampered(
  storage: MemoryStorage,
  run: string,
  change: (records: StoredRecord[]) => StoredRecord[],
): MemoryStorage {
  const inner = storage.visit();
  return {
    ...inner,
    async *journal(id, fromSeq): AsyncGenerator<readonly StoredRecord[]> {
      const records: StoredRecord[] = [];
      for await (const page of inner.journal(id, fromSeq)) records.push(...page);
      yield id === run ? change(records) : records;
    },
  };
}

const TAMPERED: readonly (readonly [what: string, change: (r: StoredRecord[]) => StoredRecord[], text: string])[] = [
  ["missing", (r) => r.toSpliced(1, 1), "at record 1: it is missing: the next one stored has number 2"],
  ["reordered", (r) => [r[0], r[2], r[1]] as StoredRecord[], "at record 1: it is missing"],
  [
    "duplicated",
    (r) => r.toSpliced(1, 0, r[1] as StoredRecord),
    "at record 2: it is missing: the next one stored has number 1",
  ],
  ["edited", (r) => r.map((s) => ({ ...s, text: s.text.replace('"b"', '"c"') })), "at record 1: its check value is"],
  [
    "duplicated and renumbered",
    (r) => r.toSpliced(1, 0, r[1] as StoredRecord).map((s, seq) => ({ ...s, seq })),
    "at record 2: its check value is",
  ],
];

for (const [what, change, text] of TAMPERED) {
  test(`a stored journal with a record that is ${what} stops that run alone, and is not exported`, async () => {
    const { storage } = await recorded(asking);
    const host = createVirtualHost();
    const altered = tampered(storage, "r1", change);
    await assertRejects(() => exportRun(altered, "r1"), "JOURNAL_CORRUPT", text);
    await withEngine({ workflows: { main: asking }, storage: altered, host }, async ({ engine, events }) => {
      await host.advance(601_000);
      const error = await assertRejects(async () => (await engine.run("r1")).result(), "JOURNAL_CORRUPT", text);
      assertEquals((error as { runId?: string }).runId, "r1");
      assertEquals(startedKeys(events), []);
      const other = await engine.start("main", {}, { runId: "r2" });
      await host.settle();
      await host.drive(engine.approve("r2", undefined, { value: 1 }));
      assertEquals(await host.drive(other.result()), ["b", 1, "a"]);
    });
  });
}

test("a stored record of a kind that this version does not know stops that run alone: a newer version wrote it", async () => {
  const { storage } = await recorded(asking);
  // With the check value that a newer version would have given it.
  const text = '["!",1]';
  const known = importRun(await exportRun(storage.visit(), "r1"));
  const check = await checkAfter(known, text);
  const altered = tampered(storage, "r1", (r) => [...r, { seq: r.length, text, check }]);
  const what = 'Cannot read record 3 of run "r1"';
  await assertRejects(() => exportRun(altered, "r1"), "SCHEMA_TOO_NEW", what);
  await withEngine({ workflows: { main: asking }, storage: altered }, async ({ engine, host }) => {
    await host.advance(601_000);
    const error = await assertRejects(async () => (await engine.run("r1")).result(), "SCHEMA_TOO_NEW", what);
    assertIncludes(error.message, "Use the version that wrote it, or a newer one");
  });
});

/** The check value of a text as the next record: what the error of a wrong one says is expected. */
async function checkAfter(file: JournalFile, text: string): Promise<string> {
  const probe = createMemoryStorage();
  await probe.own({ name: "probe" });
  await storeRun(probe, file);
  const altered = tampered(probe, file.run, (r) => [...r, { seq: r.length, text, check: "0".repeat(16) }]);
  const error = await assertRejects(() => exportRun(altered, file.run), "JOURNAL_CORRUPT");
  return /expected ([0-9a-f]{16})/.exec(error.message)?.[1] ?? "";
}

test("a journal of another workflow stops that run alone, and says what was recorded and what is asked", async () => {
  const { text } = await recorded(asking);
  await withEngine({ workflows: { main: three } }, async ({ engine, host, events }) => {
    const run = await engine.importRun(importRun(text));
    await host.settle();
    const error = await assertRejects(() => run.result(), "REPLAY_MISMATCH", 'recorded: record 1, step "before"');
    assertIncludes(error.message, 'asked:    step "first"');
    assertEquals(startedKeys(events), []);
    assertEquals(await engine.journal("r1"), importRun(text).records);
    assertEquals(await host.drive((await engine.start("main", { n: 1 })).result()), [2, 4, 5]);
  });
});

// --- Odd names ---

test("a step name of 10 kB is refused at the call, one of 1,024 characters is recorded and replayed", async () => {
  const main = workflow(async () => {
    const seen: unknown[] = [];
    for (const length of [1024, 1025, 10_240]) {
      seen.push(await step("n".repeat(length), () => length).catch((error: Error) => error.message.slice(0, 90)));
    }
    return [seen, await step("n".repeat(1024), () => 2)];
  });
  const { text } = await recorded(main);
  const { records } = importRun(text);
  assertEquals(settledKeys(records), ["n".repeat(1024), `${"n".repeat(1024)}_2`]);
  const expected = [[
    1024,
    "Cannot run a step: 'name' must be text of at most 1024 characters, found one of 1025",
    "Cannot run a step: 'name' must be text of at most 1024 characters, found one of 10240",
  ], 2];
  await withEngine({ workflows: { main } }, async ({ engine, host, events }) => {
    const run = await engine.importRun(importRun(exportRecords(records.slice(0, -1))));
    assertEquals([await host.drive(run.result()), startedKeys(events)], [expected, []]);
  });
  const edited = linesOf(text).with(2, (linesOf(text)[2] ?? "").replace('"value":"1024"', '"value":"1025"'));
  const error = await assertRejects(() => importRun(edited.join("\n")), "JOURNAL_CORRUPT");
  assert(error.message.length < 500, `Expected a short message, found ${error.message.length} characters`);
});

const HOSTILE = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1}';

test("__proto__ as a key everywhere: arguments, names, results, answers, extra, ids, and no object is changed", async () => {
  const hostile = (): Json => JSON.parse(HOSTILE) as Json;
  const main = workflow(async (value: unknown) => {
    const seen: unknown[] = [value];
    for (const name of ["__proto__", "constructor", "__proto__", "toString"]) seen.push(await step(name, hostile));
    seen.push(await task("hasOwnProperty", (x: unknown) => x)(hostile()));
    seen.push((await waitForApproval({ key: "__defineGetter__", form: hostile() })).value);
    try {
      await step("valueOf", () => {
        throw Object.defineProperty(new Error("odd"), "__proto__", { value: hostile(), enumerable: true });
      });
    } catch (error) {
      seen.push((error as { readonly result: { readonly error: { readonly extra: unknown } } }).result.error.extra);
    }
    return seen;
  });
  const storage = createMemoryStorage();
  const workflows = { ["__proto__"]: main };
  const after = async (engine: Engine, host: { settle(): Promise<void>; drive<T>(p: Promise<T>): Promise<T> }) => {
    await host.settle();
    await host.drive(engine.approve("__proto__", "__defineGetter__", { value: hostile(), approver: "__proto__" }));
    return JSON.stringify(await host.drive((await engine.run("__proto__")).result()));
  };
  const result = await withEngine({ workflows, storage }, async ({ engine, host }) => {
    await engine.start("__proto__", { value: hostile() }, { runId: "__proto__" });
    return await after(engine, host);
  });
  const canonical = JSON.stringify(JSON.parse(result)[0]);
  assertEquals(result.split(canonical).length - 1, 8, result);
  const text = await exportRun(storage.visit(), "__proto__", { messages: true });
  const file = importRun(text);
  assertEquals(exportRecords(file.records), text);
  for (let length = 1; length <= file.records.length; length++) {
    await withEngine({ workflows }, async ({ engine, host }) => {
      await engine.importRun(importRun(exportRecords(file.records.slice(0, length))));
      const settled = file.records.slice(0, length).some((r) => r.t === "settled" && r.key === "__defineGetter__");
      if (!settled) assertEquals(await after(engine, host), result);
      else assertEquals(JSON.stringify(await host.drive((await engine.run("__proto__")).result())), result);
    });
  }
  const message: Message = {
    id: "__proto__",
    run: "__proto__",
    kind: "event",
    name: "__proto__",
    payload: HOSTILE,
    at: 1,
  };
  assertEquals(importRun(exportRecords(file.records, [message])).messages, [message]);
  assertEquals(({} as { polluted?: unknown }).polluted, undefined);
});

// --- Call sites ---

test("callSites: false records none, and replays what was recorded with them", async () => {
  const main = workflow(async () => {
    await step("a", () => 1);
    await sleep(1);
    return await step("b", () => 2);
  });
  const sites = (records: readonly JournalRecord[]): number =>
    records.filter((r) => "fp" in r && r.fp?.site !== undefined).length;
  const storage = createMemoryStorage();
  await withEngine({ workflows: { main }, storage }, async ({ engine, host }) => {
    await host.drive((await engine.start("main", {}, { runId: "with" })).result());
  });
  const text = await exportRun(storage.visit(), "with");
  assert(sites(importRun(text).records) >= 2, text);
  await withEngine({ workflows: { main }, callSites: false }, async ({ engine, host }) => {
    const run = await engine.start("main", {}, { runId: "without" });
    await host.drive(run.result());
    assertEquals(sites(await engine.journal("without")), 0);
    const half = await engine.importRun(importRun(exportRecords(importRun(text).records.slice(0, 2))));
    assertEquals(await host.drive(half.result()), 2);
  });
}, noAsyncLocalStorage);
