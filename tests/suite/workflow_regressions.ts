/** Cases that were found wrong once: mixtures of primitives at their edges. */
import { step, workflow } from "@windkit/windmill-client/workflow";
import { bothWays, createGate, fromEveryCut, settledKeys } from "./_engine_kit.ts";
import { assertEquals } from "./assert.ts";
import { test } from "./harness.ts";

function fail(message: string): () => never {
  return () => {
    throw new Error(message);
  };
}

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

test("undo: of a run that a failure nobody awaited has failed, after a crash within the undos", async () => {
  const { error, records } = await fromEveryCut(() => ({
    main: workflow(async () => {
      await step("a", () => 1, { undo: () => 1 });
      await step("b", () => 1, { undo: () => 1 });
      void step("lost", fail("Lost"));
    }),
  }));
  assertEquals(error?.message, "Lost");
  assertEquals(settledKeys(records), ["a", "b", "lost", "b#undo", "a#undo"]);
});
