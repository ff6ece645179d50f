/**
 * The look of the pages.
 *
 * @module
 */

const DARK = `
  --bg: #121517; --panel: #191d20; --sunk: #0e1113; --ink: #e7e9ea; --soft: #a3abb2; --line: #2d3438; --edge: #7d878e;
  --accent: #73c7d4; --on-accent: #06242a; --ok: #74d09a; --bad: #ff8f86; --run: #86bbf7; --wait: #e8ba6c; --off: #a3abb2;
  --ok-bg: #16291e; --bad-bg: #331a18; --run-bg: #172738; --wait-bg: #2f2615; --off-bg: #23292d; --code-text: #9fd8b4;
  --code-value: #e8ba6c; --shadow: 0 8px 24px #0008; --shade: #000b;`;

/** The style sheet. Colours of both schemes have a contrast of at least 4.5 to 1 where they carry text. */
export const PAGE_STYLE: string = `
:root {
  color-scheme: light dark;
  --bg: #f7f5f1; --panel: #fffefb; --sunk: #f3f0ea; --ink: #1d2226; --soft: #5a6168; --line: #e3ded4; --edge: #858c92;
  --accent: #0f6472; --on-accent: #ffffff; --ok: #1b6b3d; --bad: #ad2a20; --run: #1d5ca3; --wait: #835600; --off: #5a6168;
  --ok-bg: #e4f2e8; --bad-bg: #fbe7e4; --run-bg: #e3edf8; --wait-bg: #f8eed6; --off-bg: #eceae5; --code-text: #1b6b3d;
  --code-value: #835600; --shadow: 0 8px 24px #3a30201f; --shade: #3a302040;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Cantarell, "Helvetica Neue", "DejaVu Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) { :root {${DARK} } }
*, *::before, *::after { box-sizing: border-box; }
html { scrollbar-gutter: stable; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 400 0.9375rem/1.55 var(--sans); min-height: 100vh; }
.wrap { width: 100%; max-width: 76rem; margin: 0 auto; padding: 0 1.5rem; }
main { padding-top: 2rem !important; padding-bottom: 4rem !important; outline: none; display: block; }
h1, h2, p, dl, dd, ol, ul, pre { margin: 0; }
ol, ul { padding: 0; list-style: none; }
h1 { font-size: 1.625rem; line-height: 1.25; font-weight: 650; letter-spacing: -0.015em; margin-bottom: 1.25rem; text-wrap: balance; }
h2 { font-size: 0.8125rem; font-weight: 650; letter-spacing: 0.01em; }
a { color: var(--accent); text-underline-offset: 0.2em; text-decoration-thickness: 1px; }
a:hover { text-decoration-thickness: 2px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
main:focus-visible { outline: none; }
code, pre, .mono, .name { font-family: var(--mono); }
code, .name { font-size: 0.9em; overflow-wrap: anywhere; unicode-bidi: isolate; }
h1 .name { font-size: 0.92em; letter-spacing: -0.02em; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: 1rem; top: -4rem; z-index: 9; background: var(--panel); padding: 0.5rem 1rem; border-radius: 0 0 6px 6px; }
.skip:focus { top: 0; }
.soft, .note, .hint, .kind { color: var(--soft); }
.note, .hint { font-size: 0.8125rem; }
.note { margin-top: 0.75rem; }
.panel .note:first-child, .form > .note { margin-top: 0; }
.lead { max-width: 44rem; margin-bottom: 1.25rem; color: var(--soft); overflow-wrap: anywhere; }
.title + .lead { margin-top: -0.75rem; }
.describe { max-width: 44rem; white-space: pre-line; margin-bottom: 1.25rem; overflow-wrap: anywhere; }
.narrow { max-width: 34rem; margin: 1rem auto 0; }
.narrow h1 { margin-bottom: 0.75rem; }
.eyebrow { color: var(--soft); font-size: 0.8125rem; margin-bottom: 0.25rem; }
.kind { font-size: 0.8125rem; white-space: nowrap; }

.top { background: var(--panel); border-bottom: 1px solid var(--line); }
.top .wrap { display: flex; align-items: center; gap: 0.25rem 1.75rem; min-height: 3.5rem; flex-wrap: wrap; }
.brand { display: inline-flex; align-items: center; gap: 0.5rem; color: var(--ink); font-weight: 650; text-decoration: none; letter-spacing: -0.01em; }
.kite { fill: var(--accent); } .spars { fill: none; stroke: var(--panel); stroke-width: 1.8; }
.top nav ul { display: flex; gap: 0.25rem; }
.top nav a { display: block; padding: 0.95rem 0.65rem 0.8rem; color: var(--soft); text-decoration: none; border-bottom: 2px solid transparent; }
.top nav a:hover { color: var(--ink); }
.top nav a[aria-current] { color: var(--ink); border-color: var(--accent); }
.count { display: inline-block; min-width: 1.35rem; padding: 0 0.35em; border-radius: 1em; background: var(--bad-bg); color: var(--bad); font-size: 0.75rem; line-height: 1.35rem; text-align: center; font-variant-numeric: tabular-nums; }
.where { margin-left: auto; color: var(--soft); font-size: 0.8125rem; display: flex; align-items: center; gap: 0.9rem; overflow-wrap: anywhere; }
.link { display: inline-flex; align-items: center; justify-content: flex-end; gap: 0.4rem; min-width: 7.2rem; white-space: nowrap; }
.link::before { content: ""; width: 0.5rem; height: 0.5rem; border-radius: 50%; background: var(--ok); }
.link[data-link=ended]::before { background: var(--edge); }
.link[data-link=lost] { color: var(--bad); } .link[data-link=lost]::before { background: none; border: 2px solid var(--bad); }

.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 1.125rem 1.25rem; margin-bottom: 1.25rem; min-width: 0; }
.panel-head { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; margin-bottom: 0.75rem; }
.beside { font-size: 0.8125rem; }
.empty { text-align: center; padding: 2.75rem 1.25rem; } .empty p + p { margin-top: 0.35rem; }

.state { display: inline-flex; align-items: center; gap: 0.4rem; padding: 0.15rem 0.65rem 0.15rem 0.5rem; border-radius: 2rem; font-size: 0.8125rem; font-weight: 550; white-space: nowrap; }
.mark { flex: none; width: 0.9rem; height: 0.9rem; }
.is-done { color: var(--ok); } .is-failed { color: var(--bad); } .is-running { color: var(--run); } .is-waiting { color: var(--wait); }
.is-queued, .is-scheduled, .is-canceled { color: var(--off); }
.state.is-done { background: var(--ok-bg); } .state.is-failed { background: var(--bad-bg); } .state.is-running { background: var(--run-bg); }
.state.is-waiting { background: var(--wait-bg); } .state.is-queued, .state.is-scheduled, .state.is-canceled { background: var(--off-bg); }
@media (prefers-reduced-motion: no-preference) {
  .pulse { animation: pulse 1.6s ease-in-out infinite; transform-origin: center; transform-box: fill-box; }
  @keyframes pulse { 50% { transform: scale(0.62); } }
}
.dur, time, .number, .count { font-variant-numeric: tabular-nums; }

.button, button { display: inline-block; font: inherit; font-size: 0.875rem; font-weight: 550; line-height: 1.4; padding: 0.45rem 0.9rem; border: 1px solid var(--edge); border-radius: 7px; background: var(--panel); color: var(--ink); text-decoration: none; cursor: pointer; text-align: center; }
.button:hover, button:hover { border-color: var(--ink); }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
button.primary:hover { filter: brightness(1.08); }
button.danger { color: var(--bad); border-color: var(--bad); background: transparent; }
button.danger:hover { background: var(--bad-bg); }
.button.off { visibility: hidden; }
.actions { display: flex; gap: 0.75rem; flex-wrap: wrap; margin-top: 1.5rem; }

label, legend { font-size: 0.875rem; font-weight: 550; overflow-wrap: anywhere; }
.field { margin-top: 1.125rem; min-width: 0; }
.form > .field:first-of-type { margin-top: 0; }
.field > label { display: block; margin-bottom: 0.35rem; }
input, select, textarea { font: inherit; color: var(--ink); background: var(--bg); border: 1px solid var(--edge); border-radius: 7px; padding: 0.5rem 0.7rem; width: 100%; min-height: 2.5rem; }
input[type=checkbox] { width: 1.05rem; height: 1.05rem; min-height: 0; margin: 0; flex: none; accent-color: var(--accent); }
input:not([type=checkbox]), select { height: 2.5rem; line-height: 1.4; }
textarea { resize: vertical; line-height: 1.5; display: block; } textarea.mono { font-size: 0.8125rem; }
input[aria-invalid], textarea[aria-invalid], select[aria-invalid] { border-color: var(--bad); box-shadow: inset 0 0 0 1px var(--bad); }
.check { display: flex; align-items: center; gap: 0.55rem; } .check label { font-weight: 450; }
.choices { border: 0; padding: 0; margin: 0; min-width: 0; } .choices legend { padding: 0; margin-bottom: 0.35rem; } .choices .check + .check { margin-top: 0.35rem; }
.hint { margin-top: 0.3rem; overflow-wrap: anywhere; }
.field-error { margin-top: 0.35rem; color: var(--bad); font-size: 0.8125rem; font-weight: 550; }
.needed { color: var(--soft); font-weight: 400; font-size: 0.8125rem; }
.problem { background: var(--bad-bg); color: var(--bad); border-radius: 8px; padding: 0.75rem 1rem; margin-bottom: 1.25rem; font-size: 0.875rem; }
.problem a { color: inherit; } .problem p { font-weight: 600; }
.filter { display: flex; gap: 0.9rem; flex-wrap: wrap; align-items: flex-end; margin-bottom: 1.25rem; }
.filter .field { margin: 0; } .filter .field:first-of-type { flex: 0 1 18rem; } .filter select { width: auto; min-width: 9rem; }
.filter .check, .filter button { height: 2.5rem; }

.runs, .scripts { border: 1px solid var(--line); border-radius: 10px; background: var(--panel); }
.run, .runs-head { display: grid; grid-template-columns: 8.25rem minmax(0, 1fr) 10.5rem 6.5rem 6.5rem; gap: 0 1rem; align-items: center; padding: 0.6rem 1.25rem; }
.runs-head { color: var(--soft); font-size: 0.8125rem; padding-bottom: 0.4rem; }
.run, .scripts li { position: relative; }
.run + .run, .scripts li + li { border-top: 1px solid var(--line); }
.run:first-child, .scripts li:first-child { border-radius: 10px 10px 0 0; } .run:last-child, .scripts li:last-child { border-radius: 0 0 10px 10px; }
.run:hover, .scripts li:hover { background: var(--sunk); }
.run-name a, .scripts a { color: var(--ink); text-decoration: none; font-weight: 550; }
.run-name a::after, .scripts a::after { content: ""; position: absolute; inset: 0; }
.run-when, .run-took, .run-by { color: var(--soft); font-size: 0.8125rem; overflow-wrap: anywhere; }
.runs-head span:nth-child(4), .run-took { text-align: right; }
.pager { display: flex; justify-content: space-between; align-items: center; gap: 1rem; margin-top: 1rem; font-size: 0.875rem; }

.group { margin: 1.5rem 0 0.6rem; color: var(--soft); font-weight: 550; font-size: 0.8125rem; }
.scripts li { display: grid; grid-template-columns: minmax(12rem, 2fr) 3fr 9.5rem; gap: 0 1.25rem; align-items: baseline; padding: 0.65rem 1.25rem; }
.scripts .kind { text-align: right; }
.summary { color: var(--soft); overflow-wrap: anywhere; min-width: 0; }
.problems h2 { font-size: 0.875rem; margin-bottom: 0.6rem; }

.run-top { display: flex; justify-content: space-between; align-items: flex-start; gap: 1.5rem; margin-bottom: 1.5rem; }
#run-head { min-width: 0; flex: 1; }
.title { display: flex; align-items: center; gap: 0.5rem 0.9rem; flex-wrap: wrap; margin-bottom: 1rem; } .title h1 { margin: 0; min-width: 0; }
.why { margin: -0.5rem 0 1rem; color: var(--soft); overflow-wrap: anywhere; }
.run-actions { display: flex; gap: 0.6rem; flex: none; }
.facts { display: flex; flex-wrap: wrap; gap: 0.6rem 2.25rem; font-size: 0.875rem; }
.facts dt { color: var(--soft); font-size: 0.8125rem; } .facts dd { overflow-wrap: anywhere; min-width: 4.75rem; }
.narrow .facts { margin-bottom: 1.5rem; }
.progress { display: flex; align-items: center; gap: 0.75rem; margin-top: 1rem; font-size: 0.875rem; } progress { width: min(20rem, 50vw); accent-color: var(--accent); }
.columns { display: grid; grid-template-columns: minmax(0, 1fr) 21rem; gap: 1.25rem; align-items: start; }
.columns.even { grid-template-columns: minmax(0, 1fr) minmax(0, 1.15fr); }
.id { font-size: 0.75rem; } .id code { color: var(--soft); }

.ask { position: relative; } .ask summary { list-style: none; } .ask summary::-webkit-details-marker { display: none; }
.ask-form { position: absolute; right: 0; top: calc(100% + 0.5rem); width: min(20rem, calc(100vw - 2rem)); z-index: 5; background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 1.125rem; box-shadow: var(--shadow); }
.ask-form .actions { margin-top: 1rem; }

pre { background: var(--sunk); border-radius: 7px; padding: 0.8rem 1rem; font-size: 0.8125rem; line-height: 1.55; overflow: auto; max-height: 32rem; white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 2; unicode-bidi: isolate; }
.code { white-space: pre; overflow-wrap: normal; }
.log { min-height: 6rem; max-height: 36rem; overflow-anchor: none; }
.log:empty::before { content: attr(data-empty); color: var(--soft); font-family: var(--sans); }
.j-name { color: var(--accent); } .j-text { color: var(--code-text); } .j-value { color: var(--code-value); }
details > summary { cursor: pointer; font-size: 0.8125rem; color: var(--soft); } details.ask > summary { color: var(--ink); font-size: 0.875rem; }
.panel details { margin-top: 0.75rem; } .panel details > *:not(summary) { margin-top: 0.5rem; }
.error-name { color: var(--bad); font-weight: 650; margin-bottom: 0.5rem; overflow-wrap: anywhere; }
.error-text { background: var(--bad-bg); color: var(--ink); }
.args > div + div { margin-top: 0.75rem; } .args dt { font-size: 0.8125rem; color: var(--soft); overflow-wrap: anywhere; unicode-bidi: isolate; }
.args pre { margin-top: 0.25rem; max-height: 16rem; }
.picture { max-width: 100%; height: auto; border-radius: 7px; }
.note + pre { margin-top: 0.6rem; }
.scroll { overflow: auto; max-height: 32rem; border: 1px solid var(--line); border-radius: 7px;
  background: linear-gradient(90deg, var(--panel) 40%, transparent) 0 0 / 3rem 100% no-repeat local, linear-gradient(-90deg, var(--panel) 40%, transparent) 100% 0 / 3rem 100% no-repeat local,
    linear-gradient(90deg, var(--shade), transparent) 0 0 / 1rem 100% no-repeat scroll, linear-gradient(-90deg, var(--shade), transparent) 100% 0 / 1rem 100% no-repeat scroll; }
table { border-collapse: collapse; width: max-content; min-width: 100%; font-size: 0.8125rem; }
th, td { text-align: left; padding: 0.45rem 0.8rem; border-bottom: 1px solid var(--line); vertical-align: top; max-width: 22rem; overflow-wrap: break-word; }
tr:last-child td { border-bottom: 0; }
th { position: sticky; top: 0; background: var(--sunk); font-weight: 600; } .number { text-align: right; } td.code { font-family: var(--mono); font-size: 0.75rem; white-space: pre-wrap; } td.none { color: var(--soft); }

.entry { display: grid; grid-template-columns: minmax(9rem, 17rem) minmax(0, 1fr) 6.25rem; gap: 0.25rem 1.25rem; align-items: center; padding: 0.42rem 0; }
.entry + .entry { border-top: 1px solid var(--line); }
.entry-name { display: flex; align-items: baseline; gap: 0.55rem; min-width: 0; } .entry-name .mark { position: relative; top: 0.12rem; } .entry-label { min-width: 0; }
.entry-time { text-align: right; font-size: 0.8125rem; color: var(--soft); } .entry-bar { line-height: 0; }
.entry-more { grid-column: 1 / -1; padding-left: 1.45rem; margin-bottom: 0.25rem; }
.bar .track { fill: var(--line); } .bar .wait { fill: var(--edge); opacity: 0.55; } .bar .fill { fill: currentColor; } .bar.of-sleep .fill, .bar.of-approval .fill, .bar.of-event .fill { fill: color-mix(in srgb, currentColor 50%, var(--panel)); }
.axis { display: flex; justify-content: space-between; gap: 1rem; color: var(--soft); font-size: 0.8125rem; padding-top: 0.6rem; border-top: 1px solid var(--line); }

@media (max-width: 58rem) {
  .columns, .columns.even { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .columns .panel { margin-bottom: 1rem; } .columns > * > .note:last-child { margin-bottom: 1rem; }
  .run, .runs-head { grid-template-columns: 8.25rem minmax(0, 1fr) 10.5rem 6rem; } .run-by, .runs-head span:nth-child(5) { display: none; }
}
@media (max-width: 40rem) {
  .wrap { padding: 0 1rem; } main { padding-top: 1.25rem !important; }
  .top .wrap { padding-top: 0.6rem; gap: 0 1rem; } .where { gap: 0.7rem; } .top nav { order: 3; width: 100%; margin: 0 -0.65rem; } .top nav a { padding: 0.6rem 0.65rem 0.55rem; }
  .run-top { flex-direction: column; gap: 1rem; } .run-actions { width: 100%; } .ask-form { right: auto; left: 0; }
  #run-head { width: 100%; } .facts { gap: 0.6rem 1.5rem; }
  .panel { padding: 1rem; }
  .runs-head { display: none; }
  .run { grid-template-columns: minmax(0, 1fr) auto; gap: 0.35rem 0.75rem; padding: 0.75rem 1rem; } .run-name { grid-row: 1; grid-column: 1 / -1; } .run-took { display: none; }
  .run-when { text-align: right; }
  .scripts li { grid-template-columns: minmax(0, 1fr) auto; padding: 0.75rem 1rem; } .scripts .summary { grid-row: 2; grid-column: 1 / -1; }
  .filter .field { flex: 1 1 8rem; } .filter .field:first-of-type { flex: 1 1 100%; } .filter .field:first-of-type:nth-last-child(2) { flex: 1 1 8rem; } .filter select { width: 100%; min-width: 0; }
  .filter .check { order: 2; flex: 1 1 100%; height: auto; padding: 0.35rem 0; }
  .entry { grid-template-columns: minmax(0, 1fr) auto; } .entry-bar { grid-column: 1 / -1; grid-row: 2; } .entry-more { padding-left: 0; }
}
`;
