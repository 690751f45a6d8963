import { createHash } from "node:crypto";
import { commonNameOf, formatName } from "../../../x509/names.ts";
import { parseCertificate } from "../../../x509/certificate.ts";
import type { ExportedTrust } from "./exported-trust.ts";

/** A configuration profile, as macOS and iOS install it, with the roots as trusted certificates. Not signed. */
export function mobileconfig({ trustDomain, set, roots }: ExportedTrust): string {
  const id = [trustDomain, set, "roots"].filter((part) => part !== "").join(".");
  const title = `Roots of ${trustDomain}${set === "" ? "" : `, ${set}`}`;
  const payloads = roots.map((der) => {
    const { subject } = parseCertificate(der);
    const uuid = uuidOf(der);
    return dict([
      ["PayloadType", string("com.apple.security.root")],
      ["PayloadVersion", "<integer>1</integer>"],
      ["PayloadIdentifier", string(`${id}.${uuid}`)],
      ["PayloadUUID", string(uuid)],
      ["PayloadDisplayName", string(commonNameOf(subject) ?? formatName(subject))],
      ["PayloadContent", `<data>${Buffer.from(der).toString("base64")}</data>`],
    ]);
  });
  const profile = dict([
    ["PayloadType", string("Configuration")],
    ["PayloadVersion", "<integer>1</integer>"],
    ["PayloadIdentifier", string(id)],
    ["PayloadUUID", string(uuidOf(Buffer.concat([Buffer.from(id), ...roots])))],
    ["PayloadDisplayName", string(title)],
    ["PayloadContent", `<array>\n${payloads.join("\n")}\n</array>`],
  ]);
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
${profile}
</plist>
`;
}

function dict(entries: readonly (readonly [string, string])[]): string {
  return `<dict>\n${entries.map(([key, value]) => `<key>${key}</key>\n${value}`).join("\n")}\n</dict>`;
}

function string(text: string): string {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<string>${escaped}</string>`;
}

/** The same content is the same profile, so that installing it twice leaves one (RFC 9562 §5.8). */
function uuidOf(bytes: Uint8Array): string {
  const hash = createHash("sha256").update(bytes).digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x80;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString("hex").toUpperCase();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}
