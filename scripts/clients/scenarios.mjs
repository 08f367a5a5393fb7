// Runs the scenarios of a client one after the other and names each.

export async function run(scenarios) {
  for (const [name, scenario] of Object.entries(scenarios)) {
    await scenario();
    console.log("ok", name);
  }
}

/** The error that `promise` fails with. */
export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it succeeded");
}

/** Polls until `done`, at most half a minute. */
export async function until(poll, done) {
  const last = Date.now() + 30_000;
  for (;;) {
    const now = await poll();
    if (done(now)) return now;
    if (Date.now() > last) throw new Error(`it stays ${JSON.stringify(now)}`);
    await new Promise((resume) => setTimeout(resume, 10));
  }
}
