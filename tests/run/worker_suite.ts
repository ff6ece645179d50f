import "../suite/all.ts";
import { runWorker } from "./worker_entry.ts";

export default { fetch: runWorker };
