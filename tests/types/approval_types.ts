/**
 * What the types of approvals and of errors with data say. `deno check` of this file is the test: it never runs.
 *
 * @module
 */
import {
  type ApprovalGranted,
  type ApprovalRejected,
  type ApprovalResult,
  type ApprovalTimedOut,
  defineError,
  type Json,
  type KnownFailure,
  knownFailure,
  type StandardSchema,
  TaskError,
  waitForApproval,
} from "@windkit/windmill-client/workflow";
import { expectType } from "./_same.ts";

interface Budget {
  readonly amount: number;
}

/** A schema that takes something else than it gives, as a library types it. */
interface Converting {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => { readonly value: Budget };
    readonly types?: { readonly input: { readonly amount: string; readonly when?: Date }; readonly output: Budget };
  };
}

declare const schema: StandardSchema<Budget>;
declare const converting: Converting;
declare const maybe: { readonly timeout?: number; readonly onTimeout?: "late" };

/** The plain call is what it was. */
export async function plain(): Promise<void> {
  expectType<ApprovalResult>()(await waitForApproval());
  expectType<ApprovalResult>()(await waitForApproval({ timeout: 5, form: { schema: {} }, key: "a" }));
  const { value, approved, approver } = await waitForApproval({});
  expectType<Json>()(value);
  expectType<boolean>()(approved);
  expectType<string | null>()(approver);
  // @ts-expect-error: an option that does not exist
  await waitForApproval({ timeOut: 5 });
  // @ts-expect-error: seconds are a number
  await waitForApproval({ timeout: "5" });
}

/** With a schema, `approved` tells what the value is. */
export async function checked(): Promise<void> {
  const answer = await waitForApproval({ form: schema });
  expectType<ApprovalGranted<Budget> | ApprovalRejected | ApprovalTimedOut>()(answer);
  if (answer.approved) {
    expectType<Budget>()(answer.value);
    expectType<string>()(answer.approver);
  } else if (answer.approver === null) {
    expectType<null>()(answer.value);
  } else {
    expectType<string>()(answer.approver);
    expectType<Json>()(answer.value);
  }
  // What the schema gives, not what it takes.
  const converted = await waitForApproval({ form: converting, onReject: null, onTimeout: null });
  expectType<Budget | undefined>()(converted?.value);
  const beside = await waitForApproval({ form: { schema: converting, jsonSchema: { type: "object" } }, timeout: 5 });
  if (beside.approved) expectType<Budget>()(beside.value);
  // A result of any kind is one of the plain kind, as long as the value is JSON.
  const result: ApprovalResult = await waitForApproval({
    form: { schema: null as never as StandardSchema<Json>, jsonSchema: {} },
  });
  expectType<boolean>()(result.approved);
  // @ts-expect-error: an option that does not exist
  await waitForApproval({ form: schema, onRejected: 1 });
  // @ts-expect-error: a JSON schema is an object
  await waitForApproval({ form: { schema, jsonSchema: "object" } });
}

/** Values that are given instead. */
export async function instead(): Promise<void> {
  expectType<ApprovalGranted<Budget> | "late" | "no">()(
    await waitForApproval({ form: schema, onTimeout: "late", onReject: "no" }),
  );
  expectType<ApprovalGranted<Budget> | ApprovalRejected | undefined>()(
    await waitForApproval({ form: schema, onTimeout: undefined }),
  );
  expectType<ApprovalGranted | ApprovalTimedOut | false>()(await waitForApproval({ onReject: false }));
  expectType<ApprovalGranted | ApprovalRejected | 0>()(await waitForApproval({ timeout: 5, onTimeout: 0 }));
  const known = await waitForApproval({ form: { schema: {} }, onTimeout: { approved: false, late: true } });
  if (!known.approved && "late" in known) expectType<true>()(known.late);
  // Options that may hold a value give what they may hold.
  // @ts-expect-error: "late" is missing
  expectType<ApprovalResult>()(await waitForApproval(maybe));
}

const OutOfStock = defineError("OutOfStock", schema);
const Declined = defineError("Declined", schema, { retryable: false });
const Dated = defineError("Dated", converting);

/** Data is typed, live and recorded. */
export function narrowed(error: unknown): number {
  if (error instanceof OutOfStock) {
    expectType<KnownFailure<Budget, "OutOfStock">>()(error);
    expectType<Budget>()(error.data);
    expectType<string>()(error.name);
  } else if (error instanceof Declined) {
    expectType<Budget>()(error.data);
  } else if (error instanceof Dated) {
    // What it was thrown with, as it was recorded.
    expectType<string>()(error.data.amount);
    expectType<string | null | undefined>()(error.data.when);
  }
  if (error instanceof TaskError) {
    expectType<unknown>()(error.data);
    if (error instanceof OutOfStock) expectType<Budget>()(error.data);
    if (error.cause instanceof OutOfStock) expectType<Budget>()(error.cause.data);
  }
  const thrown = new OutOfStock({ amount: 1 });
  expectType<"OutOfStock">()(thrown.name);
  expectType<Budget>()(thrown.data);
  // @ts-expect-error: the data is not what the schema takes
  new OutOfStock({ amount: "1" });
  // @ts-expect-error: an error has data
  new OutOfStock();
  new Dated({ amount: "1", when: new Date(0) }, "late", { cause: thrown });
  // A `switch` is exhaustive.
  const known = knownFailure(error, [OutOfStock, Declined, Dated]);
  switch (known?.name) {
    case undefined:
      return 0;
    case "OutOfStock":
    case "Declined":
      return known.data.amount;
    case "Dated":
      return known.data.amount.length;
  }
}
