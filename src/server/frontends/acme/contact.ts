import { acmeError } from "./problem.ts";

/** Contacts of an account (RFC 8555 §7.3): `mailto:` with one address and nothing else. @throws AcmeError */
export function checkContact(value: unknown): readonly string[] {
  if (!Array.isArray(value) || !value.every((each) => typeof each === "string")) {
    throw acmeError("malformed", "contact is not a list of texts");
  }
  if (value.length > MAX_CONTACTS) {
    throw acmeError("invalidContact", `contact has more than ${MAX_CONTACTS} members`);
  }
  // Some clients send an empty text for none.
  const contacts = value.filter((each) => each !== "");
  for (const contact of contacts) {
    if (!/^mailto:/i.test(contact)) {
      throw acmeError("unsupportedContact", "contacts are mailto: addresses here");
    }
    const address = contact.slice("mailto:".length);
    // No header fields, and not several addresses in one.
    if (address.length > MAX_ADDRESS || !ADDRESS.test(address)) {
      throw acmeError("invalidContact", "a contact is no single mail address");
    }
  }
  return contacts;
}

const ADDRESS = /^[^\s@,?<>"\\\p{C}]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/u;
const MAX_ADDRESS = 254;
const MAX_CONTACTS = 10;
