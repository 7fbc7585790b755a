/** A command line, or a setting, that makes no sense. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
