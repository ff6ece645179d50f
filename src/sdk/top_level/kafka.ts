/**
 * Kafka offsets under the official client's names, with its arguments and units (seconds), on the client that the environment
 * describes or {@linkcode setClient} set. Options after the official arguments are additions.
 *
 * What they do differently from the official client, all of them: an error status is an error (WindmillApiError with status and
 * body), paths are encoded, a missing workspace, token or job id is a ConfigurationError before any request, `""` in the
 * environment is unset, and calls have time limits, repetition where it is safe, and signals.
 *
 * @module
 */
import type { CallOptions } from "../../http/transport.ts";
import { defaultClient } from "../default_client.ts";
import { commitOffset } from "../kafka.ts";

/**
 * Commits the offset of a message, for a trigger that does not commit by itself.
 *
 * @param triggerPath `trigger_path` of the event
 * @param topic topic of the event
 * @param partition partition of the event
 * @param offset offset of the event, above 2^53 - 1 as a bigint: the official client takes a number, which is not exact there
 */
export function commitKafkaOffsets(
  triggerPath: string,
  topic: string,
  partition: number,
  offset: number | bigint,
  options?: CallOptions,
): Promise<void> {
  return commitOffset(defaultClient(), triggerPath, { topic, partition, offset }, options);
}
