import { API_ACCESS } from "./kubernetes-sections.ts";
import { count, list, section, text } from "../settings/shape.ts";

/**
 * `svidStores` of an agent's file. One key for each store that the agent may put SVIDs into; entries that an
 * administrator marks so name the place, within the bounds set here.
 */
export const SVID_STORES = section({
  file: {
    shape: section({
      folder: {
        shape: text({ pattern: "^/", rule: "is no absolute path" }),
        help: "below it each SVID has a folder of its own",
        required: true,
      },
      gid: { shape: count(0, 4_294_967_294), help: "group of the files, by number" },
      keyMode: {
        shape: text({
          pattern: "^0?[0-7]{3}$",
          rule: "is no file mode, for example 0640",
          maxLength: 4,
        }),
        help: "mode of the keys",
        default: "0600",
      },
    }),
    help: "folders of this host",
  },
  kubernetesSecret: {
    shape: section({
      namespaces: {
        shape: list(text({ maxLength: 63 }), { least: 1, most: 256 }),
        help: "those that Secrets may be written to",
        required: true,
      },
      ...API_ACCESS,
    }),
    help: "Secrets of a Kubernetes cluster",
  },
  vault: {
    shape: section({
      address: {
        shape: text({ pattern: "^https?://[^\\s/]+$", rule: "is not written https://HOST:PORT" }),
        help: "OpenBao or Vault",
        required: true,
      },
      namespace: { shape: text({ maxLength: 256 }), help: "of OpenBao or Vault" },
      mount: {
        shape: text({ maxLength: 128 }),
        help: "where the KV engine (version 2) is mounted",
        default: "secret",
      },
      prefix: {
        shape: text({ maxLength: 256 }),
        help: "below it SVIDs are written",
        default: "assay",
      },
      caFile: {
        shape: text(),
        help: "authorities (PEM) of its certificate; absent: those of the web",
      },
      tokenFile: {
        shape: text(),
        help: "a token, read again at each request: what renews it writes it there",
        required: true,
      },
    }),
    help: "the KV engine (version 2) of OpenBao or Vault",
  },
});
