/** The example of deploy/examples/envoy, as a newcomer runs it: a real Envoy as sidecar in two trust domains. */
import t from "tap";
import { needPip, needPrograms } from "../support/debian.ts";
import { runExample } from "../support/example.ts";

for (const apiType of ["GRPC", "DELTA_GRPC"]) {
  t.test(`sidecars fail no request through rotations and restarts (${apiType})`, async (t) => {
    await needPrograms({ setpriv: "util-linux", curl: "curl" });
    await needPip();
    const { stdout } = await runExample("envoy", { SDS_API_TYPE: apiType });
    t.match(
      stdout.split("\n").filter((line) => line !== ""),
      [
        /^proved: .*example\.org\/client and spiffe:\/\/example\.org\/server speak mutual TLS/,
        /^proved: .*example\.org\/client and spiffe:\/\/other\.test\/server speak mutual TLS/,
        /^proved: a server with another SPIFFE ID .* is refused$/,
        /^proved: a client without an SVID is refused$/,
        /^proved: both domains' authorities and all SVIDs were replaced$/,
        /^proved: both agents were started again/,
        /^proved: not one of [1-9]\d{2,} requests failed meanwhile$/,
      ],
    );
  });
}
