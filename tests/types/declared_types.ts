/**
 * What a program declares about its workspace, by the root's name, types what it imports from the root and from each subpath.
 * `deno check` of this file and the next is the test: it never runs.
 *
 * @module
 */
import {
  type Client,
  getResource,
  getVariable,
  type Resource,
  type ResourceValue,
  runFlow,
  runFlowAsync,
  runScriptByPath,
  runScriptByPathAsync,
  type ScriptArgs,
  type ScriptResult,
  taskFlow,
  taskScript,
  type VariableValue,
} from "@windkit/windmill-client";
import { type Client as SubpathClient, createClient } from "@windkit/windmill-client/client";
import { taskScript as subpathTaskScript } from "@windkit/windmill-client/workflow";
import { expectType, type Holds, type Same } from "./_same.ts";
// A second file that declares, as a tool would write it.
import type {} from "./declared_types_more.ts";

interface Theme {
  readonly dark: boolean;
}

/** Arguments whose type is an interface: it has no index signature. */
interface Resize {
  image: string;
  width?: number;
}

declare module "@windkit/windmill-client" {
  interface WindmillTypes {
    scripts: {
      "f/types/resize": { args: Resize; result: { readonly bytes: number } };
      "f/types/no_needs": { args: { days?: number }; result: string[] };
      "f/types/no_args": { result: 7 };
      "f/types/no_result": { args: { x: 1 } };
      "f/types/length": { args: { length: string }; result: null };
    };
    flows: { "f/types/report": { args: { day: string }; result: Date["getTime"] extends () => infer N ? N : never } };
    resources: { "u/types/db": Resource<"postgresql">; "u/types/theme": Theme };
    variables: { "f/types/region": "eu" | "us"; "f/types/text": string };
  }
}

/** Each line holds, or this file does not compile. */
export type Lookups = [
  Holds<Same<ScriptArgs<"f/types/resize">, Resize>>,
  Holds<Same<ScriptArgs<"f/types/no_args">, object>>,
  Holds<Same<ScriptResult<"f/types/resize">, { readonly bytes: number }>>,
  Holds<Same<ScriptResult<"f/types/no_result">, unknown>>,
  Holds<Same<ScriptResult<"f/types/nowhere">, unknown>>,
  Holds<Same<ScriptResult<"f/types/more">, "more">>,
  Holds<Same<ScriptResult<string>, unknown>>,
  Holds<Same<ResourceValue<"u/types/theme">, Theme>>,
  Holds<Same<ResourceValue<"$res:u/types/theme">, Theme>>,
  Holds<Same<ResourceValue<"res://u/types/db">, Resource<"postgresql">>>,
  Holds<Same<ResourceValue<"u/types/nowhere">, unknown>>,
  Holds<Same<VariableValue<"f/types/region">, "eu" | "us">>,
  Holds<Same<VariableValue<"var://f/types/region">, "eu" | "us">>,
  Holds<Same<VariableValue<"f/types/nowhere">, string>>,
  Holds<Same<Client, SubpathClient>>,
];

/** Never called: its types are what is looked at. */
export async function declared(): Promise<void> {
  const { jobs, resources, variables } = createClient();
  expectType<{ readonly bytes: number }>()(await jobs.run("f/types/resize", { image: "a" }));
  expectType<{ readonly bytes: number }>()(await jobs.run("f/types/resize", { image: "a", width: 1 }, { tag: "gpu" }));
  expectType<string>()(await jobs.start("f/types/resize", { image: "a" }, { scheduledInSeconds: 1 }));
  expectType<string[]>()(await jobs.run("f/types/no_needs"));
  expectType<string[]>()(await jobs.run("f/types/no_needs", null, { timeoutMs: 1 }));
  expectType<7>()(await jobs.run("f/types/no_args", { any: "thing" }));
  expectType<unknown>()(await jobs.run("f/types/no_result", { x: 1 }));
  expectType<null>()(await jobs.run("f/types/length", { length: "1 m" }));
  expectType<number>()(await jobs.runFlow("f/types/report", { day: "today" }));
  expectType<string>()(await jobs.startFlow("f/types/report", { day: "today" }));
  expectType<"more">()(await jobs.run("f/types/more", { n: 1 }));
  expectType<boolean>()(await jobs.runFlow("f/types/more_flow"));

  expectType<{ readonly bytes: number }>()(await runScriptByPath("f/types/resize", { image: "a" }, true, "gpu"));
  expectType<string>()(await runScriptByPathAsync("f/types/resize", { image: "a" }, 5, null));
  expectType<number>()(await runFlow("f/types/report", { day: "today" }));
  expectType<string>()(await runFlowAsync("f/types/report", { day: "today" }, null, false));

  expectType<{ readonly bytes: number }>()(await taskScript("f/types/resize", { timeout: 1 })({ image: "a" }));
  expectType<{ readonly bytes: number }>()(await subpathTaskScript("f/types/resize")({ image: "a" }));
  expectType<string[]>()(await taskScript("f/types/no_needs")());
  expectType<number>()(await taskFlow("f/types/report")({ day: "today" }));

  expectType<Resource<"postgresql">>()(await getResource("u/types/db"));
  expectType<Theme>()(await getResource("$res:u/types/theme", false, { raw: true }));
  expectType<Theme | undefined>()(await getResource("u/types/theme", true));
  expectType<Theme>()(await resources.get("u/types/theme"));
  expectType<Theme | undefined>()(await resources.find("u/types/theme"));
  expectType<URL>()(await getResource("u/types/more"));
  expectType<"eu" | "us">()(await getVariable("f/types/region"));
  expectType<"eu" | "us">()(await variables.get("$var:f/types/region"));
  expectType<string>()(await variables.get("f/types/text"));
  expectType<"a" | "b">()(await variables.get("f/types/more"));

  // @ts-expect-error -- an argument of another type
  await jobs.run("f/types/resize", { image: 1 });
  // @ts-expect-error -- an argument that is not there
  await jobs.run("f/types/resize", { image: "a", height: 1 });
  // @ts-expect-error -- an argument that is needed
  await jobs.run("f/types/resize", {});
  // @ts-expect-error -- arguments that are needed
  await jobs.run("f/types/resize");
  // @ts-expect-error -- no arguments where some are needed
  await jobs.run("f/types/resize", null);
  // @ts-expect-error -- an argument of another type
  await runScriptByPath("f/types/resize", { image: 1 });
  // @ts-expect-error -- an argument of another type
  await runFlow("f/types/report", { day: 1 });
  // @ts-expect-error -- an argument of another type
  await taskScript("f/types/resize")({ image: 1 });
  // @ts-expect-error -- a theme is no database
  (await getResource("u/types/theme")).host;
  // @ts-expect-error -- there may be none
  (await resources.find("u/types/theme")).dark;
}

