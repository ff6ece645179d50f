/** A plain script: arguments with types and a default, an object as its result. */
export async function main(name: string, size: "small" | "large" = "small", extras: string[] = []) {
  const drink = [`a ${size} coffee`, ...extras].join(" with ");
  console.log(`Greeting ${name}`);
  return { message: `Good morning, ${name}! Your order: ${drink}.`, at: new Date(0).toISOString() };
}
