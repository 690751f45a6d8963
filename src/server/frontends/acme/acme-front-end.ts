/**
 * The front end `acme`: certificates for whoever shows that a name is theirs (RFC 8555). It knows accounts, orders and
 * challenges; who may have which name, and whether a challenge is met, it asks others, and it never signs.
 */
import type { Clock } from "../../../base/clock.ts";
import type { Random } from "../../../base/random.ts";
import type { AcmeFrontEndConfig } from "../../../config/server/acme-front-end.ts";
import { limitLines } from "../../../config/sections/acme-limits-section.ts";
import { ApiListener } from "../../../http/api-listener.ts";
import { CallerGuard } from "../../../http/caller-guard.ts";
import type { TlsIdentity } from "../../../base/tls-identity.ts";
import { CallerLog } from "../../../observe/caller-log.ts";
import type { Logger } from "../../../observe/logger.ts";
import type { Metrics } from "../../../observe/metrics.ts";
import type { AuditTrail } from "../../audit/audit-trail.ts";
import type { CallScope } from "../../audit/call-scope.ts";
import type { Datastore } from "../../datastore/contract.ts";
import type { Issuance } from "../../issuance/issuance.ts";
import { Accounts } from "./accounts.ts";
import { Authorizations } from "./authorizations.ts";
import { Certificates, type CertificatesOptions } from "./certificates.ts";
import type { ExternalAccounts, NamePolicy, Validator } from "./contract.ts";
import { directoryDocument, limitsDocument } from "./directory.ts";
import { Finalization } from "./finalization.ts";
import { OrderIssuance } from "./issue-order.ts";
import { changeKey } from "./key-change.ts";
import type { RateLimits } from "./limits.ts";
import { Nonces } from "./nonces.ts";
import { readAcme } from "./observe.ts";
import { Orders } from "./orders.ts";
import { ProcessingOrders } from "./processing-orders.ts";
import { problemType } from "./problem.ts";
import { Profiles } from "./profiles.ts";
import { pruneAcme } from "./prune.ts";
import { SignedRequests } from "./request.ts";
import { acmeRoutes } from "./routes.ts";
import { AcmeUrls } from "./urls.ts";
import { Validations } from "./validations.ts";

export interface AcmeFrontEndParts {
  readonly config: Pick<AcmeFrontEndConfig, "listen" | "url">;
  /** What may change while it listens, as it is now. */
  readonly settings: () => Omit<AcmeFrontEndConfig, "listen" | "url" | "tls">;
  readonly store: Pick<Datastore, "acme" | "entries" | "transaction">;
  readonly issuance: Pick<
    Issuance,
    "checkFrontEndCertificate" | "prepareFrontEndCertificate" | "isWithdrawn" | "hasAlternate"
  >;
  readonly validator: Validator;
  readonly policy: NamePolicy;
  readonly externalAccounts: ExternalAccounts;
  readonly limits: RateLimits;
  readonly revoke: CertificatesOptions["revoke"];
  readonly trail: Pick<AuditTrail, "denied">;
  readonly scope: CallScope;
  readonly tls?: () => TlsIdentity | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export class AcmeFrontEnd implements AsyncDisposable {
  readonly #urls: AcmeUrls;
  readonly #parts: AsyncDisposableStack;
  readonly address: { readonly host: string; readonly port: number };

  private constructor(
    urls: AcmeUrls,
    address: { readonly host: string; readonly port: number },
    parts: AsyncDisposableStack,
  ) {
    this.#urls = urls;
    this.address = address;
    this.#parts = parts;
  }

  /** @throws precondition when the address cannot be listened on or the certificate does not do */
  static async open(parts: AcmeFrontEndParts): Promise<AcmeFrontEnd> {
    const { config, tls, clock, logger } = parts;
    await using opened = new AsyncDisposableStack();
    const urls = new AcmeUrls(config.url);
    const shared = { ...parts, urls };
    const validations = opened.use(new Validations(shared));
    const profiles = new Profiles({ ...parts, entries: parts.store.entries });
    const orders = new Orders({ ...shared, profiles });
    const issuance = new OrderIssuance({ ...shared, profiles });
    const processing = opened.use(new ProcessingOrders({ ...shared, orders, issuance }));
    const listener = opened.use(
      await ApiListener.open({
        ...config.listen,
        setting: "frontends.acme.listen",
        routes: routesOf(parts, { urls, validations, profiles, orders, processing }),
        guard: new CallerGuard({ clock }),
        // RFC 8555 §6.3: where GET is not answered.
        refusalType: problemType("malformed"),
        ...(tls === undefined ? {} : { tls }),
        logger,
      }),
    );
    const address = listener.tcpAddress ?? config.listen;
    if (config.url === "") urls.settle(urlOf(address, tls !== undefined));
    await validations.resume();
    processing.resume();
    opened.use(pruneAcme(parts));
    opened.use(readAcme(parts, validations));
    return new AcmeFrontEnd(urls, address, opened.move());
  }

  /** URL of the directory. */
  get directory(): string {
    return this.#urls.directory;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }
}

interface Made {
  readonly urls: AcmeUrls;
  readonly validations: Validations;
  readonly profiles: Profiles;
  readonly orders: Orders;
  readonly processing: ProcessingOrders;
}

function routesOf(parts: AcmeFrontEndParts, made: Made): ReturnType<typeof acmeRoutes> {
  const { settings, store, random, clock, logger } = parts;
  const { urls, profiles } = made;
  const nonces = new Nonces({ random });
  const shared = { ...parts, ...made };
  return acmeRoutes(urls.prefix, {
    ...parts,
    urls,
    nonces,
    requests: new SignedRequests({ store: store.acme, nonces, urls }),
    accounts: new Accounts(shared),
    orders: made.orders,
    authorizations: new Authorizations(shared),
    finalization: new Finalization(shared),
    certificates: new Certificates(shared),
    changeKey: (request) => changeKey({ request, store, urls, logger }),
    directory: () => directoryDocument({ urls, profiles, settings: settings() }),
    limits: () => limitsDocument(limitLines(settings().limits)),
    callerLog: new CallerLog(logger, clock),
  });
}

function urlOf({ host, port }: { host: string; port: number }, isTls: boolean): string {
  const bare = host.includes(":") ? `[${host}]` : host;
  return `${isTls ? "https" : "http"}://${bare}:${port}`;
}
