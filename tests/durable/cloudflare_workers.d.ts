/** The module of the platform that the workers of these tests import: the part that they use. */
declare module "cloudflare:workers" {
  export class DurableObject<E = unknown> {
    constructor(ctx: unknown, env: E);
    // deno-lint-ignore no-explicit-any -- an object of the platform, used through structural types
    readonly ctx: any;
    readonly env: E;
    fetch?(request: Request): Promise<Response>;
  }

  export class WorkflowEntrypoint<E = unknown> {
    constructor(ctx: unknown, env: E);
  }
}
