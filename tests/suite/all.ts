/**
 * Every file of the suite. The runner refuses to start when a file of this folder is missing here.
 *
 * @module
 */

import "./client_api.ts";
import "./client_approvals.ts";
import "./client_connections.ts";
import "./client_groups.ts";
import "./client_hostile.ts";
import "./client_hostile_streams.ts";
import "./client_jobs.ts";
import "./client_mocked_api.ts";
import "./client_result_stream.ts";
import "./client_review.ts";
import "./client_s3_download.ts";
import "./client_s3_objects.ts";
import "./client_s3_upload.ts";
import "./client_schema.ts";
import "./client_shared_folder.ts";
import "./client_small_groups.ts";
import "./client_sql.ts";
import "./client_transport.ts";
import "./client_updates.ts";
import "./client_wait.ts";
import "./client_wire.ts";
import "./compat_configuration.ts";
import "./compat_services.ts";
import "./engine_cancel.ts";
import "./engine_executor.ts";
import "./engine_replay.ts";
import "./engine_runs.ts";
import "./errors.ts";
import "./journal_file.ts";
import "./official_defects.ts";
import "./official_defects_data.ts";
import "./preprocessors.ts";
import "./public_api.ts";
import "./storage_conformance.ts";
import "./testing_kit.ts";
import "./testing_kit_files.ts";
import "./testing_kit_jobs.ts";
import "./testing_kit_store.ts";
import "./wire_misc.ts";
import "./wire_s3.ts";
import "./wire_sql.ts";
import "./workflow_approvals.ts";
import "./workflow_calls.ts";
import "./workflow_combinators.ts";
import "./workflow_failures.ts";
import "./workflow_keys.ts";
import "./workflow_race.ts";
import "./workflow_saga.ts";
import "./workflow_values.ts";
