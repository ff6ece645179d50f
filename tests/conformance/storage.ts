/**
 * What every storage does, case by case: an adapter that passes this can be given to the engine.
 *
 * The cases use the port alone. They run wherever the adapter does, so times are not measured and nothing waits for a clock,
 * except for a watch, whose report comes when it comes.
 *
 * @module
 */
import { assert, assertEquals } from "../suite/assert.ts";
import { test } from "../suite/harness.ts";
import { journal, type PlaceFactory, type PlaceLimits, type Use } from "./_storage_kit.ts";
import { commitCases } from "./storage_commits.ts";
import { driverCases } from "./storage_drivers.ts";
import { journalCases } from "./storage_journals.ts";
import { listingCases } from "./storage_listings.ts";
import { messageCases } from "./storage_messages.ts";

export type { PlaceFactory, PlaceLimits, StoragePlace } from "./_storage_kit.ts";

/**
 * Registers the cases for one adapter.
 *
 * @param name of the adapter: starts every case's name
 * @param factory makes an empty place for each case
 * @param skip why the adapter cannot run here
 */
export function storageConformance(name: string, factory: PlaceFactory, skip?: string): void {
  /** One case in a place of its own; `storage` drives it. */
  function storageCase(title: string, use: Use, limits: PlaceLimits = {}): void {
    test(`storage ${name}: ${title}`, async () => {
      await using place = await factory(limits);
      await using storage = await place.open();
      await storage.own({ name: "conformance" });
      await use(storage, place);
    }, skip);
  }

  storageCase("an empty one has nothing and answers every question", async (storage) => {
    assertEquals(await storage.run("a"), undefined);
    assertEquals(await storage.runs({ limit: 10 }), []);
    assertEquals(await journal(storage, "a"), []);
    assertEquals(await storage.due(Number.MAX_SAFE_INTEGER, 10), []);
    assertEquals(await storage.nextWake(), undefined);
    assertEquals(await storage.inbox("a", 10), []);
    await storage.commit([]);
  });

  commitCases(storageCase);
  journalCases(storageCase);
  listingCases(storageCase);
  messageCases(storageCase);
  driverCases(storageCase);

  storageCase("the limits say how durable a commit is", (storage) => {
    const { durable, maxMessages, maxRecordBytes } = storage.limits;
    assert(["power", "process", "none"].includes(durable));
    assert(maxMessages > 0 && maxRecordBytes > 0);
    return Promise.resolve();
  });
}
