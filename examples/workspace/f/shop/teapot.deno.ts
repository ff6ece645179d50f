/** A script in the language Deno, that chooses the status of its answer. */
export async function main(drink = "coffee") {
  if (drink === "tea") return { windmill_status_code: 200, result: { drink } };
  return {
    windmill_status_code: 418,
    windmill_headers: { "x-shop": "corner" },
    result: { error: "I'm a teapot", drink, runtime: `Deno ${Deno.version.deno.split(".")[0]}` },
  };
}
