/**
 * Variables under the official client's names, with its arguments and units (seconds), on the client that the environment
 * describes or {@linkcode setClient} set. Options after the official arguments are additions.
 *
 * What they do differently from the official client, all of them: an error status is an error (WindmillApiError with status and
 * body), paths are encoded, a missing workspace, token or job id is a ConfigurationError before any request, `""` in the
 * environment is unset, and calls have time limits, repetition where it is safe, and signals.
 *
 * @module
 */
import type { VariableName, VariableValue } from "../../base/windmill_types.ts";
import type { CallOptions } from "../../http/transport.ts";
import { defaultClient } from "../default_client.ts";
import { readVariable, variableReference, writeVariable } from "../variables.ts";

/**
 * Reads the value of a variable, decrypted. `var://path` and `$var:path` name it too; the official client knows the first
 * only, and turns every failure into one that says "not found".
 *
 * @param path path of the variable
 * @returns its value
 */
export function getVariable<P extends VariableName>(path: P, options?: CallOptions): Promise<VariableValue<P>>;
/** The same for a variable that is not declared in {@linkcode WindmillTypes}. */
export function getVariable(path: string, options?: CallOptions): Promise<string>;
export function getVariable(path: string, options?: CallOptions): Promise<string> {
  return readVariable(defaultClient(), path, options);
}

/**
 * Writes the value of a variable, and creates it if there is none. One that somebody else creates meanwhile is updated, where
 * the official client fails.
 *
 * @param isSecretIfNotExist whether a new one is a secret
 * @param descriptionIfNotExist description of a new one
 */
export function setVariable(
  path: string,
  value: string,
  isSecretIfNotExist: boolean = false,
  descriptionIfNotExist: string = "",
): Promise<void> {
  return writeVariable(defaultClient(), path, value, {
    isSecret: isSecretIfNotExist,
    description: descriptionIfNotExist,
    keepExisting: true,
  });
}

/** Gives the path that a `var://` or `$var:` reference names; undefined for other texts. */
export function parseVariableSyntax(text: string): string | undefined {
  return variableReference(text);
}
