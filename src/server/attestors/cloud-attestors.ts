/** The attestors of clouds, as a configuration asks for them. */
import { X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { OidcIssuer } from "../../attestors/issuer/issuer.ts";
import { AgentPathTemplate } from "../../attestors/node/agent-path.ts";
import { AWS_IID_TYPE } from "../../attestors/node/aws-iid/payload.ts";
import { type PinnedCertificate, awsIidServer } from "../../attestors/node/aws-iid/server.ts";
import { AZURE_IMDS_TYPE } from "../../attestors/node/azure-imds/payload.ts";
import { azureImdsServer } from "../../attestors/node/azure-imds/server.ts";
import { GCP_IIT_TYPE, gcpIitServer } from "../../attestors/node/gcp-iit/server.ts";
import type { NodeAttestorServer } from "../../attestors/contract.ts";
import { bytesEqual } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import { requireCertificates } from "../../x509/pem.ts";

type Sections = ServerConfig["nodeAttestors"];
type Section<Name extends keyof Sections> = NonNullable<Sections[Name]>;

export interface CloudParts {
  readonly clock: Clock;
  readonly random: Random;
  /** Takes down what the attestors keep open. */
  readonly resources: AsyncDisposableStack;
}

/** @throws precondition when a file is not there or not what it should be; invalid */
export function cloudAttestors(
  { awsIid, gcpIit, azureImds }: Sections,
  parts: CloudParts,
): readonly NodeAttestorServer[] {
  return [
    ...(awsIid === undefined ? [] : [aws(awsIid, parts)]),
    ...(gcpIit === undefined ? [] : [gcp(gcpIit, parts)]),
    ...(azureImds === undefined ? [] : [azure(azureImds, parts)]),
  ];
}

function aws(section: Section<"awsIid">, { clock }: CloudParts): NodeAttestorServer {
  const { accountIds, certificates, agentPath } = section;
  return awsIidServer({
    accountIds,
    certificates: new Map([...certificates].map(([region, file]) => [region, pinnedIn(file)])),
    agentPath: AgentPathTemplate.parse(agentPath, AWS_IID_TYPE),
    clock,
  });
}

function gcp(section: Section<"gcpIit">, { clock, resources }: CloudParts): NodeAttestorServer {
  const { projectIds, audiences, issuer, jwksUrl, jwksFile, caFile, agentPath } = section;
  return gcpIitServer({
    issuer: resources.use(
      OidcIssuer.of({
        alias: "google",
        issuerUrl: issuer,
        audiences,
        ...(jwksUrl === undefined ? {} : { jwksUrl }),
        ...(jwksFile === undefined ? {} : { jwksFile }),
        ...(caFile === undefined ? {} : { caFile }),
        clock,
      }),
    ),
    projectIds,
    agentPath: AgentPathTemplate.parse(agentPath, GCP_IIT_TYPE),
  });
}

function azure(section: Section<"azureImds">, { clock, random }: CloudParts): NodeAttestorServer {
  const { tenants, caFile, domains, agentPath } = section;
  const authorities = read("azure_imds authorities", caFile, (ders) => ders.map(parseCertificate));
  const isRoot = ({ subject, issuer }: (typeof authorities)[number]): boolean =>
    bytesEqual(subject, issuer);
  const roots = authorities.filter(isRoot);
  if (roots.length === 0) {
    throw fail("precondition", `azure_imds authorities ${caFile}: none is a root (self-signed)`);
  }
  return azureImdsServer({
    tenants,
    domains,
    roots,
    intermediates: authorities.filter((each) => !isRoot(each)),
    agentPath: AgentPathTemplate.parse(agentPath, AZURE_IMDS_TYPE),
    clock,
    random,
  });
}

/** Node reads these: AWS's certificates are older than what our own parser takes. */
function pinnedIn(file: string): readonly PinnedCertificate[] {
  return read("aws_iid certificate", file, (ders) =>
    ders.map((der) => {
      const certificate = new X509Certificate(der);
      return {
        publicKey: certificate.publicKey.export({ format: "der", type: "spki" }),
        notAfter: certificate.validToDate.getTime() / 1000,
      };
    }),
  );
}

function read<T>(what: string, file: string, parse: (ders: readonly Uint8Array[]) => T): T {
  try {
    if (statSync(file).size > MAX_FILE_BYTES) throw fail("invalid", "it is too large");
    return parse(requireCertificates(readFileSync(file, "utf8")));
  } catch (cause) {
    throw fail("precondition", `${what} ${file}: ${errorFrom(cause).message}`, { cause });
  }
}

const MAX_FILE_BYTES = 1024 * 1024;
