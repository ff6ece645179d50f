/**
 * Offsets of Kafka triggers that do not commit by themselves.
 *
 * @module
 */
import { encodePath } from "../base/url.ts";
import { type CallOptions, send } from "../http/transport.ts";
import { readDone } from "../wire/plain.ts";
import { callSince } from "./_needs_version.ts";
import { type ClientOptions, inWorkspace, prepare, withBody } from "./connection.ts";

/** A message that was dealt with, as the trigger's event names it. */
export interface KafkaOffset {
  /** Name of the topic. */
  readonly topic: string;
  /** Number of the partition, from 0 to 2^31 - 1. */
  readonly partition: number;
  /** Offset of the message, from 0 to 2^63 - 1; above 2^53 - 1 as a bigint, for a number is not exact there. */
  readonly offset: number | bigint;
}

/** The digits of a whole number from 0 to `most`. */
function digits(value: number | bigint, name: string, most: bigint): string {
  const whole = typeof value === "bigint" || Number.isSafeInteger(value);
  if (!whole || value < 0 || value > most) {
    throw new RangeError(
      `'${name}' must be a whole number from 0 to ${most} (above 2^53 - 1 a bigint): current value is ${value}`,
    );
  }
  // A number may be -0, which JSON knows as 0 too.
  return `${BigInt(value)}`;
}

/** Commits an offset for a trigger; the listener goes by the highest one that it was given. */
export async function commitOffset(
  client: ClientOptions,
  triggerPath: string,
  { topic, partition, offset }: KafkaOffset,
  options?: CallOptions,
): Promise<void> {
  if (typeof topic !== "string" || topic === "") {
    throw new TypeError(`'topic' must be text: current value is ${JSON.stringify(topic)}`);
  }
  const route = inWorkspace(client, `kafka_triggers/commit_offsets/${encodePath(triggerPath, "Kafka trigger")}`);
  // By hand: JSON.stringify refuses a bigint, and a number would lose its last digits.
  const body = `{"topic":${JSON.stringify(topic)},"partition":${digits(partition, "partition", 0x7fff_ffffn)},` +
    `"offset":${digits(offset, "offset", 0x7fff_ffff_ffff_ffffn)}}`;
  const call = prepare(client, { method: "POST", route, idempotent: true }, options);
  const answer = await callSince(
    client,
    "commitKafkaOffsets()",
    "1.655.0",
    options,
    () => send(withBody(call, body, "application/json")),
  );
  readDone(answer);
}

/** Offsets of Kafka triggers. */
export interface KafkaGroup {
  /** Commits the offset of a message, for a trigger that does not commit by itself. */
  readonly commitOffset: (triggerPath: string, message: KafkaOffset, options?: CallOptions) => Promise<void>;
}

/** The functions of this group for one client. */
export function kafkaGroup(c: ClientOptions): KafkaGroup {
  return { commitOffset: (triggerPath, message, o) => commitOffset(c, triggerPath, message, o) };
}
