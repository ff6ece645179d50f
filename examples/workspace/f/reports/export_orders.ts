/** Writes a file to the workspace's storage and reads it back. */
import * as wmill from "windmill-client";

export async function main(rows: { customer: string; cents: number }[], key = "exports/orders.csv") {
  const csv = ["customer,cents", ...rows.map(({ customer, cents }) => `${customer},${cents}`)].join("\n") + "\n";
  const file = await wmill.writeS3File({ s3: key }, csv);
  const back = new TextDecoder().decode(await wmill.loadS3File(file));
  return { file, lines: back.trimEnd().split("\n").length - 1, same: back === csv };
}
