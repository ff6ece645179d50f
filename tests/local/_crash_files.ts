/** Scripts of the tests that kill a server. */
import type { FakeFiles } from "./_fakes.ts";

/** Some end at once, some take a while, some fail, some never end unless they are begun again. */
export function crashFiles(hangs = true, began: (n: unknown) => void = () => {}): FakeFiles {
  return {
    "f/quick": ({ n }) => n,
    "f/slow": ({ n }) => new Promise((resolve) => setTimeout(() => resolve(n), 30)),
    "f/fail": () => Promise.reject(new Error("of itself")),
    "f/hang": ({ n }) => {
      began(n);
      return hangs ? new Promise(() => {}) : n;
    },
  };
}
