/**
 * The script of the pages: live updates, durations that count up, forms that are sent once. Pages work without it.
 *
 * @module
 */

/** Text of the script. It makes no HTML of its own: parts come from the server, texts are set as texts. */
export const PAGE_SCRIPT: string = `"use strict";
(() => {
  const body = document.body, said = document.getElementById("said"), link = document.getElementById("link");
  const policy = globalThis.trustedTypes?.createPolicy("windkit", { createHTML: (text) => text }) ??
    { createHTML: (text) => text };
  const ahead = Number(body.dataset.now) - Date.now();
  const MAX_LOG_NODES = 2000;

  function durationText(ms) {
    const whole = Math.max(0, Math.round(ms));
    if (whole < 1000) return whole + " ms";
    if (whole < 10000) return (Math.floor(whole / 100) / 10).toFixed(1) + " s";
    const seconds = Math.floor(whole / 1000);
    if (seconds < 60) return seconds + " s";
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return minutes + " min " + seconds % 60 + " s";
    const hours = Math.floor(minutes / 60);
    return hours < 48 ? hours + " h " + minutes % 60 + " min" : Math.floor(hours / 24) + " d " + hours % 24 + " h";
  }
  setInterval(() => {
    for (const one of document.querySelectorAll("[data-since]")) {
      one.textContent = durationText(Date.now() + ahead - Number(one.dataset.since));
    }
  }, 500);

  function say(text) {
    if (text !== undefined && said.textContent !== text) said.textContent = text;
  }

  // What was opened stays open, what had the focus keeps it, what was scrolled stays where it was.
  function replace(id, text) {
    const holder = document.getElementById(id);
    if (holder === null) return;
    const focused = document.activeElement, had = holder.contains(focused);
    const key = had ? focused.id : "", order = had ? [...holder.querySelectorAll("*")].indexOf(focused) : -1;
    const open = [...holder.querySelectorAll("details")].map((one) => one.open);
    const places = [...holder.querySelectorAll("pre, .scroll")].map((one) => [one.scrollTop, one.scrollLeft]);
    const spoke = holder.querySelector("[data-say]")?.dataset.say;
    holder.innerHTML = policy.createHTML(text);
    [...holder.querySelectorAll("details")].forEach((one, at) => one.open = open[at] ?? false);
    [...holder.querySelectorAll("pre, .scroll")].forEach((one, at) => {
      if (places[at] !== undefined) [one.scrollTop, one.scrollLeft] = places[at];
    });
    if (had) {
      const again = (key !== "" && document.getElementById(key)) || holder.querySelectorAll("*")[order];
      if (again !== undefined && again !== null) again.focus({ preventScroll: true });
      if (document.activeElement === body) document.getElementById("main").focus({ preventScroll: true });
    }
    const head = holder.querySelector("[data-title]");
    if (head !== null) document.title = head.dataset.title;
    const now = holder.querySelector("[data-say]")?.dataset.say;
    if (now !== spoke) say(now);
  }

  function addLog(text) {
    const log = document.getElementById("log");
    if (log === null) return;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
    log.append(document.createTextNode(text));
    while (log.childNodes.length > MAX_LOG_NODES) log.firstChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  function show(state) {
    if (link === null) return;
    link.dataset.link = state;
    link.textContent = state === "live" ? "live" : state === "ended" ? "ended" : "not connected";
  }

  const log = document.getElementById("log");
  if (log !== null) log.scrollTop = log.scrollHeight;

  // A browser has few connections to one server, and every open page wants one: hidden ones give theirs back after a while.
  const HIDDEN_MS = 20000, AGAIN_MS = 4000;
  let source, seen, ended = body.dataset.events === undefined, hiding, again;

  function disconnect() {
    clearTimeout(again);
    source?.close();
    source = undefined;
  }
  function connect() {
    if (ended || source !== undefined) return;
    const url = new URL(body.dataset.events, location.href);
    if (seen !== undefined) url.searchParams.set("log", seen);
    const opened = source = new EventSource(url);
    opened.addEventListener("open", () => show("live"));
    opened.addEventListener("error", () => {
      show("lost");
      // Refused for good: the server was started again, or the session is over.
      if (opened.readyState !== EventSource.CLOSED || source !== opened) return;
      disconnect();
      again = setTimeout(connect, AGAIN_MS);
    });
    opened.addEventListener("parts", (event) => {
      for (const [id, text] of Object.entries(JSON.parse(event.data))) replace(id, text);
    });
    opened.addEventListener("log", (event) => {
      seen = event.lastEventId;
      addLog(JSON.parse(event.data));
    });
    opened.addEventListener("end", () => {
      ended = true;
      disconnect();
      if (log !== null) log.dataset.empty = "It wrote nothing.";
      show("ended");
    });
  }
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(disconnect, HIDDEN_MS);
    else connect();
  });
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });
  connect();

  document.getElementById("form-problem")?.focus();

  addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent === "true") return event.preventDefault();
    form.dataset.sent = "true";
    setTimeout(() => delete form.dataset.sent, 5000);
  });

  addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const asked = document.querySelector("details.ask[open]");
    if (asked === null) return;
    asked.open = false;
    asked.querySelector("summary").focus();
  });
})();
`;
