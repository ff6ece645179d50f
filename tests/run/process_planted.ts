import "./planted.ts";
import { runProcess } from "./process_entry.ts";

await runProcess();
