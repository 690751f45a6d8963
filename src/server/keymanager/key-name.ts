/**
 * Key names are made by the program, never taken from outside: anything else is a programmer's mistake.
 * @throws TypeError
 */
export function checkKeyName(name: string): void {
  if (!KEY_NAME.test(name)) {
    throw new TypeError("a key name has 1..200 letters, digits, dots, dashes and underscores");
  }
}

export const KEY_NAME: RegExp = /^[A-Za-z0-9._-]{1,200}$/;
