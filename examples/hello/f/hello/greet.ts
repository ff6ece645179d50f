import { sleep, step, task, workflow } from "windmill-client";

const compose = task(async (name: string) => `Hello, ${name}!`);

const shout = task(async (text: string) => text.toUpperCase());

export const main = workflow(async (name: string = "world") => {
  const at = await step("greeted_at", () => new Date().toISOString());
  const greeting = await compose(name);
  await sleep(1);
  return { greeting: await shout(greeting), at };
});
