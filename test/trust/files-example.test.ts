/** The example of deploy/examples/files, as a newcomer runs it: nginx and curl with files of `assay watch`. */
import t from "tap";
import { needPackages } from "../support/debian.ts";
import { runExample } from "../support/example.ts";

t.test("deploy/examples/files/run proves what it says and fails no request", async (t) => {
  await needPackages(["nginx-light", "curl", "openssl"]);
  const { stdout, proved } = await runExample("files");
  t.equal(proved.length, 6, stdout);
  t.match(stdout, /not one of \d{2,} requests failed/);
  t.match(stdout, /nginx refuses the revoked SVID/);
});
