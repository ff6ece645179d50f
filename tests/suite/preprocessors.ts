/** Preprocessors: what `definePreprocessor` gives, and payloads in base 64. */
import { decodePayload, definePreprocessor, type PreprocessorEvent } from "@windkit/windmill-client";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { test } from "./harness.ts";

const kafka = {
  kind: "kafka",
  trigger_path: "f/shop/orders",
  payload: btoa('{"id":7}'),
  brokers: ["kafka:9092"],
  topic: "orders",
  partition: 0,
  offset: 41,
  group_id: "shop",
} as const satisfies PreprocessorEvent;
const websocket = {
  kind: "websocket",
  trigger_path: "f/shop/socket",
  msg: "hello",
  url: "wss://shop.example",
} as const satisfies PreprocessorEvent;

test("definePreprocessor(): a function comes back as it is", () => {
  const handler = (event: PreprocessorEvent) => ({ kind: event.kind });
  assert(definePreprocessor(handler) === handler);
});

test("definePreprocessor(): a table picks by kind, and gives what is returned, promises too", async () => {
  const pick = definePreprocessor<object | Promise<object>>({
    kafka: (event) => ({ topic: event.topic }),
    websocket: (event) => Promise.resolve({ text: event.msg }),
  });
  assertEquals(pick(kafka), { topic: "orders" });
  assertEquals(await pick(websocket), { text: "hello" });
});

test("definePreprocessor(): a kind that is not in the table is refused by its name, inherited names too", async () => {
  const pick = definePreprocessor({ kafka: () => ({}), mqtt: () => ({}) });
  for (const kind of ["websocket", "toString", "constructor", "__proto__", undefined, 7]) {
    // `as`: what no server sends.
    const error = await assertRejects(() => pick({ ...websocket, kind } as unknown as PreprocessorEvent));
    assertEquals(
      error.message,
      `Cannot preprocess an event of kind ${JSON.stringify(kind)}: expected one of kafka, mqtt`,
    );
    assert(error instanceof TypeError);
  }
  await assertRejects(() => pick(undefined as unknown as PreprocessorEvent), undefined, "of kind undefined");
});

test("decodePayload(): bytes, text and JSON, of each kind that has one", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
  const payload = btoa(String.fromCharCode(...bytes));
  for (const kind of ["kafka", "nats", "mqtt", "gcp", "amqp"] as const) {
    assertEquals(decodePayload({ kind, payload }), bytes);
    assertEquals(decodePayload({ kind, payload }, "bytes"), bytes);
    assertEquals(decodePayload({ kind, payload: "w7xiZXIg8J+MjQ==" }, "text"), "über 🌍");
    assertEquals(decodePayload({ kind, payload: "" }, "text"), "");
    assertEquals(decodePayload<{ id: number }>({ kind, payload: kafka.payload }, "json").id, 7);
  }
});

test("decodePayload(): a payload in another form is an error that does not quote it", async () => {
  const secret = "s3cr3t!";
  for (
    const [payload, form] of [
      [secret, "bytes"],
      [btoa("\xff\xfe"), "text"],
      [btoa(`{"token": ${secret}`), "json"],
      [undefined, "bytes"],
    ] as const
  ) {
    // `as`: what no server sends.
    const event = { kind: "nats", payload } as unknown as { kind: "nats"; payload: string };
    const error = await assertRejects(() => decodePayload(event, form as "text"));
    assertEquals(error.message, `Cannot decode the payload of the nats event: expected ${form} in base 64`);
    assert(error instanceof TypeError && error.cause === undefined);
  }
});
