/**
 * A Windmill with one job, and a client of it whose clock stands still.
 *
 * @module
 */
import { type Client, type ClientOptions, createClient } from "@windkit/windmill-client";
import { type Feed, feed, json, options, type Seen, serve, type StillClock, stillClock, text } from "./_client_kit.ts";

/** Id of the job. */
export const JOB = "00000000-0000-0000-0000-00000000c0de";

/** What answers in place of the server. */
export interface JobAnswers {
  /** The request for the stream of updates; undefined gives one that the case feeds. */
  readonly stream?: ((nth: number) => Response | undefined) | undefined;
  /** The request for what is new. */
  readonly poll?: ((nth: number, query: URLSearchParams) => Response) | undefined;
  /** The request for the result; undefined leaves it to the server. */
  readonly look?: ((nth: number) => Response | undefined) | undefined;
  /** Whatever else is asked, such as for the record of the job. @default a 404 */
  readonly record?: (() => Response) | undefined;
  /** More options of the client. */
  readonly client?: Partial<ClientOptions> | undefined;
}

/** A server with one job. */
export interface JobServer {
  readonly client: Client;
  readonly clock: StillClock;
  readonly seen: Seen[];
  /** The streams that were opened. */
  readonly streams: Feed[];
  /** Ends the job. */
  readonly finish: (result: unknown, success?: boolean) => void;
  /** How often the result was asked for. */
  readonly looks: () => number;
  /** What cancelled the job. */
  readonly cancelled: string[];
  /** Queries of the requests to an action, in order. */
  readonly queries: (action: string) => URLSearchParams[];
}

function queryOf(target: string): URLSearchParams {
  return new URL(target, "http://x").searchParams;
}

/** Makes the server. */
export function serveJob(answers: JobAnswers = {}): JobServer {
  const { stream, poll, look, record = () => text("unknown", 404), client: more } = answers;
  const streams: Feed[] = [];
  const cancelled: string[] = [];
  let state: { readonly result: unknown; readonly success: boolean } | undefined;
  let opened = 0, polls = 0, looks = 0;
  const stub = serve(({ target, body }, signal) => {
    if (target.includes("/getupdate_sse/")) {
      opened++;
      const given = stream?.(opened);
      if (given !== undefined) return given;
      const fed = feed(signal);
      streams.push(fed);
      return fed.response;
    }
    if (target.includes("/getupdate/") && poll !== undefined) return poll(++polls, queryOf(target));
    if (target.includes("/get_result_maybe/")) {
      looks++;
      return look?.(looks) ?? json({
        completed: state !== undefined,
        success: state?.success ?? null,
        started: null,
        result: state?.result ?? null,
      });
    }
    if (target.includes("/queue/cancel/")) {
      cancelled.push(body);
      return text("cancelled");
    }
    return target.includes("/jobs/run/") ? text(JOB, 201) : record();
  });
  const clock = stillClock();
  return {
    client: createClient(options(stub, { clock, ...more })),
    clock,
    seen: stub.seen,
    streams,
    finish: (result, success = true) => {
      state = { result, success };
    },
    looks: () => looks,
    cancelled,
    queries: (action) =>
      stub.seen.filter(({ target }) => target.includes(`/${action}/`)).map((one) => queryOf(one.target)),
  };
}
