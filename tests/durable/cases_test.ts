/**
 * The storage's conformance suite, whole, and every workflow of the suite that is the same both ways, inside a Durable Object in
 * workerd.
 */
import { deepStrictEqual, ok } from "node:assert";
import { bundled, startWorkerd, temporaryFolder } from "./_workerd.ts";

interface Verdict {
  readonly status: string;
  readonly detail?: string;
  readonly compared: number;
}

Deno.test("in a Durable Object: the storage's conformance, and the suite's workflows with equal journals", async (t) => {
  await using folder = await temporaryFolder();
  await using worker = await startWorkerd({
    code: await bundled("cases_worker.ts"),
    objects: { CASE: "Case" },
    persist: folder.path,
  });
  const plan: readonly { readonly name: string }[] = await worker.ask("/plan");
  const verdicts: Verdict[] = [];
  for (const { name } of plan) {
    await t.step(name, async () => {
      const verdict: Verdict = await worker.ask(`/case?${new URLSearchParams({ name })}`);
      verdicts.push(verdict);
      if (verdict.status === "failed") throw new Error(verdict.detail);
    });
  }
  const compared = verdicts.reduce((n, v) => n + v.compared, 0);
  ok(compared > 130, `Only ${compared} workflows were compared`);
  deepStrictEqual(verdicts.filter((v) => v.status === "skipped"), []);
});
