/**
 * Addresses that do something when they are asked with GET: asked again, they would do it again.
 *
 * @module
 */

/** Matches addresses that start jobs, post messages, decide approvals or make tokens, whatever the method. */
export const ACTS: RegExp =
  /\/jobs\/run_(wait_result|and_stream)\/|\/(slack|teams)_approval\/|\/jobs_u\/(resume|cancel)\/|\/(login_link|refresh_token)/;
