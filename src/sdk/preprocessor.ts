/**
 * Preprocessors: the function of a script or flow that turns the event of a trigger into arguments.
 *
 * @module
 */
import type { EventOf, PayloadEvent, PreprocessorEvent, PreprocessorKind } from "./preprocessor_events.ts";

/** Functions by the kind of event that they take. */
export type PreprocessorTable<Args> = {
  readonly [Kind in PreprocessorKind]?: (event: EventOf<Kind>) => Args;
};

/**
 * Gives a function its types: the event, by kind, and the arguments that it must give. It gives the function back as it is; a
 * table of functions by kind becomes one that picks, and refuses kinds that are not in it.
 *
 * The server finds a preprocessor in the text of a script, and only in the form `export function preprocessor(event)` or
 * `export async function preprocessor(event)`: a constant of that name is not found, and its events are lost. So export a
 * function that calls what this gives.
 *
 * @param handler the function, or functions by kind
 * @returns a function of an event
 *
 * @example Arguments of an order, from two triggers
 * ```ts
 * import { decodePayload, definePreprocessor, type PreprocessorEvent } from "@windkit/windmill-client";
 *
 * const toOrder = definePreprocessor<{ id: string }>({
 *   http: (event) => ({ id: event.params.id ?? "" }),
 *   kafka: (event) => ({ id: decodePayload(event, "text") }),
 * });
 *
 * export function preprocessor(event: PreprocessorEvent) {
 *   return toOrder(event);
 * }
 *
 * const order = preprocessor({
 *   kind: "kafka",
 *   trigger_path: "f/shop/orders",
 *   payload: btoa("order 7"),
 *   brokers: ["kafka:9092"],
 *   topic: "orders",
 *   partition: 0,
 *   offset: 41,
 *   group_id: "shop",
 * });
 * if (order.id !== "order 7") throw new Error(order.id);
 * ```
 */
export function definePreprocessor<Args extends object>(
  handler: PreprocessorTable<Args>,
): (event: PreprocessorEvent) => Args;
/** The same for one function of all kinds, or of those that its parameter names. */
export function definePreprocessor<Args extends object, Event extends PreprocessorEvent = PreprocessorEvent>(
  handler: (event: Event) => Args,
): (event: Event) => Args;
export function definePreprocessor(
  handler: PreprocessorTable<object> | ((event: PreprocessorEvent) => object),
): (event: PreprocessorEvent) => object {
  if (typeof handler === "function") return handler;
  return (event) => {
    const kind = event?.kind;
    if (!Object.hasOwn(handler, kind)) {
      const known = Object.keys(handler).join(", ");
      throw new TypeError(`Cannot preprocess an event of kind ${JSON.stringify(kind)}: expected one of ${known}`);
    }
    // `as`: what is found under a kind takes the events of that kind; the table's type says so.
    return (handler[kind] as (event: PreprocessorEvent) => object)(event);
  };
}

/**
 * Decodes the payload of an event of Kafka, NATS, MQTT, Google Pub/Sub or AMQP, which comes in base 64.
 *
 * @param event the event
 * @param form bytes, text (UTF-8) or JSON
 * @returns the payload
 * @throws TypeError when the payload is not in that form
 *
 * @example JSON of Kafka
 * ```ts
 * import { decodePayload } from "@windkit/windmill-client";
 *
 * const event = { kind: "kafka", payload: btoa('{"id": 7}') } as const;
 * const order = decodePayload<{ id: number }>(event, "json");
 * if (order.id !== 7) throw new Error("another order");
 * ```
 */
export function decodePayload(event: Pick<PayloadEvent, "kind" | "payload">, form?: "bytes"): Uint8Array<ArrayBuffer>;
/** The same as text. */
export function decodePayload(event: Pick<PayloadEvent, "kind" | "payload">, form: "text"): string;
/** The same as JSON. The type is the caller's word: nothing checks it. */
export function decodePayload<T = unknown>(event: Pick<PayloadEvent, "kind" | "payload">, form: "json"): T;
export function decodePayload(
  { kind, payload }: Pick<PayloadEvent, "kind" | "payload">,
  form: "bytes" | "text" | "json" = "bytes",
): unknown {
  try {
    const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
    if (form === "bytes") return bytes;
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return form === "text" ? text : JSON.parse(text);
  } catch {
    // The parsers' own words quote the payload, and with it perhaps a secret.
    throw new TypeError(`Cannot decode the payload of the ${kind} event: expected ${form} in base 64`);
  }
}
