/** The example of deploy/examples/docker, as a newcomer runs it. */
import t from "tap";
import { needDocker } from "../support/docker-engine.ts";
import { runExample } from "../support/example.ts";

t.test("deploy/examples/docker/run proves what it says and leaves nothing behind", async (t) => {
  await needDocker();
  const { stdout, proved } = await runExample("docker");
  t.match(proved, [
    /app=web holds spiffe:\/\/example\.org\/web and nothing else/,
    /app=db holds spiffe:\/\/example\.org\/db and nothing else/,
    /without the label has none/,
    /process of the host has none/,
    /explain names the mistyped label/,
  ]);
  t.match(stdout, /wants docker:label:app:cahce; the process has docker:label:app:cache/);
});
