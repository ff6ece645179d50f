/**
 * Addresses of objects: for whoever has a signature, or a token.
 *
 * @module
 */
import { Hono } from "hono";
import { Refusal } from "../../wire/refusal.ts";
import { findCaller } from "../auth.ts";
import { checkSignature } from "../objects/signature.ts";
import type { ServerContext } from "../ports.ts";
import { answerObject } from "./_object.ts";

function decoded(run: string): string {
  try {
    return decodeURIComponent(run);
  } catch (error) {
    // As it is: it is no encoded text.
    void error;
    return run;
  }
}

/**
 * Texts that a part of an address may stand for: what it says, then what it is as it stands. The official clients encode no key, so that
 * a `%` in it may mean itself; the signature says which of them is meant.
 */
function meanings(text: string): readonly string[] {
  const said = text.replace(/(?:%[0-9a-f]{2})+/gi, decoded);
  return said === text ? [text] : [said, text];
}

/** The addresses of objects. */
export function s3ProxyRoutes({ objects, secrets, now }: ServerContext): Hono {
  const app = new Hono();
  app.get("/w/:workspace/s3_proxy/*", async (c) => {
    const url = new URL(c.req.url);
    const [, name = "", path = ""] = /\/s3_proxy\/([^/]*)\/(.+)$/s.exec(url.pathname) ?? [];
    const storage = meanings(name)[0], keys = meanings(path);
    const sig = url.searchParams.get("sig"), exp = url.searchParams.get("exp") ?? "";
    let [key] = keys;
    if (sig !== null) {
      const checked = keys.map((one) => ({
        one,
        problem: checkSignature(secrets.signingKey, { key: one, storage }, { exp, sig, nowMs: now() }),
      }));
      const good = checked.find(({ problem }) => problem !== "wrong");
      if (good === undefined) throw new Refusal(401, "Not authorized: Invalid signature");
      if (good.problem === "expired") throw new Refusal(401, "Not authorized: Signature expired");
      key = good.one;
    } else if (findCaller(c.req.raw) === undefined) {
      throw new Refusal(401, "Not authorized: Missing signature");
    }
    if (key === undefined || key === "") throw new Refusal(404, "Not found: the address has no key of an object");
    return await answerObject(c.req.raw, objects.storage(storage), key);
  });
  return app;
}
