/**
 * Restate: its server with its defaults (fsync of its log on) as a child, its SDK in this process. The same protocol as
 * `openworkflow.mjs`.
 *
 * Usage: restate.mjs <folder> <path of the server>
 */
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import * as restate from "@restatedev/restate-sdk";

const [folder, server] = process.argv.slice(2);
const times = { first: Infinity, last: 0 };

const bench = restate.service({
  name: "bench",
  handlers: {
    sequence: async (ctx, { steps }) => {
      let sum = 0;
      for (let i = 0; i < steps; i++) {
        sum += await ctx.run("work", () => {
          times.first = Math.min(times.first, performance.now());
          return 1;
        });
      }
      times.last = performance.now();
      return sum;
    },
  },
});

function freePort() {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

const [service, ingress, admin, node] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
await restate.serve({ services: [bench], port: service });
const child = spawn(server, ["--no-logo", "--listen-mode", "tcp"], {
  stdio: "ignore",
  env: {
    ...process.env,
    RESTATE_BASE_DIR: `${folder}/restate`,
    RESTATE_BIND_PORT: String(node),
    RESTATE_INGRESS__BIND_PORT: String(ingress),
    RESTATE_ADMIN__BIND_PORT: String(admin),
    RESTATE_BIND_IP: "127.0.0.1",
    DO_NOT_TRACK: "1",
  },
});
process.on("exit", () => child.kill("SIGKILL"));

async function post(port, path, body) {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`Restate answered ${response.status} to ${path}: ${await response.text()}`);
  return await response.json();
}

async function register() {
  for (let tries = 0;; tries++) {
    try {
      return await post(admin, "/deployments", { uri: `http://127.0.0.1:${service}` });
    } catch (error) {
      if (tries === 300 || child.exitCode !== null) throw error;
      await pause(100);
    }
  }
}

async function round(runs, steps) {
  times.first = Infinity;
  const sums = await Promise.all(Array.from({ length: runs }, () => post(ingress, "/bench/sequence", { steps })));
  if (sums.some((sum) => sum !== steps)) throw new Error(`A run gave another sum than ${steps}: ${sums}`);
  return runs * steps * 1000 / (times.last - times.first);
}

await register();
for await (const _line of createInterface({ input: process.stdin })) {
  const sequential = await round(1, 1000);
  console.log(JSON.stringify({ sequential, many: await round(100, 10) }));
}
process.exit(0);
