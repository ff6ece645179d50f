/** The published virtual host, under the name that the suite's cases know it by. */
export { createVirtualHost, type VirtualHost } from "@windkit/windmill-client/testing";
