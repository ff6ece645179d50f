/**
 * A real Chromium for tests of pages, told what to do over its own protocol: no package of its own, and no waiting but for what the
 * page says.
 */
import { existsSync } from "node:fs";

/** Where Chromium is; undefined when the machine has none. `WINDKIT_CHROMIUM` names another one. */
export function findChromium(): string | undefined {
  const named = Deno.env.get("WINDKIT_CHROMIUM");
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  const places = [named ?? "", ...names.flatMap((name) => folders.map((folder) => `${folder}/${name}`))];
  return places.find((path) => path !== "" && existsSync(path));
}

/** How a page is shown. */
export interface View {
  readonly width: number;
  readonly height: number;
  readonly dark?: boolean;
}

/** One page of the browser. */
export interface Tab {
  /** Opens an address; resolves when it is loaded. */
  go(url: string): Promise<void>;
  /** Runs an expression in the page and gives its value. Promises are awaited. */
  run<T>(expression: string): Promise<T>;
  /** Resolves when an expression is true; it is looked at again whenever the page draws. */
  until(expression: string): Promise<void>;
  /** Does something that leads to another page; resolves when that is loaded. */
  following(act: () => Promise<unknown>): Promise<void>;
  view(view: View): Promise<void>;
  /** Presses a key: `Tab`, `Enter`, `Escape`, ` `. */
  press(key: string): Promise<void>;
  /** Types a text where the focus is. */
  type(text: string): Promise<void>;
  /** Writes a picture of the whole page. */
  screenshot(file: string): Promise<void>;
  /** What the page's console said of errors, policies that were broken among them. */
  readonly complaints: string[];
  /** Resolves when there is such a complaint: it may come after the page is loaded. */
  complained(of: RegExp): Promise<void>;
  /** Dialogs that opened: a script of a hostile text would open one. */
  readonly dialogs: string[];
}

/** A browser. */
export interface Browser extends AsyncDisposable {
  /** A new page, with cookies of its own. */
  open(): Promise<Tab>;
}

