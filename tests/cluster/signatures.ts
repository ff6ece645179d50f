/**
 * Ids and signatures of approval links (wac-protocol 8.2): those of the local server, held to the protocol's examples by its tests.
 *
 * @module
 */
export { pageToken, resumeIdOf, resumeRowId, signatureOf } from "../../src/server/workflow_jobs/signatures.ts";
