/** The release of Nix whose language this is, and whose programs those of `bin/compat` follow. */
export const NIX_VERSION = "2.34.8";
