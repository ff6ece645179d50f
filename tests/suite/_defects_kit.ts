/**
 * What the cases about the official client's defects share: the top level, with a server in memory.
 *
 * @module
 */
import { setClient } from "@windkit/windmill-client/compat";
import { type Seen, serve, type Stub } from "./_client_kit.ts";

/** Runs `use` with the top level going to a server in memory. */
export async function topLevel(
  handler: (request: Seen) => Response,
  use: (stub: Stub) => Promise<unknown>,
): Promise<void> {
  const stub = serve(handler);
  await through(stub, () => use(stub));
}

/** Runs `use` with the top level going to a stub. */
export async function through(stub: Pick<Stub, "fetch">, use: () => Promise<unknown>): Promise<void> {
  const before = globalThis.fetch;
  globalThis.fetch = stub.fetch as typeof fetch;
  setClient("tok", "http://stub.test", "ws");
  try {
    await use();
  } finally {
    globalThis.fetch = before;
    setClient();
  }
}
