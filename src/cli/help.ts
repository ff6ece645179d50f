/**
 * Help texts.
 *
 * @module
 */

/** What `windkit help TOPIC` knows. */
export const HELP_TOPICS = [
  "windkit",
  "run",
  "dev",
  "runs",
  "runs list",
  "runs show",
  "runs prune",
  "runs remove",
  "runs export",
  "runs import",
  "runs fork",
  "approve",
  "signal",
  "cancel",
  "capture",
  "check",
  "doctor",
  "exit-codes",
] as const;

/** One of {@linkcode HELP_TOPICS}. */
export type HelpTopic = typeof HELP_TOPICS[number];

const DATA = `  --data DIR          Folder the runs are kept in (default: .windkit)`;
const JSON_LINES = `  --json              JSON lines for programs`;

const RUNS_LIST = `List runs, newest first. Works while another process drives them.

Usage: windkit runs [list] [options]

Options:
  --state STATE       Only runs that are ready, active, parked, closed or orphan,
                      or that ended completed, failed, cancelled or continued
  --limit N           At most N runs (default: 50, and all with --json)
${DATA}
  --json              One JSON object per run and line

Also: windkit runs show RUN      the journal of one run
      windkit runs prune         remove old runs
      windkit runs remove RUN    remove one run
      windkit runs export RUN    write one run as a file
      windkit runs import FILE   take a run from a file
      windkit runs fork RUN      a new run that goes another way from a call on`;

