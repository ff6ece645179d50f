/**
 * What is not there, and why: a file that does not parse is there for whoever wrote it, and saying so saves a search.
 *
 * @module
 */
import { notFound, type Refusal } from "../../wire/refusal.ts";
import type { Folder } from "../ports.ts";

/**
 * The refusal of something that is not there.
 *
 * @param folder where it was looked for
 * @param kind what it is
 * @param name its path or name
 * @param words what a Windmill server says
 */
export function absent(
  folder: Pick<Folder, "problemOf">,
  kind: Parameters<Folder["problemOf"]>[0],
  name: string,
  words: string,
): Refusal {
  const problem = folder.problemOf(kind, name);
  return notFound(problem === undefined ? words : `${words}: ${problem.file}: ${problem.message}`);
}
