/**
 * The SQL of a Durable Object as prepared statements. The platform keeps what it has compiled by its text, so preparing is free.
 *
 * @module
 */
import type { DurableObjectSql } from "./durable_object.ts";
import type { SqlRow, SqlValue, Statement } from "./_sqlite_module.ts";

/** What a statement has done: asked for only where it is wanted, because asking is a statement of its own. */
class Done {
  readonly #sql: DurableObjectSql;

  constructor(sql: DurableObjectSql) {
    this.#sql = sql;
  }

  get changes(): number {
    return numberOf(this.#sql, "SELECT changes()");
  }

  get lastInsertRowid(): number {
    return numberOf(this.#sql, "SELECT last_insert_rowid()");
  }
}

function numberOf(sql: DurableObjectSql, query: string): number {
  const [row = {}] = sql.exec(query).toArray();
  return Number(Object.values(row)[0]);
}

/** Statements by their text. */
export function durableStatements(sql: DurableObjectSql): (text: string) => Statement {
  const statements = new Map<string, Statement>();
  const done = new Done(sql);

  function prepare(text: string): Statement {
    let arrays = false;
    function rows(values: readonly SqlValue[]): SqlRow[] {
      const cursor = sql.exec(text, ...values);
      // As arrays where that was asked for: whoever does takes them as such.
      return (arrays && cursor.raw !== undefined ? [...cursor.raw()] : cursor.toArray()) as unknown as SqlRow[];
    }
    return {
      run(...values) {
        sql.exec(text, ...values);
        return done;
      },
      get: (...values) => rows(values)[0],
      all: (...values) => rows(values),
      setReturnArrays(enabled) {
        arrays = enabled;
      },
    };
  }

  return (text) => {
    let statement = statements.get(text);
    if (statement === undefined) statements.set(text, statement = prepare(text));
    return statement;
  };
}
