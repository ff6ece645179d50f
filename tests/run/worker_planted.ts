import "./planted.ts";
import { runWorker } from "./worker_entry.ts";

export default { fetch: runWorker };