/** Never called, as above. */
export async function others(path: string, either: "f/types/resize" | "f/types/no_needs"): Promise<void> {
  const { jobs, resources, variables } = createClient();
  expectType<unknown>()(await jobs.run("f/types/nowhere", { x: 1 }));
  expectType<unknown>()(await jobs.run(path));
  expectType<unknown>()(await jobs.run(`f/types/${path}`, null, { tag: "t" }));
  expectType<number>()(await jobs.run<number>("f/types/nowhere", { x: 1 }));
  expectType<Theme>()(await jobs.runFlow<Theme>(path));
  expectType<number>()(await runScriptByPath<number>("f/types/nowhere", { x: 1 }, true));
  expectType<unknown>()(await runFlow("f/types/nowhere"));
  expectType<unknown>()(await runFlow(null));
  expectType<string>()(await runFlowAsync(null, null));
  expectType<string>()(await jobs.start(path, new Resizing()));
  expectType<unknown>()(await taskScript("./module.ts")(1, "two", { three: 3 }));
  expectType<unknown>()(await taskFlow(path)({ x: 1 }));

  expectType<unknown>()(await getResource("u/types/nowhere"));
  expectType<unknown>()(await getResource());
  expectType<Theme>()(await getResource<Theme>("u/types/nowhere"));
  expectType<Theme>()(await getResource<Theme>(path, true));
  expectType<unknown>()(await resources.get(path));
  expectType<Theme | undefined>()(await resources.find<Theme>(path));
  const inferred: Theme = await getResource("u/types/nowhere");
  expectType<string>()(await getVariable("f/types/nowhere"));
  expectType<string>()(await variables.get(path));

  // A type that the caller writes counts, also for a path that is declared: it is the caller's word, as before.
  expectType<Date>()(await getResource<Date>("u/types/theme"));
  expectType<Date>()(await jobs.run<Date>("f/types/resize", { another: true }));
  // deno-lint-ignore no-explicit-any -- programs that move over write it
  expectType<any>()(await getResource<any>("u/types/theme"));
  // deno-lint-ignore no-explicit-any -- as above
  expectType<any>()(await jobs.run<any>("f/types/resize", { image: "a" }));
  // deno-lint-ignore no-explicit-any -- as above
  expectType<any>()(await resources.find<any>(path));

  // One of several paths takes what fits one of them, and gives what any of them gives.
  expectType<{ readonly bytes: number } | string[]>()(await jobs.run(either, { image: "a" }));
  console.log(inferred);
}

/** A wrapper of the kind that programs have: the type is a parameter of its own. */
export async function load<T>(path: string): Promise<T> {
  return await getResource<T>(path) ?? await createClient().jobs.run<T>(path);
}

/** Its fields are arguments, and its type has no index signature. */
class Resizing implements Resize {
  image = "a";
}

expectType<object>()(new Resizing() as object);

/** What is not declared is `unknown`, not `any`: these lines do not compile otherwise. */
export async function unknowns(): Promise<void> {
  // @ts-expect-error -- nothing is known about it
  (await getResource("u/types/nowhere")).dark;
  // @ts-expect-error -- nothing is known about it
  (await createClient().jobs.run("f/types/nowhere")).dark;
  // @ts-expect-error -- nothing is known about it
  (await taskScript("f/types/nowhere")()).dark;
}
