/** The system that derivations are built for by default: this machine's. */

const SYSTEMS: Readonly<Record<string, string>> = { x64: "x86_64-linux", arm64: "aarch64-linux" };

export function currentSystem(): string {
  return SYSTEMS[process.arch] ?? `${process.arch}-linux`;
}
