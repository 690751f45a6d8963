/** `frontends.acme.limits` of a server's file: how much of what an account or an address may do. */
import { type ValueOf, count, section } from "../settings/shape.ts";

const LIMIT = count(0, 1_000_000);

export const ACME_LIMITS = section({
  accountsPerAddressPerHour: {
    shape: LIMIT,
    help: "new accounts from one address, or one IPv6 network of 64 bits; 0: any number",
    default: 100,
  },
  ordersPerAccountPerHour: { shape: LIMIT, help: "new orders; 0: any number", default: 1000 },
  duplicatesPerDay: {
    shape: LIMIT,
    help: "new orders of one account for the very same names; 0: any number",
    default: 50,
  },
  failedValidationsPerHour: {
    shape: LIMIT,
    help: "failed validations of one name by one account; 0: any number",
    default: 10,
  },
});

/** 0 = no limit. */
export interface AcmeLimitsConfig {
  readonly accountsPerAddressPerHour: number;
  readonly ordersPerAccountPerHour: number;
  readonly duplicatesPerDay: number;
  readonly failedValidationsPerHour: number;
}

export function acmeLimits(given: ValueOf<typeof ACME_LIMITS> | undefined): AcmeLimitsConfig {
  return {
    accountsPerAddressPerHour: given?.accountsPerAddressPerHour ?? 100,
    ordersPerAccountPerHour: given?.ordersPerAccountPerHour ?? 1000,
    duplicatesPerDay: given?.duplicatesPerDay ?? 50,
    failedValidationsPerHour: given?.failedValidationsPerHour ?? 10,
  };
}

/** One sentence for each limit, for whoever ran into one. */
export function limitLines(config: AcmeLimitsConfig): readonly string[] {
  const line = (limit: number, what: string): string[] =>
    limit === 0 ? [] : [`At most ${limit} ${what}.`];
  return [
    ...line(
      config.accountsPerAddressPerHour,
      "new accounts from one address (of IPv6: one network of 64 bits) within an hour",
    ),
    ...line(config.ordersPerAccountPerHour, "new orders of one account within an hour"),
    ...line(
      config.duplicatesPerDay,
      "new orders of one account for the very same names within a day",
    ),
    ...line(
      config.failedValidationsPerHour,
      "failed validations of one name by one account within an hour; then that name has to wait",
    ),
  ];
}
