/**
 * The default export of `./compat`: the root's, with the services and the names for the worker that the official client's default
 * export has too.
 *
 * @module
 */
import { _workflowCtx, setWorkflowCtx, StepSuspend, WorkflowCtx } from "../cluster/worker_context.ts";
import type * as worker from "../cluster/worker_context.ts";
import wmill, { type DefaultExport } from "./default_export.ts";
import {
  AdminService,
  AuditService,
  FlowService,
  GranularAclService,
  GroupService,
  JobService,
  ResourceService,
  ScheduleService,
  ScriptService,
  SettingsService,
  TeamsService,
  UserService,
  VariableService,
  WorkspaceService,
} from "./generated/services.gen.ts";
import type * as services from "./generated/services.gen.ts";

/** Type of the default export. */
export type OfficialDefault =
  & DefaultExport
  & Pick<
    typeof services,
    | "AdminService"
    | "AuditService"
    | "FlowService"
    | "GranularAclService"
    | "GroupService"
    | "JobService"
    | "ResourceService"
    | "ScheduleService"
    | "ScriptService"
    | "SettingsService"
    | "TeamsService"
    | "UserService"
    | "VariableService"
    | "WorkspaceService"
  >
  & Pick<typeof worker, "WorkflowCtx" | "StepSuspend" | "setWorkflowCtx" | "_workflowCtx">;

/** Everything of the official client as one object. */
const official: OfficialDefault = /* @__PURE__ */ makeDefault();

function makeDefault(): OfficialDefault {
  return Object.defineProperty(
    {
      ...wmill,
      AdminService,
      AuditService,
      FlowService,
      GranularAclService,
      GroupService,
      JobService,
      ResourceService,
      ScheduleService,
      ScriptService,
      SettingsService,
      TeamsService,
      UserService,
      VariableService,
      WorkspaceService,
      WorkflowCtx,
      StepSuspend,
      setWorkflowCtx,
      _workflowCtx,
    },
    "_workflowCtx",
    // The official client's is null for ever; this one is the context of the moment, as the name itself.
    { get: () => _workflowCtx, enumerable: true },
  );
}

export default official;
