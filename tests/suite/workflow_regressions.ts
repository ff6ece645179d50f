/** Cases that were found wrong once: mixtures of primitives at their edges. */
import { step, workflow } from "@windkit/windmill-client/workflow";
import { bothWays, createGate, settledKeys } from "./_engine_kit.ts";
import { assertEquals } from "./assert.ts";
import { test } from "./harness.ts";

test("replay: a step that ends while its run is being replayed is not run again", async () => {
  let runs = 0;
  const { value, records } = await bothWays(() => {
    const gate = createGate();
    runs = 0;
    return {
      main: workflow(async () => {
        const second = step("second", () => {
          runs++;
          return gate.promise;
        });
        await step("first", () => 1);
        // Each time that the body comes here: with "always", in a replay.
        gate.open();
        await second;
        return runs;
      }),
    };
  });
  assertEquals([value, runs, settledKeys(records)], [1, 1, ["first", "second"]]);
});
