/**
 * One program of the official npm client: each function that has an effect on a server is called, and the effect is checked. It
 * runs as a job, and from outside with a job's id in its environment; it gives the names of what it has checked.
 */
import process from "node:process";
import defaultExport, * as wmill from "official-windmill-client";

const { JobService, UserService, ResourceService, SettingsService, HelpersService, TeamsService, VariableService } =
  wmill;

/** Told by the test: where the helpers are, and whether this is a job of its own. */
export interface Asked {
  /** Hash of `f/helpers/add`. */
  readonly hash: string;
  /** Workflows that wait for an approval: for a program outside. A job's token is good for its own affairs alone. */
  readonly asks: readonly string[];
}

/** What only the default export has: the package's types do not know it. */
interface DefaultOnly {
  getWorkspace(): string;
  getResult(job: string): Promise<unknown>;
  getResultMaybe(job: string): Promise<unknown>;
  resolveDefaultResource(value: unknown): Promise<unknown>;
  databaseUrlFromResource(path: string): Promise<string>;
  setInternalState(state: unknown): Promise<void>;
  getInternalState(): Promise<unknown>;
  parseS3Object(object: string): unknown;
  getResumeEndpoints(): Promise<{ readonly cancel: string }>;
}

// `as`: see there.
const wmillDefault = defaultExport as unknown as DefaultOnly;

function show(value: unknown): string {
  return JSON.stringify(value) ?? "undefined";
}