const TEXTS: Readonly<Record<HelpTopic, string>> = {
  windkit: `Windkit runs Windmill workflows on this machine, and goes on where they stopped.

Usage: windkit COMMAND [options]

Commands:
  run FILE            Run the workflow in FILE, or go on with a run that stopped
  dev [FOLDER]        Serve a synced folder under Windmill's own API
  runs                List runs; also: runs show, prune, remove, export, import, fork
  approve RUN [KEY]   Answer an approval that a run waits for
  signal RUN NAME     Send an event to a run
  cancel RUN          Ask a run to end
  capture RUN         Make a test of a run
  check FILE...       Find what a cluster, or a replay, would make of a workflow file
  doctor              Examine the data folder
  help [COMMAND]      Show help; also: COMMAND --help, help exit-codes

Options:
  --version           Show the version
  --help              Show this help

Example:
  windkit run f/hello/greet.ts --args '{"name": "Ada"}'`,

  run: `Run the workflow in FILE. Every result is recorded before the workflow sees it:
kill the process at any moment, run the same command again, and it goes on.

Usage: windkit run FILE [options]

Options:
  --args JSON         Arguments by parameter name, or an array of them
  --run-id ID         Name of this run (default: made up). A known one goes on where
                      it stopped; a finished one prints its result and runs nothing
${DATA}
  --no-input          Never ask; at an approval, print the command that grants it
  --json              Events as JSON lines on stdout; the last one is the result
  --durability LEVEL  power: survives power loss (default);
                      process: faster, survives the death of the process only

The result goes to stdout, progress to stderr. Ctrl-C stops cleanly.
A run is known by its workflow and arguments: others under the same id are refused.
Exit codes: 0 completed, 1 failed, 2 usage, 3 cancelled, 4 storage, 5 replay mismatch,
130 Ctrl-C. More: windkit help exit-codes

Example:
  windkit run f/weather/yearly_report.ts --args '{"year": 2014}' --run-id weather-2014`,

  dev: `Serve a folder that wmill sync pull made, or an empty one, under Windmill's own API: scripts,
workflows and SQL queries run on this machine, and the official clients work with it. What is
saved is live for the next job. Runs on Deno and Node.

Usage: windkit dev [FOLDER] [options]

FOLDER is the folder with f/, u/ and wmill.yaml (default: this one).

Options:
  --port N            Port to listen at (default: 8000; 0: any that is free)
  --host ADDRESS      Address to listen at (default: 127.0.0.1). Any other one lets the
                      network in: whoever has the token runs code on this machine
  --data DIR          Folder of the token, the key, jobs and databases
                      (default: .windkit in FOLDER)
  --json              Events as JSON lines on stdout; the first one has address and token

Ctrl-C stops it: jobs get 10 s to end, then SIGTERM. A second Ctrl-C stops at once. What had
not ended goes on when the folder is served again. More: docs/server.md

Example:
  windkit dev my-workspace --port 8001`,

  runs: RUNS_LIST,
  "runs list": RUNS_LIST,

  "runs show": `Print the journal of one run: what it called, what came back, and who ran it.

Usage: windkit runs show RUN [options]

Options:
${DATA}
  --json              One JSON object per record and line`,

  "runs prune": `Remove runs that ended long ago, with their journals. Needs the data folder to itself.
Runs that went on as others (continueAsNew) end with the last of them: while that goes on,
the first is kept.

Usage: windkit runs prune --older-than AGE [options]

Options:
  --older-than AGE    As in 30d, 12h, 45m, 10s or 2w, counted from the end of a run
  --yes               Do not ask; needed without a terminal, and with --json
${DATA}
${JSON_LINES}`,

  "runs remove": `Remove one run with its journal and its messages, whatever its state: also one that is damaged,
that no workflow is left for, or that is no longer wanted. Needs the data folder to itself.

Usage: windkit runs remove RUN [options]

Options:
  --yes               Do not ask; needed without a terminal, and with --json
${DATA}
${JSON_LINES}`,

  "runs export": `Write one run as the text of a file: its journal, with a SHA-256 for each record.
Works while another process drives the run: what is recorded by then is written.

Usage: windkit runs export RUN [options] > FILE

Options:
  --messages          Also what was left for the run and it has not taken yet
${DATA}
  --json              Errors as a JSON line; the file is JSON lines in any case

The file goes to stdout, its digest to stderr: note it to find edits by whoever writes
all digests anew. The form is documented in docs/journal.md.

Example:
  windkit runs export weather-2014 > weather-2014.jsonl`,

  "runs import": `Take a run from a file that windkit runs export wrote. All digests are verified first; then
all of it is stored, or nothing. Needs the data folder to itself, and makes it when there is none.

Usage: windkit runs import FILE [options]

Options:
  --as ID             Store it under this id, as a copy
  --digest HEX        Refuse another file than the one with this digest
${DATA}
${JSON_LINES}

A run that has ended can be read, another goes on with windkit run. The same run again changes
nothing. Exit codes: 2 no such file, or the id is another run's; 4 the file is damaged, or of
a newer version.`,

  "runs fork": `Make a new run with a copy of another one's journal, up to a call: that call is made again,
and all that came after it. The other run stays as it is. Needs the data folder to itself.

Usage: windkit runs fork RUN --from KEY [options]

Options:
  --from KEY          The call whose outcome is forgotten: windkit runs show lists the calls
  --run-id ID         Id of the new run (default: made up); also --as ID
  --args JSON         Other arguments; what is kept must still be what the workflow asks for
${DATA}
${JSON_LINES}

It goes on with the command that is printed.`,

  approve: `Answer an approval that a run waits for, also while another process drives the run.
An answer that comes early is kept until the run asks for that key. One that does not fit the
approval's form is refused, and the run still waits: exit code 2.

Usage: windkit approve RUN [KEY] [options]

KEY names the approval; it may be left out when the run waits for exactly one.

Options:
  --reject            Answer no: the workflow goes on with approved = false
  --value JSON        Value handed to the workflow (default: null)
  --approver NAME     Who answers (default: the user's name)
${DATA}
${JSON_LINES}`,

  signal: `Send an event to a run, also while another process drives the run. The run's first wait for
that name takes it; one that comes early is kept. A payload that does not fit is refused, and
the run still waits: exit code 2.

Usage: windkit signal RUN NAME [JSON] [options]

JSON is the payload (default: null).

Options:
  --id ID             The same event again, by this id, is not sent
${DATA}
${JSON_LINES}`,

  cancel: `Ask a run to end. What it waits for fails with CancelledError, then it ends as cancelled.
A run that no process drives now ends when it is run again.

Usage: windkit cancel RUN [options]

Options:
  --reason TEXT       Recorded with the run
${DATA}
${JSON_LINES}`,

  capture: `Make a test of a run that has ended: its steps give what they gave then, and it must end
as it did. The test is for node:test, in Deno, Node and Bun. It was run before it is written.

Usage: windkit capture RUN [options] > run_test.ts

Options:
  --out FILE          Write it there (default: stdout, to be kept in this folder)
  --force             Replace FILE when it is there
  --file FILE         The workflow's file (default: found by its name)
  --redact NAMES      Further fields that are secret, as in pin,iban. Values are replaced under
                      names with token, password, secret, authorization, api_key, cookie and
                      the like in them, and where they look like keys
${DATA}

Example:
  windkit capture weather-2014 --out f/weather/yearly_report_test.ts`,
  check: `Read workflow files and tell, by line: whether the Windmill worker recognises them and which
names it gives their tasks; and what in a body is another thing when it runs again: clocks, random
numbers, I/O, timers, races. Nothing is run. Needs the package @babel/parser.

Usage: windkit check FILE... [options]

Options:
  --against DIR       Also load the files, and replay the runs of the data folder DIR against
                      them: every unfinished one, and the newest finished ones. No step or task
                      runs, and the folder is only read
  --finished N        How many finished runs (default: 20)
  --strict            Warnings count, too
  --json              One JSON object for programs

A comment "// windkit-ignore: reason" allows the line after it.
Exit codes: 0 nothing wrong, 1 errors or runs that would break, 2 usage.
Rules: docs/check.md

Example:
  windkit check f/weather/yearly_report.ts --against .windkit`,

  doctor: `Examine a data folder: version, owner, damage, sizes, and every record's check value.
Changes nothing. Exit code 4 when something is wrong.

Usage: windkit doctor [options]

Options:
${DATA}
${JSON_LINES}`,

  "exit-codes": `Exit codes:
  0    Done; for run: the run completed
  1    The run failed, or its deadline passed; for runs remove: the answer was no;
       for check: something was found
  2    Usage: the command line, the file, its arguments or the run id; or the runtime is too old
  3    The run was cancelled
  4    Storage: the data folder is locked, full, read-only, damaged, or of a newer version
  5    Replay mismatch: the code asks for something else than the run recorded
  129  SIGHUP, 130  Ctrl-C (SIGINT), 141  the reader of the output went away, 143  SIGTERM:
       stopped cleanly; the same run goes on later`,
};

/**
 * The help on one topic.
 *
 * @param topic what is asked about
 * @returns text without a final line break
 */
export function helpText(topic: HelpTopic): string {
  return TEXTS[topic];
}
