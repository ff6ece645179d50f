-- Run with the argument "database": a postgresql resource, or "datatable://main" after f/reports/save_orders.
-- result_collection=last_statement_all_rows
-- $1 least_cents (bigint) = 0
-- $2 name_like (text) = '%'
-- $3 rows (int) = 10
SELECT customer, count(*)::int AS orders, sum(cents)::int AS cents
FROM orders
WHERE customer LIKE $2
GROUP BY customer
HAVING sum(cents) >= $1
ORDER BY cents DESC, customer
LIMIT $3;
