/** The example of deploy/examples/federation, as a newcomer runs it: go-spiffe programs of two trust domains. */
import t from "tap";
import { runExample } from "../support/example.ts";

t.test("two domains talk while both replace their authorities", async (t) => {
  const { stdout } = await runExample("federation");
  t.match(
    stdout.split("\n").filter((line) => line !== ""),
    [
      /^proved: each server fetches the other's bundle/,
      /^proved: spiffe:\/\/example\.org\/talk and spiffe:\/\/other\.test\/talk speak mutual TLS/,
      /^proved: both authorities and all SVIDs were replaced/,
      /^proved: both old authorities are revoked/,
      /^proved: not one of [1-9]\d+ requests of spiffe:\/\/example\.org\/talk failed meanwhile$/,
      /^proved: not one of [1-9]\d+ requests of spiffe:\/\/other\.test\/talk failed meanwhile$/,
    ],
  );
});
