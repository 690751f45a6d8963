/**
 * Names that an operator looks for in a section and that are set elsewhere, by their path: attestors without a section of
 * their own. What is unknown there is answered with this, behind its path.
 */
export const NO_SECTIONS: ReadonlyMap<string, string> = new Map([
  [
    "nodeAttestors.x509pop",
    "is no section; a server has x509popCa at the top of the file, an agent has attestor: x509pop, x509popCert and x509popKey",
  ],
  ...["joinToken", "join_token"].map(
    (name) =>
      [
        `nodeAttestors.${name}`,
        "is no section; a server always takes join tokens, an agent has joinTokenFile at the top of the file",
      ] as const,
  ),
  ["workloadAttestors.unix", "is no section; the attestor unix is always on: leave it out"],
]);
