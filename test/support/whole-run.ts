/** Whether tests that take long run whole: with `SLOW=1`, and among the tests that need a real Nix, where time is no matter. */
export const isWholeRun: boolean = process.env["SLOW"] === "1" || process.env["NIX_ORACLE"] !== undefined;
