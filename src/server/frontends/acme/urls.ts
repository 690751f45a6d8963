/** Where each resource is (RFC 8555 §7.1), below the one address that clients know the front end by. */
import type { ChallengeType } from "./contract.ts";

export class AcmeUrls {
  #base: string;

  /** @param base URL without a slash at its end; empty: it is told later */
  constructor(base: string) {
    this.#base = base;
  }

  get base(): string {
    return this.#base;
  }

  /** What paths begin with. */
  get prefix(): string {
    return this.#base === "" ? "" : new URL(this.#base).pathname.replace(/\/$/, "");
  }

  /** Of a listener whose port the system has chosen. @param base URL without path */
  settle(base: string): void {
    this.#base = base;
  }

  get directory(): string {
    return this.#at("/directory");
  }

  get newNonce(): string {
    return this.#at("/acme/new-nonce");
  }

  get newAccount(): string {
    return this.#at("/acme/new-account");
  }

  get newOrder(): string {
    return this.#at("/acme/new-order");
  }

  get revokeCert(): string {
    return this.#at("/acme/revoke-cert");
  }

  get keyChange(): string {
    return this.#at("/acme/key-change");
  }

  get renewalInfo(): string {
    return this.#at("/acme/renewal-info");
  }

  /** What the rate limits are, for people. */
  get limits(): string {
    return this.#at("/acme/limits");
  }

  account(id: string): string {
    return this.#at(`/acme/account/${id}`);
  }

  /** @returns undefined when it is none of ours */
  accountId(url: string): string | undefined {
    const start = this.account("");
    const id = url.slice(start.length);
    return url.startsWith(start) && ID.test(id) ? id : undefined;
  }

  orders(accountId: string): string {
    return `${this.account(accountId)}/orders`;
  }

  order(id: string): string {
    return this.#at(`/acme/order/${id}`);
  }

  finalize(id: string): string {
    return `${this.order(id)}/finalize`;
  }

  authorization(id: string): string {
    return this.#at(`/acme/authorization/${id}`);
  }

  challenge(authorizationId: string, type: ChallengeType): string {
    return this.#at(`/acme/challenge/${authorizationId}/${type}`);
  }

  certificate(id: string): string {
    return this.#at(`/acme/certificate/${id}`);
  }

  /** @param number from 1 */
  alternate(id: string, number: number): string {
    return `${this.certificate(id)}/${number}`;
  }

  #at(path: string): string {
    return `${this.#base}${path}`;
  }
}

const ID = /^[A-Za-z0-9_-]{1,64}$/;
