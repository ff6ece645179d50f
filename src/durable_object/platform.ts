/**
 * The parts of Cloudflare's platform that are used here, as structural types: the platform's own are assignable to them.
 *
 * @module
 */
import type { DurableObjectStorage } from "../storage/durable_object.ts";

/** `ctx.storage` of an object whose class has SQLite storage. */
export interface ObjectStorage extends DurableObjectStorage {
  /** When the object's one alarm rings; null when none is set, or while it rings. */
  getAlarm(): Promise<number | null>;
  /** Sets the one alarm: part of the same transaction as what was written in this turn. */
  setAlarm(at: number): Promise<void>;
  /** Removes the alarm. */
  deleteAlarm(): Promise<void>;
  /** Removes all that is stored. */
  deleteAll(): Promise<void>;
}

/** What the constructor of an object is given as `ctx`. */
export interface ObjectState {
  /** The object's storage. */
  readonly storage: ObjectStorage;
}

/** What a Worker calls an object through. */
export interface ObjectStub {
  /** Sends a request to the object. */
  fetch(request: Request): Promise<Response>;
}

/** A binding to the objects of one class: `env.RUN`. */
export interface ObjectNamespace {
  /** Id of the object of a name. */
  idFromName(name: string): unknown;
  /** The object of an id. */
  // deno-lint-ignore no-explicit-any -- the platform's own type of ids: only it makes and takes them
  get(id: any): ObjectStub;
}

/** `DurableObject` of "cloudflare:workers": classes that extend it can be called by RPC. */
// deno-lint-ignore no-explicit-any -- what the platform's own class takes is the platform's
export type ObjectBase = abstract new (ctx: any, env: any) => object;

/** The class of `node:async_hooks`. */
export type AsyncLocalStorageClass = new <T>() => {
  run<R>(store: T, fn: () => R): R;
  getStore(): T | undefined;
};
