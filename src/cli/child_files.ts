/**
 * Files of the workflows that a workflow file starts: `childWorkflow` names them by path, as it does on a cluster.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import type { WorkflowFunction } from "../engine/api.ts";
import { hashSource, loadWorkflow } from "./load_workflow.ts";
import { findScript, type Place } from "./workspace.ts";

/** A name that is written where it is used: others are not known before the call. */
const CALL = /\bchildWorkflow\s*(?:<[^>()]*>)?\s*\(\s*(["'`])((?:(?!\1)[^\\$])*)\1/g;

/** Workflows by name, and the hashes of their files. */
export interface Children {
  readonly workflows: Readonly<Record<string, WorkflowFunction>>;
  readonly sources: Readonly<Record<string, string>>;
}

/**
 * Loads what a workflow file starts, and what those start.
 *
 * @param place the file
 * @returns those of the workspace; a name that no file has is an error where it is called
 */
export async function loadChildren(place: Place): Promise<Children> {
  const workflows: Record<string, WorkflowFunction> = {};
  const sources: Record<string, string> = {};
  const seen = new Set([place.name]);
  const queue = [place.file];
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    for (const name of childNames(readFileSync(file, "utf8"))) {
      if (seen.has(name)) continue;
      seen.add(name);
      const child = findScript(place.root, name);
      if (child === undefined) continue;
      const found: Place = { file: child, root: place.root, name };
      const { workflow } = await loadWorkflow(found, relative(place.root, child));
      workflows[name] = workflow;
      sources[name] = hashSource(child);
      queue.push(child);
    }
  }
  return { workflows, sources };
}

/**
 * Names that a file's text starts workflows by.
 *
 * @param source the text
 * @returns each once
 */
function childNames(source: string): readonly string[] {
  return [...new Set([...source.matchAll(CALL)].map(([, , name = ""]) => name))];
}
