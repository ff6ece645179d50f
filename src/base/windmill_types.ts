/**
 * What a program knows about the scripts, flows, resources and variables of its workspace. It is empty here; a program
 * declares it by augmenting the package's root module:
 *
 * ```ts ignore
 * import type { Resource } from "@windkit/windmill-client"; // some import or export must be there: the file must be a module
 *
 * declare module "@windkit/windmill-client" {
 *   interface WindmillTypes {
 *     scripts: { "f/images/resize": { args: { image: string; width?: number }; result: string } };
 *     flows: { "f/team/report": { args: { day: string }; result: { rows: number } } };
 *     resources: { "u/ada/db": Resource<"postgresql"> };
 *     variables: { "f/team/region": "eu" | "us" };
 *   }
 * }
 * ```
 *
 * From then on `client.jobs.run("f/images/resize", { image })`, `runScriptByPath`, `taskScript`, `getResource("u/ada/db")` and
 * the others take and give these types, whichever subpath they are imported from. A path that is not declared takes any
 * arguments and gives `unknown`, or the type that the caller writes: `getResource<Theme>("u/ada/theme")`.
 *
 * The file must be part of the program: in Deno, import it, or name it under `compilerOptions.types` of `deno.json`; elsewhere
 * `include` of `tsconfig.json` has it.
 *
 * Several files may declare (one that a tool generates, and one by hand): `scripts` and the others can be there once, and the
 * interfaces {@linkcode WindmillScripts}, {@linkcode WindmillFlows}, {@linkcode WindmillResources} and
 * {@linkcode WindmillVariables} as often as needed; both are looked at. All files of a program name the same module, the root:
 * of two augmentations of one interface by different names (`@windkit/windmill-client` and `@windkit/windmill-client/client`),
 * TypeScript keeps one and says nothing. A package that is installed or mapped under another name is augmented by that name.
 *
 * @module
 */

/** What a program declares about its workspace, with the members `scripts`, `flows`, `resources` and `variables`. */
// deno-lint-ignore no-empty-interface -- programs fill it in
export interface WindmillTypes {}

/** Scripts by path, each `{ args, result }`; for declarations in several files. */
// deno-lint-ignore no-empty-interface -- programs fill it in
export interface WindmillScripts {}

/** Flows by path, each `{ args, result }`; for declarations in several files. */
// deno-lint-ignore no-empty-interface -- programs fill it in
export interface WindmillFlows {}

/** Types of the values of resources by path; for declarations in several files. */
// deno-lint-ignore no-empty-interface -- programs fill it in
export interface WindmillResources {}

/** Types of the values of variables by path, texts all of them; for declarations in several files. */
// deno-lint-ignore no-empty-interface -- programs fill it in
export interface WindmillVariables {}

/** What is declared of one kind, by path, wherever it is declared. */
export type Declared<Kind extends "scripts" | "flows" | "resources" | "variables"> =
  & (WindmillTypes extends { readonly [K in Kind]: infer R } ? R : Record<never, never>)
  & {
    readonly scripts: WindmillScripts;
    readonly flows: WindmillFlows;
    readonly resources: WindmillResources;
    readonly variables: WindmillVariables;
  }[Kind];

/** Paths of the scripts that are declared. */
export type ScriptPath = keyof Declared<"scripts"> & string;

/** Paths of the flows that are declared. */
export type FlowPath = keyof Declared<"flows"> & string;

/** Paths of the resources that are declared. */
export type ResourcePath = keyof Declared<"resources"> & string;

/** Paths of the variables that are declared. */
export type VariablePath = keyof Declared<"variables"> & string;

/** A path of a resource that is declared, alone or as a reference. */
export type ResourceName = ResourcePath | `$res:${ResourcePath}` | `res://${ResourcePath}`;

/** A path of a variable that is declared, alone or as a reference. */
export type VariableName = VariablePath | `$var:${VariablePath}` | `var://${VariablePath}`;

// `any` is a type that a caller may write, and TypeScript takes it for a path: of all paths, only it has `unknown` in it.

/** Arguments of the script at a path. */
export type ScriptArgs<P extends string> = P extends ScriptPath
  ? Declared<"scripts">[P] extends { readonly args: infer A extends object } ? A : object
  : object;

/** Result of the script at a path; `unknown` when it is not declared. */
export type ScriptResult<P extends string> = unknown extends P ? P
  : P extends ScriptPath ? Declared<"scripts">[P] extends { readonly result: infer R } ? R : unknown
  : unknown;

/** Arguments of the flow at a path. */
export type FlowArgs<P extends string> = P extends FlowPath
  ? Declared<"flows">[P] extends { readonly args: infer A extends object } ? A : object
  : object;

/** Result of the flow at a path; `unknown` when it is not declared. */
export type FlowResult<P extends string> = unknown extends P ? P
  : P extends FlowPath ? Declared<"flows">[P] extends { readonly result: infer R } ? R : unknown
  : unknown;

/** Value of the resource at a path; `unknown` when it is not declared. */
export type ResourceValue<P extends string> = unknown extends P ? P
  : P extends ResourcePath ? Declared<"resources">[P]
  : P extends `$res:${infer Bare}` | `res://${infer Bare}` ? ResourceValue<Bare>
  : unknown;

/** Value of the variable at a path; any text when it is not declared. */
export type VariableValue<P extends string> = P extends VariablePath ? Extract<Declared<"variables">[P], string>
  : P extends `$var:${infer Bare}` | `var://${infer Bare}` ? VariableValue<Bare>
  : string;

/** A path that is not declared: one that is takes the arguments of its declaration, and no others. */
export type OtherPath<P extends string, Known extends string> = [Known] extends [never] ? P
  : [P] extends [Known] ? never
  : P;

/** What follows the path in a call: the arguments, which may be left out when none of them is needed, and then the rest. */
export type CallArgs<A, Rest extends readonly unknown[]> = Record<never, never> extends A
  ? [args?: A | null, ...rest: Rest]
  : [args: A, ...rest: Rest];
