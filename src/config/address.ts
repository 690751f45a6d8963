import { fail } from "../base/errors.ts";

/** Parses `host:port`; IPv6 hosts in brackets. @throws invalid */
export function parseAddress(
  text: string,
  where: string,
  rules: { readonly zeroPort: boolean },
): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^:\s[\]/]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port > 65_535 || (port === 0 && !rules.zeroPort)) {
    throw fail("invalid", `${where}: '${text}' is not host:port, for example 127.0.0.1:8081`);
  }
  return { host, port };
}
