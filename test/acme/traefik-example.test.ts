/**
 * The example of deploy/examples/traefik, as a newcomer runs it: Traefik's certificate by ACME below an offline root (T1
 * to T4), its backends verified by address, chain and SPIFFE ID (T8, T9, T11), and a browser with the root (T10).
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { needPip, needPrograms } from "../support/debian.ts";
import { runExample } from "../support/example.ts";

const EXAMPLE = join(import.meta.dirname, "../../deploy/examples/traefik");

t.test("T1 to T4, T8, T9, T10, T11: deploy/examples/traefik/run proves what it says", async (t) => {
  await needPrograms({ chromium: "chromium", certutil: "libnss3-tools", curl: "curl" });
  await needPip();
  const { stdout, proved } = await runExample("traefik");
  t.equal(proved.length, 8, stdout);
  t.match(stdout, /certificate of ours by ACME/);
  t.match(stdout, /three backends, each verified by its own address and chain/);
  t.match(stdout, /know each other by SPIFFE ID/);
  t.match(stdout, /old and new side by side, and not one of 24 requests failed/);
  t.match(stdout, /Chromium opens the page with the exported root, and without it does not/);
  for (const file of readdirSync(EXAMPLE)) {
    if (!/\.(yaml|mjs)$/.test(file)) continue;
    t.notMatch(
      readFileSync(join(EXAMPLE, file), "utf8"),
      /skipVerify|BEGIN|--insecure| -k /i,
      file,
    );
  }
});
