/** Streams its result: whoever waits for it sees each piece as it comes. */
export async function* main(cups = 3) {
  for (let cup = 1; cup <= cups; cup++) {
    yield `Cup ${cup}: grinding... `;
    await new Promise((resolve) => setTimeout(resolve, 50));
    yield "done.\n";
  }
}
