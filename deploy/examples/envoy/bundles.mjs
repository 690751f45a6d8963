// How many authorities a proxy holds of each trust domain, the least of all: `node bundles.mjs ADMIN_SOCKET`.
import { request } from "node:http";

const path = "/config_dump?resource=dynamic_active_secrets";
const asked = request({ socketPath: process.argv[2], path, headers: { host: "admin" } }, (response) => {
  let text = "";
  response.on("data", (piece) => (text += piece));
  response.on("end", () => {
    const bundles = JSON.parse(text)
      .configs.flatMap(({ secret }) => secret.validation_context?.custom_validator_config ?? [])
      .flatMap(({ typed_config }) => typed_config.trust_domains);
    const counts = bundles.map(
      ({ trust_bundle }) => atob(trust_bundle.inline_bytes).split("BEGIN CERTIFICATE").length - 1,
    );
    console.log(Math.min(...counts));
  });
});
asked.on("error", () => console.log(0));
asked.end();
