/** The stream of the running job's result: what a worker reads from the lines of the console. */
import { appendToResultStream, createClient, streamResult } from "@windkit/windmill-client";
import { assert, assertEquals, assertRejects } from "./assert.ts";
import { test } from "./harness.ts";

/** What `write` writes on the console, as bytes would have it: half a character is none. */
async function written(write: () => unknown): Promise<string> {
  const lines: string[] = [];
  const before = console.log;
  console.log = (...words: unknown[]) => lines.push(`${words.join(" ")}\n`);
  try {
    await write();
  } finally {
    console.log = before;
  }
  return new TextDecoder().decode(new TextEncoder().encode(lines.join("")));
}

/** What a worker makes of the console: each line by itself, its end CR LF or LF, two characters back to a line end. */
function stream(output: string): string {
  return output.split(/\r?\n/).filter((line) => line.startsWith("WM_STREAM: "))
    .map((line) => line.slice("WM_STREAM: ".length).replaceAll("\\n", "\n")).join("");
}

const texts = [
  "plain",
  "",
  "two\nlines\n",
  "\n",
  "a\\nb",
  "\\n",
  "\\\\n",
  "\\\n",
  "\\",
  "n",
  "C:\\new\\names\n",
  "WM_STREAM: x",
];

test("appendToResultStream() writes lines of which a worker makes the same text", async () => {
  for (const text of texts) assertEquals(stream(await written(() => appendToResultStream(text))), text);
  assertEquals(await written(() => appendToResultStream("")), "");
  assertEquals(await written(() => appendToResultStream("a\nb")), "WM_STREAM: a\\nb\n");
  const whole = await written(() => texts.forEach((text) => appendToResultStream(text)));
  assertEquals(stream(whole), texts.join(""));
});

test("appendToResultStream() begins a new line when told to", async () => {
  const output = await written(() => appendToResultStream("a\\nb", { freshLine: true }));
  assertEquals([output, stream(`partial${output}`)], ["\nWM_STREAM: a\\\n\nWM_STREAM: nb\n", "a\\nb"]);
});

test("appendToResultStream() refuses what is no text", async () => {
  const error = await assertRejects(() => appendToResultStream(7 as unknown as string), undefined, "Expected a text");
  assert(error instanceof TypeError);
});

async function* later(parts: readonly string[]): AsyncGenerator<string> {
  for (const part of parts) {
    await undefined;
    yield part;
  }
}

test("streamResult() takes iterables of both kinds, and streams", async () => {
  const readable = new ReadableStream<string>({
    start(control) {
      for (const text of texts) control.enqueue(text);
      control.close();
    },
  });
  for (const source of [texts, new Set(texts), later(texts), readable as unknown as AsyncIterable<string>]) {
    const expected = source instanceof Set ? [...source].join("") : texts.join("");
    assertEquals(stream(await written(() => streamResult(source))), expected);
  }
});

test("streamResult() keeps characters and line ends whole that two texts share", async () => {
  for (const whole of ["a\u{1F600}b\u{1F600}", "a\r\nb\r\n\rc", "\u{1F600}", "x\\n\r\ny"]) {
    for (const size of [1, 2, 3]) {
      const parts: string[] = [];
      for (let at = 0; at < whole.length; at += size) parts.push(whole.slice(at, at + size));
      assertEquals(
        stream(await written(() => streamResult(later(parts)))),
        whole,
        `${JSON.stringify(whole)} by ${size}`,
      );
    }
  }
});

test("streamResult() writes each text as it comes, and passes on what its source throws", async () => {
  const output = await written(async () => {
    async function* failing(): AsyncGenerator<string> {
      yield "a";
      throw new RangeError("no more");
    }
    const error = await assertRejects(() => streamResult(failing()), undefined, "no more");
    assert(error instanceof RangeError);
  });
  assertEquals(stream(output), "a");
  const refused = await assertRejects(() => streamResult([7] as unknown as string[]), undefined, "Expected a text");
  assert(refused instanceof TypeError);
});

test("resultStream: a client has both", async () => {
  const { append, pipe } = createClient().resultStream;
  const output = await written(async () => {
    append("a");
    await pipe(["b", "c"]);
  });
  assertEquals(stream(output), "abc");
});
