/**
 * The yardstick alone: raw commits of SQLite on this disk.
 *
 * @module
 */
import { openRaw } from "./_raw.ts";
import { bench, option, withFolder } from "./_report.ts";

await bench("raw", import.meta.main, async (b) => {
  const rounds = option("rounds", 9);
  await withFolder(async (dir) => {
    await Deno.mkdir(`${dir}/full`);
    await Deno.mkdir(`${dir}/normal`);
    const full = openRaw(`${dir}/full`, "FULL"), normal = openRaw(`${dir}/normal`, "NORMAL");
    const single: number[] = [], singleNormal: number[] = [], grouped: number[] = [], groupedNormal: number[] = [];
    for (let round = 0; round < rounds; round++) {
      single.push(full.single(1000));
      singleNormal.push(normal.single(10_000));
      grouped.push(full.grouped(20_000, 100));
      groupedNormal.push(normal.grouped(20_000, 100));
    }
    full.close();
    normal.close();
    b.measure("single rows, synchronous=FULL", "commits/s", single);
    b.measure("single rows, synchronous=NORMAL", "commits/s", singleNormal);
    b.measure("100 rows a commit, synchronous=FULL", "rows/s", grouped);
    b.measure("100 rows a commit, synchronous=NORMAL", "rows/s", groupedNormal);
  });
});
