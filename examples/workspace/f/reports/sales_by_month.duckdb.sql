-- $year (int) = 2025
-- $least (double) = 0
CREATE TEMP TABLE sales AS
SELECT * FROM (VALUES
  (DATE '2025-01-03', 'espresso', 12.5), (DATE '2025-01-19', 'cake', 8.2),
  (DATE '2025-02-07', 'espresso', 20.0), (DATE '2025-02-21', 'flat white', 14.4),
  (DATE '2024-12-30', 'cake', 99.0)
) AS t(day, item, euros);

SELECT strftime(day, '%Y-%m') AS month, count(*)::INT AS sales, round(sum(euros), 2)::DOUBLE AS euros
FROM sales
WHERE year(day) = $year
GROUP BY month
HAVING sum(euros) >= $least
ORDER BY month;
