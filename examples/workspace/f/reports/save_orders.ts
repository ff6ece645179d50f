/** Keeps orders in a data table, and asks it for figures: values become parameters, never text of the statement. */
import * as wmill from "windmill-client";

export async function main(orders: { customer: string; cents: number }[]) {
  const sql = wmill.datatable();
  await sql`CREATE TABLE IF NOT EXISTS orders (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer TEXT NOT NULL, cents BIGINT NOT NULL)`.execute();
  for (const { customer, cents } of orders) {
    await sql`INSERT INTO orders (customer, cents) VALUES (${customer}, ${cents})`.execute();
  }
  const count = await sql`SELECT count(*)::int FROM orders`.fetchOneScalar();
  const best = await sql`SELECT customer, sum(cents)::int AS cents FROM orders
    GROUP BY customer ORDER BY cents DESC, customer LIMIT ${3}`.fetch();
  return { count, best };
}
