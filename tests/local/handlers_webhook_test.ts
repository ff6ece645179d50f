/** A webhook in front of the local server: the script gets the event that Windmill's own webhooks give, once for one message. */
import { deepStrictEqual as equal, match } from "node:assert/strict";
import { createHmac } from "node:crypto";
import { github, webhook, type WebhookTarget } from "../../src/handlers/mod.ts";
import { type WorkflowServer, workflowServer } from "./_workflow_kit.ts";

const SCRIPT = `
export async function preprocessor(event: { kind: string }) {
  return { event, by: "preprocessor" };
}
export async function main(event: unknown, by = "nobody") {
  return { event, by };
}
`;

function signed(body: string, delivery: string): Request {
  return new Request("https://edge.test/hook?from=github", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "x-github-delivery": delivery,
      "x-github-event": "push",
      authorization: "Bearer of-somebody",
      "x-hub-signature-256": `sha256=${createHmac("sha256", "sec").update(body).digest("hex")}`,
    },
    body,
  });
}

function handlerOf({ url, token }: WorkflowServer, run: WebhookTarget) {
  return webhook({ verify: github(), secret: "sec", run, client: { baseUrl: url, workspace: "ws", token } });
}

Deno.test("webhook handler: a script of the local server runs once for one message, whoever starts it", async () => {
  await using server = await workflowServer({ files: { "f/hook/take.bun.ts": SCRIPT } });
  const body = '{"ref":"main"}';
  const isolates = [1, 2, 3].map(() => handlerOf(server, { script: "f/hook/take" }));
  const answers = await Promise.all(isolates.map((handler) => handler(signed(body, "d1"))));
  const ids = await Promise.all(answers.map(async (answer) => [answer.status, await answer.json()] as const));
  const { jobId } = ids[0]?.[1] as { jobId: string };
  equal(ids, [1, 2, 3].map(() => [200, { jobId }]));
  match(jobId, /^[\da-f]{8}-[\da-f]{4}-8/);
  const job = await server.ended(jobId);
  const { event, by } = job.result as { event: Record<string, unknown>; by: string };
  const { headers, ...rest } = event;
  equal([by, rest], ["nobody", {
    kind: "webhook",
    body: { ref: "main" },
    raw_string: null,
    query: { from: "github" },
  }]);
  equal((headers as Record<string, string>)["x-github-event"], "push");
  equal("authorization" in (headers as object), false);
  equal(server.list().length, 1);
  // Another message is another job; a script that is not there is told, and comes again.
  const other = await isolates[0]?.(signed(body, "d2"));
  equal((await other?.json() as { jobId: string }).jobId === jobId, false);
  const missing = await handlerOf(server, { script: "f/hook/none" })(signed(body, "d3"));
  equal([missing.status, await missing.json()], [502, {
    error: { name: "WindmillApiError", message: "Windmill answered 404" },
  }]);
  equal(server.reported, []);
});
