/**
 * Handlers for edge functions: each is a function from a request to a response.
 *
 * @module
 */
export type { Connection, Handler, HandlerContext } from "./handler.ts";
export { s3Proxy } from "./s3_proxy.ts";
export type { S3ProxyOptions } from "./s3_proxy.ts";
