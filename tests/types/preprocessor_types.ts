/**
 * Events of triggers, told apart by their kind. `deno check` of this file is the test: it never runs.
 *
 * @module
 */
import {
  decodePayload,
  definePreprocessor,
  type EventOf,
  type KafkaEvent,
  type PayloadEvent,
  type PreprocessorEvent,
  type PreprocessorKind,
  type ScriptArgs,
} from "@windkit/windmill-client";
import { expectType, type Holds, type Same } from "./_same.ts";
import type {} from "./declared_types.ts";

/** Each line holds, or this file does not compile. */
export type Cases = [
  Holds<
    Same<
      PreprocessorKind,
      | "webhook"
      | "http"
      | "websocket"
      | "kafka"
      | "email"
      | "nats"
      | "postgres"
      | "sqs"
      | "mqtt"
      | "gcp"
      | "azure"
      | "amqp"
    >
  >,
  Holds<Same<EventOf<"kafka">, KafkaEvent>>,
  Holds<Same<PayloadEvent["kind"], "kafka" | "nats" | "mqtt" | "gcp" | "amqp">>,
  Holds<Same<PayloadEvent["payload"], string>>,
];

/** Every kind has its branch: one that were missing would leave something else than `never`. */
export function preprocessor(event: PreprocessorEvent): Record<string, unknown> {
  switch (event.kind) {
    case "webhook":
      expectType<unknown>()(event.body);
      expectType<string | null>()(event.raw_string);
      // @ts-expect-error -- a webhook has no trigger
      return { path: event.trigger_path };
    case "http":
      expectType<"get" | "post" | "put" | "delete" | "patch">()(event.method);
      return { route: event.route, id: event.params.id };
    case "websocket":
      return { text: event.msg, url: event.url };
    case "kafka":
      return { topic: event.topic, offset: event.offset + 1, order: decodePayload<{ id: number }>(event, "json").id };
    case "email":
      return { text: event.parsed_email.text_body, files: event.parsed_email.attachments.map((file) => file.body) };
    case "nats":
      return { first: event.headers?.subject?.[0], text: decodePayload(event, "text").trim() };
    case "postgres":
      expectType<"insert" | "update" | "delete">()(event.transaction_type);
      return { ...event.row, before: event.old_row ?? null };
    case "sqs":
      return { text: event.msg, kind: event.message_attributes?.kind?.string_value };
    case "mqtt":
      expectType<0 | 1 | 2>()(event.qos);
      return { properties: event.v5?.user_properties, bytes: decodePayload(event).length };
    case "gcp":
      return { id: event.message_id, way: event.delivery_type };
    case "azure":
      expectType<string | undefined>()(event.trigger_path);
      // @ts-expect-error -- its payload is not always in base 64
      decodePayload(event);
      return { type: event.type, data: event.payload };
    case "amqp":
      return { queue: event.queue_name, again: event.redelivered };
    default:
      expectType<never>()(event);
      return event;
  }
}

const one = definePreprocessor((event) => ({ kind: event.kind }));
expectType<(event: PreprocessorEvent) => { kind: PreprocessorKind }>()(one);

const kafkaOnly = definePreprocessor((event: KafkaEvent) => Promise.resolve({ topic: event.topic }));
expectType<(event: KafkaEvent) => Promise<{ topic: string }>>()(kafkaOnly);

const table = definePreprocessor({ http: (event) => ({ id: event.params.id }), kafka: (e) => ({ id: e.topic }) });
expectType<string | undefined>()(table({} as PreprocessorEvent).id);

definePreprocessor<ScriptArgs<"f/types/more">>({ kafka: (event) => ({ n: event.offset }) });
// @ts-expect-error -- not the arguments of that script
definePreprocessor<ScriptArgs<"f/types/more">>({ kafka: (event) => ({ n: event.topic }) });
// @ts-expect-error -- there is no such kind
definePreprocessor({ pigeon: () => ({}) });
// @ts-expect-error -- a preprocessor gives arguments
definePreprocessor(() => 1);