/** Longest time that anything may take: then the test fails, and says what it waited for. */
const LIMIT_MS = 20_000;

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  // deno-lint-ignore no-explicit-any -- the protocol's messages, of a hundred shapes
  readonly params?: any;
  // deno-lint-ignore no-explicit-any -- the protocol's messages, of a hundred shapes
  readonly result?: any;
  readonly error?: { readonly message: string };
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${LIMIT_MS / 1000} s for ${what}`)), LIMIT_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Starts a browser. */
export async function openBrowser(program: string): Promise<Browser> {
  const profile = await Deno.makeTempDir({ prefix: "windkit-chromium-" });
  const child = new Deno.Command(program, {
    args: [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--no-first-run",
      "--no-default-browser-check",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-extensions",
      // Windows that lie behind another are drawn all the same, and their timers are not slowed down.
      "--disable-background-timer-throttling",
      "--disable-backgrounding-occluded-windows",
      "--disable-renderer-backgrounding",
      "--hide-scrollbars",
      "--force-color-profile=srgb",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
      "about:blank",
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const found = Promise.withResolvers<string>();
  let text = "";
  const said = (async () => {
    for await (const piece of child.stderr.pipeThrough(new TextDecoderStream())) {
      text = (text + piece).slice(-20_000);
      const [, url] = /DevTools listening on (ws:\S+)/.exec(text) ?? [];
      if (url !== undefined) found.resolve(url);
    }
    found.reject(new Error(`Chromium ended: ${text}`));
  })();
  const socket = new WebSocket(await within(found.promise, "Chromium to start"));
  const opened = Promise.withResolvers<void>();
  socket.addEventListener("open", () => opened.resolve(), { once: true });
  socket.addEventListener("error", () => opened.reject(new Error("Chromium cannot be reached")), { once: true });
  await within(opened.promise, "Chromium to answer");

  let last = 0;
  const calls = new Map<number, (message: Message) => void>();
  const sessions = new Map<string, (message: Message) => void>();
  const closed = new Promise<void>((resolve) => socket.addEventListener("close", () => resolve(), { once: true }));
  // Nothing answers any more: what is waited for is told so at once.
  const lost = closed.then((): never => {
    throw new Error(`Chromium ended: ${text}`);
  });
  lost.catch(() => {}); // at the end nobody waits
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(data) as Message;
    if (message.id !== undefined) calls.get(message.id)?.(message);
    else if (message.sessionId !== undefined) sessions.get(message.sessionId)?.(message);
  });
  // deno-lint-ignore no-explicit-any -- the protocol's answers, of a hundred shapes
  async function call(method: string, params: unknown = {}, sessionId?: string, what = method): Promise<any> {
    const id = ++last;
    const answer = new Promise<Message>((resolve) => calls.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params, ...(sessionId !== undefined && { sessionId }) }));
    const { result, error } = await within(Promise.race([answer, lost]), what);
    calls.delete(id);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  async function open(): Promise<Tab> {
    const { browserContextId } = await call("Target.createBrowserContext");
    const { targetId } = await call("Target.createTarget", { url: "about:blank", browserContextId });
    const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
    const complaints: string[] = [], dialogs: string[] = [];
    // The document that was loaded last. One that was loaded earlier may be told of late.
    let shown: string | undefined;
    let onLoad: (() => void) | undefined, onComplaint: (() => void) | undefined;
    function complain(text: string): void {
      complaints.push(text);
      onComplaint?.();
    }
    const send = (method: string, params: unknown = {}, what?: string) => call(method, params, sessionId, what);
    sessions.set(sessionId, ({ method, params }) => {
      if (method === "Page.lifecycleEvent" && params.name === "load" && params.frameId === targetId) {
        shown = params.loaderId;
        onLoad?.();
      }
      if (method === "Runtime.exceptionThrown") complain(JSON.stringify(params.exceptionDetails));
      if (method === "Log.entryAdded" && params.entry.level === "error") complain(params.entry.text);
      if (method === "Page.javascriptDialogOpening") {
        dialogs.push(params.message);
        void send("Page.handleJavaScriptDialog", { accept: true });
      }
    });
    for (const domain of ["Page", "Runtime", "Log"]) await send(`${domain}.enable`);

    async function loading(isIt: (loader: string | undefined) => boolean): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      onLoad = () => isIt(shown) && resolve();
      onLoad();
      await within(Promise.race([promise, lost]), "a page to load");
      onLoad = undefined;
    }
    async function complained(of: RegExp): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>();
      onComplaint = () => complaints.some((text) => of.test(text)) && resolve();
      onComplaint();
      await within(Promise.race([promise, lost]), `a complaint like ${of}`);
      onComplaint = undefined;
    }
    async function go(url: string): Promise<void> {
      const { loaderId, errorText } = await send("Page.navigate", { url });
      if (errorText !== undefined) throw new Error(`${url}: ${errorText}`);
      await loading((loader) => loader === loaderId);
    }
    async function following(act: () => Promise<unknown>): Promise<void> {
      const before = shown;
      await act();
      await loading((loader) => loader !== before);
    }
    await send("Page.setLifecycleEventsEnabled", { enabled: true });
    // What was opened is loaded as well: its end is nobody else's.
    await loading((loader) => loader !== undefined);
    async function run<T>(expression: string, what = expression): Promise<T> {
      const { result, exceptionDetails } = await send("Runtime.evaluate", {
        expression,
        awaitPromise: true,
        returnByValue: true,
        userGesture: true,
      }, what);
      if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
      return result.value as T;
    }
    return {
      complaints,
      complained,
      dialogs,
      following,
      run,
      go,
      until: (expression) =>
        run<void>(
          `new Promise((resolve) => {
            const look = () => (${expression}) ? resolve() : setTimeout(look, 16);
            look();
          })`,
          expression,
        ),
      view: async ({ width, height, dark = false }) => {
        await send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
        await send("Emulation.setEmulatedMedia", {
          features: [
            { name: "prefers-color-scheme", value: dark ? "dark" : "light" },
            { name: "prefers-reduced-motion", value: "reduce" },
          ],
        });
      },
      press: async (key) => {
        const codes: Record<string, number> = { Tab: 9, Enter: 13, Escape: 27, " ": 32 };
        const about = { key, code: key === " " ? "Space" : key, windowsVirtualKeyCode: codes[key] };
        await send("Input.dispatchKeyEvent", { type: "keyDown", ...about, ...(key === "Enter" && { text: "\r" }) });
        await send("Input.dispatchKeyEvent", { type: "keyUp", ...about });
      },
      type: (text) => send("Input.insertText", { text }),
      screenshot: async (file) => {
        const { data } = await send("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
        await Deno.writeFile(file, Uint8Array.from(atob(data), (char) => char.charCodeAt(0)));
      },
    };
  }

  return {
    open,
    [Symbol.asyncDispose]: async () => {
      // It may be gone before it has answered.
      await Promise.race([call("Browser.close"), closed]).catch(() => child.kill("SIGKILL"));
      await within(Promise.all([child.status, said, closed]), "Chromium to end");
      await Deno.remove(profile, { recursive: true });
    },
  };
}