export async function main(asked: Asked): Promise<{ readonly covered: string[]; readonly job: string }> {
  const { hash, asks } = asked;
  const inJob = asks.length === 0;
  const covered: string[] = [];
  const env = (name: string): string => process.env[name] ?? "";
  const workspace = wmillDefault.getWorkspace();
  const job = env("WM_JOB_ID");
  const place = inJob ? "in" : "out";

  function check(names: string, actual: unknown, expected: unknown): void {
    if (show(actual) !== show(expected)) throw new Error(`${names}: ${show(actual)} should be ${show(expected)}`);
    covered.push(...names.split(" "));
  }
  async function refused(names: string, call: () => Promise<unknown>, expected: RegExp): Promise<void> {
    let text = "not refused";
    try {
      const value = await call();
      text = `gave ${show(value)}`;
    } catch (error) {
      const { body, message, status } = error as { body?: unknown; message: string; status?: number };
      text = `${status ?? ""} ${message} ${typeof body === "string" ? body : show(body)}`;
    }
    if (!expected.test(text)) throw new Error(`${names}: ${text} should match ${expected}`);
    covered.push(...names.split(" "));
  }

  // Jobs.
  check("runScript", await wmill.runScript("f/helpers/add", null, { a: 1, b: 2 }), 3);
  check("runScriptByPath", await wmill.runScriptByPath("f/helpers/add", { a: 2, b: 2 }), 4);
  check("runScriptByHash", await wmill.runScriptByHash(hash, { a: 2, b: 3 }), 5);
  check("runScriptAsync waitJob", await wmill.waitJob(await wmill.runScriptAsync(null, hash, { a: 3, b: 3 })), 6);
  const byPath = await wmill.runScriptByPathAsync("f/helpers/add", { a: 3, b: 4 });
  check("runScriptByPathAsync", await wmill.waitJob(byPath), 7);
  const byHash = await wmill.runScriptByHashAsync(hash, { a: 4, b: 4 });
  check("runScriptByHashAsync", await wmill.waitJob(byHash), 8);
  check("getResult", await wmillDefault.getResult(byPath), 7);
  check("getResultMaybe", ((await wmillDefault.getResultMaybe(byHash)) as { result: unknown }).result, 8);
  check("getRootJobId", [await wmill.getRootJobId(), await wmill.getRootJobId(byPath)], [job, job]);
  const got = await JobService.getJob({ workspace, id: byPath });
  check("getJob", [got.type, got.script_path], ["CompletedJob", "f/helpers/add"]);
  await refused("waitJob", () => wmill.runScriptByPath("f/helpers/fail"), /Boom: of the helper/);
  const hanging = await wmill.runScriptByPathAsync("f/helpers/hang");
  await wmill.setProgress(42, hanging);
  check("setProgress getProgress", await wmill.getProgress(hanging), 42);
  await wmill.cancelJob(hanging, "enough of it");
  await refused("cancelJob", () => wmill.waitJob(hanging), /enough of it/);
  const inline = { content: "export function main(n: number) { return n * 2; }", language: "bun" as const };
  check(
    "runInlineScriptPreview",
    await JobService.runScriptPreviewInline({ workspace, requestBody: { ...inline, args: { n: 21 } } }),
    42,
  );
  // Flows come later: the server says so.
  await refused("runFlow", () => wmill.runFlow("f/helpers/flow"), /.+/);
  const flow = await wmill.runFlowAsync("f/helpers/flow", {});
  if (!/Windkit/.test(flow)) throw new Error(`runFlowAsync: ${flow} should name Windkit`);
  covered.push("runFlowAsync");

  // Variables, resources, state.
  const variable = `f/helpers/variable_${place}`;
  await wmill.setVariable(variable, "one", true, "of the test");
  await wmill.setVariable(variable, "two");
  check("setVariable getVariable", await wmill.getVariable(variable), "two");
  check("setVariable", (await VariableService.getVariable({ workspace, path: variable })).is_secret, true);
  const resource = `f/helpers/resource_${place}`;
  await wmill.setResource({ n: 1 }, resource, "c_test");
  await wmill.setResource({ n: 2, secret: `$var:${variable}` }, resource);
  check("setResource getResource", await wmill.getResource(resource), { n: 2, secret: "two" });
  const listed = await ResourceService.listResource({ workspace, resourceType: "c_test" });
  check("listResources", listed.some(({ path }) => path === resource), true);
  check("resolveDefaultResource", await wmillDefault.resolveDefaultResource(`$res:${resource}`), {
    n: 2,
    secret: "two",
  });
  check(
    "databaseUrlFromResource",
    await wmillDefault.databaseUrlFromResource("f/helpers/database"),
    "postgresql://me:pass@db.example:5432/shop?sslmode=require",
  );
  await wmill.setState({ seen: 1 });
  check("setState getState", await wmill.getState(), { seen: 1 });
  await wmillDefault.setInternalState({ seen: 2 });
  check("setInternalState getInternalState", await wmillDefault.getInternalState(), { seen: 2 });
  // Only a flow has such a state, on a cluster too.
  await refused("setFlowUserState", () => wmill.setFlowUserState("key", 1, true), /Flow job not found/);
  check("getFlowUserState", await wmill.getFlowUserState("key", true), null);

  // Who and what.
  check("version getVersion", /^CE v1\.\d+/.test(await SettingsService.backendVersion()), true);
  const me = await UserService.globalWhoami();
  check("whoami user", [me.email, (await UserService.whoami({ workspace })).username], [me.email, "admin"]);
  check("usernameToEmail", await wmill.usernameToEmail("admin"), me.email);
  const made = await UserService.createToken({ requestBody: { label: "of the test" } });
  const asked2 = await fetch(`${wmill.OpenAPI.BASE}/users/whoami`, { headers: { authorization: `Bearer ${made}` } });
  check("createToken", asked2.status, 200);
  await refused("getIdToken", () => wmill.getIdToken("somebody"), /enterprise/i);

  // Files.
  const key = `official/${place} file.txt`;
  check("writeS3File", await wmill.writeS3File({ s3: key }, "hello"), { s3: key });
  check("loadS3File", new TextDecoder().decode(await wmill.loadS3File({ s3: key })), "hello");
  check("loadS3FileStream", await (await wmill.loadS3FileStream(`s3:///${key}`))?.text(), "hello");
  check("parseS3Object", wmillDefault.parseS3Object(`s3:///${key}`), { s3: key });
  const signed = await wmill.signS3Object({ s3: key });
  check("signS3Object", typeof (signed as { presigned?: string }).presigned, "string");
  check("signS3Objects", (await wmill.signS3Objects([{ s3: key }, `s3:///${key}`])).length, 2);
  const plain = `official/${place}.txt`;
  await wmill.writeS3File({ s3: plain }, new Blob(["public"]));
  const address = await wmill.getPresignedS3PublicUrl({ s3: plain });
  check("getPresignedS3PublicUrl", await (await fetch(address)).text(), "public");
  const [second = ""] = await wmill.getPresignedS3PublicUrls([`s3:///${plain}`], { expirySecs: 60 });
  check("getPresignedS3PublicUrls", await (await fetch(second)).text(), "public");
  check("getPresignedS3PublicUrls", (await fetch(`${second.slice(0, -4)}0000`)).ok, false);
  await wmill.deleteS3File({ s3: key });
  await refused("deleteS3File", () => wmill.loadS3File({ s3: key }), /Failed to load S3 file/);
  // Files of this machine are no S3: whoever asks for its settings hears what to do.
  await refused(
    "denoS3LightClientSettings",
    () => wmill.denoS3LightClientSettings(undefined as never),
    /windkit\.json/,
  );
  const settings = { workspace, requestBody: {} };
  await refused("duckdbConnectionSettings", () => HelpersService.duckdbConnectionSettingsV2(settings), /windkit\.json/);
  await refused("polarsConnectionSettings", () => HelpersService.polarsConnectionSettingsV2(settings), /windkit\.json/);
  const s3 = await wmill.denoS3LightClientSettings("$res:f/helpers/store" as never);
  check("denoS3LightClientSettings", (s3 as { bucket?: string }).bucket, "goods");
  const ofStore = { workspace, requestBody: { s3_resource_path: "f/helpers/store" } };
  const duck = await HelpersService.duckdbConnectionSettingsV2(ofStore);
  check("duckdbConnectionSettings", /s3\.example/.test(show(duck)), true);
  const polars = await HelpersService.polarsConnectionSettingsV2(ofStore);
  check("polarsConnectionSettings", /s3\.example/.test(show(polars)), true);

  // SQL.
  const sql = wmill.datatable();
  const table = `t_${place}`;
  await sql.query(`CREATE TABLE ${table} (id INT, name TEXT)`).execute();
  await sql.query(`INSERT INTO ${table} VALUES ($1, $2), (2, 'Bob')`, 1, "Ada").execute();
  check("datatable query fetch execute", await sql.query(`SELECT * FROM ${table} ORDER BY id`).fetch(), [
    { id: 1, name: "Ada" },
    { id: 2, name: "Bob" },
  ]);
  check("fetchOne", await sql`SELECT ${"x"}::text AS value`.fetchOne(), { value: "x" });
  check("fetchOneScalar", await sql`SELECT ${20}::int + 22 AS n`.fetchOneScalar(), 42);
  await refused("datatable", () => sql.query("SELECT * FROM absent").fetch(), /absent/);
  const lake = wmill.ducklake(), parts = `parts_${place}`;
  await wmill.upsertPartition({ table: parts, selectSql: "SELECT 1 AS id", partition: "a" }).execute();
  await wmill.upsertPartition({ table: parts, selectSql: "SELECT 2 AS id", partition: "a" }).execute();
  await wmill.appendPartition({ table: parts, selectSql: "SELECT 3 AS id", partition: "a" }).execute();
  check("ducklake upsertPartition appendPartition", await lake`SELECT id FROM ${lake.raw(parts)} ORDER BY id`.fetch(), [
    { id: 2 },
    { id: 3 },
  ]);

  // Approvals and triggers, of which the community edition has none by itself.
  const answer = (url: string, by: string): Promise<Response> =>
    fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: show({ by }) });
  const [resumed = job, cancelled = job, byKey = job] = asks;
  // A job that waits for nothing keeps an answer or refuses it; it is not refused for its signature.
  const taken = (response: Response): boolean => response.status === 201 || (inJob && response.status === 400);
  process.env["WM_JOB_ID"] = resumed;
  const urls = await wmill.getResumeUrls("somebody");
  check("getResumeUrls", taken(await answer(urls.resume, "resume")), true);
  check("getResumeUrls", (await answer(urls.resume.replace("somebody", "else"), "resume")).status, 401);
  process.env["WM_JOB_ID"] = cancelled;
  const endpoints = await wmillDefault.getResumeEndpoints();
  check("getResumeEndpoints", taken(await answer(endpoints.cancel, "cancel")), true);
  process.env["WM_JOB_ID"] = byKey;
  const approval = await wmill.getApprovalUrls("approval");
  check("getApprovalUrls", taken(await answer(approval.resume, "key")), true);
  check("getApprovalUrls", (await answer(`${approval.resume}0`, "key")).status, 401);
  process.env["WM_JOB_ID"] = job;
  await refused("commitKafkaOffsets", () => wmill.commitKafkaOffsets("f/a/b", "topic", 0, 1), /enterprise/i);
  process.env["WM_FLOW_STEP_ID"] = "a";
  const slack = { slackResourcePath: "f/a/b", channelId: "c" };
  process.env["WM_FLOW_JOB_ID"] = job;
  await refused("requestInteractiveSlackApproval", () => wmill.requestInteractiveSlackApproval(slack), /enterprise/i);
  const teams = { teamName: "t", channelName: "c" };
  await refused("requestInteractiveTeamsApproval", () => wmill.requestInteractiveTeamsApproval(teams), /enterprise/i);
  process.env["WM_FLOW_JOB_ID"] = "";
  const message = { requestBody: { text: "t", conversation_id: "c" } as never };
  await refused("sendTeamsMessage", () => TeamsService.sendMessageToConversation(message), /enterprise/i);

  // What is streamed, the test sees in the job's update stream.
  wmill.appendToResultStream("first ");
  async function* words(): AsyncGenerator<string> {
    yield "second ";
    yield "third";
  }
  await wmill.streamResult(words());
  if (inJob) covered.push("appendToResultStream", "streamResult");
  return { covered: [...new Set(covered)].sort(), job };
}
