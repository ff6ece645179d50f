/**
 * Every function of every official service, called with every argument it has, side by side with the official client: both must
 * ask for the same. What is asked by id must be the same again.
 */
import assert from "node:assert/strict";
import * as official from "official-windmill-client";
import * as compat from "../../src/compat/mod.ts";
import { createApi, operations } from "../../src/sdk/api.ts";
import { snakeOf } from "../../src/wire/operations.ts";
import { servedBy } from "./_served_by.ts";

interface Asked {
  readonly method: string;
  /** Address below `/api`, its query in alphabetical order. */
  readonly target: string;
  readonly type: string | null;
  readonly body: string;
}

type Call = (data: Readonly<Record<string, unknown>>) => Promise<unknown>;
type AnyService = Readonly<Record<string, Call>>;

/** Official functions that ask for another address than the server has, and the right one. */
const WRONG_PATHS: Readonly<Record<string, readonly [string, string]>> = {
  "JobService.runCodeWorkflowTask": ["/jobs/workflow_as_code/", "/jobs/run/workflow_as_code/"],
};

/** Runs calls one after the other, with `fetch` replaced, and gives what each of them asked for. */
async function record(call: () => Promise<unknown>): Promise<Asked> {
  const seen: Asked[] = [];
  await servedBy((url, init) => {
    const { pathname, searchParams } = new URL(url);
    searchParams.sort();
    const headers = new Headers(init.headers);
    const { body } = init;
    seen.push({
      method: init.method ?? "GET",
      target: `${decodeURIComponent(pathname)}?${searchParams}`,
      type: headers.get("content-type"),
      body: body instanceof FormData ? JSON.stringify([...body]) : `${body ?? ""}`,
    });
    return Promise.resolve(new Response("{}", { headers: { "content-type": "application/json" } }));
  }, call);
  assert.equal(seen.length, 1);
  return seen[0] as Asked;
}

/** A value for an argument: text that says which it is. As a body it is JSON, and where a file is sent it is the file. */
function valueFor(argument: string): unknown {
  if (argument === "formData") return { app: { a: 1 }, js: "text", none: null };
  return `the ${argument}`;
}

/** The names of the arguments that an official function looks at. */
async function argumentsOf(call: Call): Promise<readonly string[]> {
  const names = new Set<string>();
  const data = new Proxy({}, {
    get: (_, name) => {
      names.add(String(name));
      return valueFor(String(name));
    },
  });
  await record(() => call(data));
  return [...names];
}

function servicesOf(module: object): ReadonlyMap<string, AnyService> {
  const found = Object.entries(module).filter(([name]) => name.endsWith("Service"));
  return new Map(found as [string, AnyService][]);
}

function functionNames(service: object): string[] {
  return Object.getOwnPropertyNames(service).filter((name) => !["length", "name", "prototype"].includes(name)).sort();
}

const services = servicesOf(official);
official.OpenAPI.BASE = "http://stub.test/api";
official.OpenAPI.TOKEN = "tok";

Deno.test("services: the names are those of the official client, and so are those of their functions", () => {
  const names = [...services].map(([name, service]) => [name, functionNames(service)]).sort();
  const own = [...servicesOf(compat)].map(([name, service]) => [name, functionNames(service)]).sort();
  assert.deepEqual(own, names);
  assert.equal([...services.values()].flatMap(functionNames).length, 912);
});

for (const [name, service] of services) {
  Deno.test(`services: ${name} asks for what the official one does, and the same by id`, async () => {
    compat.setClient("tok", "http://stub.test");
    const api = createApi(
      { baseUrl: "http://stub.test", token: "tok", workspace: "none", retry: { attempts: 1 } },
      operations,
    );
    const own = compat as unknown as Readonly<Record<string, AnyService>>;
    for (const id of functionNames(service)) {
      const theirs = service[id] as Call;
      const data = Object.fromEntries((await argumentsOf(theirs)).map((argument) => [argument, valueFor(argument)]));
      const wanted = await record(() => theirs(data));
      const [wrong, right] = WRONG_PATHS[`${name}.${id}`] ?? ["", ""];
      const expected = { ...wanted, target: wanted.target.replace(wrong, right) };
      const found = await record(() => own[name]?.[id]?.(data) ?? Promise.reject(new Error("There is none")));
      assert.deepEqual(found, expected, `${name}.${id}`);

      const { path = "" } = operations.find(id) ?? {};
      const params = { path: {} as Record<string, unknown>, query: {} as Record<string, unknown> };
      for (const [argument, value] of Object.entries(data)) {
        if (argument === "requestBody" || argument === "formData") continue;
        const plain = argument.replace("_", ""), wire = path.includes(`{${plain}}`) ? plain : snakeOf(plain);
        params[path.includes(`{${wire}}`) ? "path" : "query"][wire] = value;
      }
      const form = data.formData === undefined ? undefined : formOf(data.formData);
      const body = form ?? data.requestBody;
      const call = api.call as (id: string, options: unknown) => Promise<unknown>;
      const byId = await record(() => call(id, { params, ...(body === undefined ? {} : { body }) }));
      assert.deepEqual(byId, expected, id);
    }
    compat.setClient();
  });
}

function formOf(fields: unknown): FormData {
  const form = new FormData();
  form.append("app", JSON.stringify((fields as { readonly app: unknown }).app));
  form.append("js", (fields as { readonly js: string }).js);
  return form;
}

Deno.test("services: a body of JSON is what the official client sends", async () => {
  compat.setClient("tok", "http://stub.test");
  for (const requestBody of [{ a: [1, null, undefined], b: undefined }, "text", 0, false, []]) {
    const data = { workspace: "ws", path: "f/a", requestBody };
    const wanted = await record(() => (services.get("JobService")?.runScriptByPath as Call)(data));
    assert.deepEqual(await record(() => (compat.JobService.runScriptByPath as unknown as Call)(data)), wanted);
    assert.equal(wanted.type, "application/json");
  }
  compat.setClient();
});
