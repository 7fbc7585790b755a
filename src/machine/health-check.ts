/** Health checks as data: what is declared, sent with a plan, run on the host, and reported. */

interface HealthCheckBase {
  readonly name: string;
  /** A bound on one attempt. */
  readonly timeoutSeconds: number;
  /** Attempts after the first. */
  readonly retries: number;
  /** The pause between attempts. */
  readonly intervalSeconds: number;
}

export type HealthCheck = HealthCheckBase &
  (
    | {
        readonly kind: "http";
        readonly url: string;
        /** The wanted status; any of 200…399 when absent. */
        readonly status?: number;
        /** A text the body must contain. */
        readonly body?: string;
      }
    | { readonly kind: "tcp"; readonly host: string; readonly port: number }
    | { readonly kind: "unit"; readonly unit: string }
    | { readonly kind: "command"; readonly command: readonly string[] }
  );

export interface HealthResult {
  readonly name: string;
  readonly healthy: boolean;
  readonly attempts: number;
  readonly milliseconds: number;
  /** Why the last attempt failed, or what it saw. */
  readonly message: string;
}
