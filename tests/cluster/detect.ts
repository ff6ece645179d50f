/**
 * What the Bun worker does with a script's text before it runs it (wac-protocol 1.1 and 1.4): whether it is a workflow, the names
 * that it writes into the calls of `task`, the version pins that it takes out.
 *
 * @module
 */

/** True when the worker runs the script round by round. */
export function isWorkflowScript(code: string): boolean {
  let imported = false;
  let found = false;
  let block: { workflow: boolean } | undefined;
  for (const raw of code.split("\n")) {
    const line = raw.trim();
    if (line.startsWith("//")) continue;
    const workflow = line.includes("workflow");
    if (line.includes("windmill-client") && (line.startsWith("import") || line.startsWith("from"))) {
      imported = true;
      found ||= workflow;
      block = undefined;
    } else if (line.startsWith("import") && line.includes("{") && !line.includes("}")) {
      block = { workflow };
    } else if (block !== undefined) {
      block.workflow ||= workflow;
      if (line.includes("windmill-client")) {
        imported = true;
        found ||= block.workflow;
        block = undefined;
      } else if (line.includes("}")) {
        block = undefined;
      }
    }
    if (line.includes("export") && line.includes("workflow(")) found = true;
  }
  return imported && found;
}

/** Writes each task's name as the first argument of the call that makes it, where the worker does. */
export function injectTaskNames(code: string): string {
  return code.replace(
    /((?:export\s+)?\b(?:const|let|var)\s+([A-Za-z_$][\w$]*)\s*=\s*task\s*(?:<[^>]*>)?\s*\(\s*)(?=async\b)/g,
    '$1"$2", ',
  );
}

/** Takes the versions out of import specifiers: `"pkg@1.2/sub"` becomes `"pkg/sub"`. */
export function withoutVersions(code: string): string {
  return code.replace(
    /((?:\bfrom|\bimport)\s*\(?\s*["'])((?:@[^/"'@]+\/)?[^/"'@.][^/"'@]*)@[^/"']+((?:\/[^"']*)?["'])/g,
    "$1$2$3",
  );
}
