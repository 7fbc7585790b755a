/** The layers of `src/`, as the tidy test enforces them and `ARCHITECTURE.md` shows them. */

/** Which layers a layer may import besides itself; each stands after those it may import. */
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  format: ["base"],
  language: ["base", "format"],
  protocol: ["base", "format"],
  system: ["base"],
  store: ["base", "format", "protocol", "system"],
  build: ["base", "format", "protocol", "system", "store"],
  fetch: ["base", "format", "protocol", "system", "store"],
  realise: ["base", "format", "language", "system", "store", "build", "fetch"],
  machine: ["base", "format", "protocol", "system", "store"],
  fleet: ["base", "format", "language", "protocol", "system", "store", "build", "fetch", "realise", "machine"],
  lab: ["base", "system", "machine"],
  kit: ["base", "format", "machine"],
  cli: [
    "base",
    "format",
    "language",
    "protocol",
    "system",
    "store",
    "build",
    "fetch",
    "realise",
    "machine",
    "fleet",
    "lab",
    "kit",
  ],
  library: ["base", "fleet", "machine", "cli"],
};
