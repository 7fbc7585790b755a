/**
 * The host kit as the deployer sees it: one typed method per subcommand, run over ssh.
 *
 * The kit is a store path on the host (see `src/kit`); it must have been copied there before any of these is called.
 */

import { OperationError } from "../base/errors.ts";
import type { CheckHistoryAnswer } from "../machine/check-history.ts";
import type { CheckAnswer, EphemeralAnswer, HistoryAnswer, HostFacts, StaleAnswer } from "../machine/facts.ts";
import type { HookAnswer, HookRequest } from "../machine/hook.ts";
import type {
  BeginAnswer,
  JournalAnswer,
  JournalRecord,
  KitFailure,
  Receipt,
  RequestedReason,
  TransactionPlan,
  TransactionStatus,
} from "../machine/transaction.ts";
import type { Command, SshConnection } from "./ssh.ts";

const FACTS_DEADLINE_MS = 45_000;
const REBOOT_DEADLINE_MS = 30_000;

/** Where a host has its kit; also a root for the collector. */
export const INSTALLED_KIT = "/nix/var/nix/gcroots/pristine/kit";

/** The kit said no: its code and message, with what holds the host when it is locked. */
export class KitError extends OperationError {
  readonly failure: KitFailure["error"];

  constructor(host: string, failure: KitFailure["error"]) {
    super(failure.code === "KIT_LOCKED" ? "HOST_LOCKED" : failure.code, `${host}: ${failure.message}`, {
      hint: failure.hint,
    });
    this.failure = failure;
  }
}

export interface KitCall {
  readonly signal: AbortSignal;
  readonly deadlineMs?: number;
  readonly fresh?: boolean;
}

export class HostKit {
  readonly connection: SshConnection;
  readonly #path: string;

  constructor(connection: SshConnection, kitPath: string) {
    this.connection = connection;
    this.#path = kitPath;
  }

  /** Makes this kit the host's; it must outlive the command, as the host may need it to return. */
  async place(call: KitCall): Promise<void> {
    await this.#ask<object>(["place-kit", this.#path], call);
  }

  facts(call: KitCall): Promise<HostFacts> {
    return this.#ask<HostFacts>(["facts"], { deadlineMs: FACTS_DEADLINE_MS, ...call });
  }

  begin(plan: TransactionPlan, call: KitCall): Promise<BeginAnswer> {
    return this.#ask<BeginAnswer>(["begin"], { deadlineMs: 120_000, ...call }, JSON.stringify(plan));
  }

  journal(id: string, after: number, call: KitCall): Promise<JournalAnswer> {
    return this.#ask<JournalAnswer>(["journal", id, "--after", String(after)], call);
  }

  /** Streams records until the transaction rests (awaits confirmation or is final). */
  async follow(
    id: string,
    after: number,
    onRecord: (record: JournalRecord) => void,
    call: KitCall,
  ): Promise<JournalAnswer> {
    let pending = "";
    let answer: JournalAnswer | undefined;
    const onLine = (line: string): void => {
      if (line.trim() === "") return;
      const value = this.#parse<JournalRecord | JournalAnswer | KitFailure>(line, "journal", line);
      if ("error" in value) throw new KitError(this.connection.address, value.error);
      if ("seq" in value) onRecord(value);
      else answer = value;
    };
    let failure: unknown;
    const decoder = new TextDecoder();
    await this.connection.run(this.#command(["journal", id, "--after", String(after), "--follow"]), {
      ...call,
      asRoot: true,
      onStdout: (chunk) => {
        pending += decoder.decode(chunk, { stream: true });
        const lines = pending.split("\n");
        pending = lines.pop() ?? "";
        try {
          for (const line of lines) onLine(line);
        } catch (error) {
          failure ??= error;
        }
      },
    });
    if (failure !== undefined) throw failure as Error;
    if (pending !== "") onLine(pending);
    if (answer === undefined) {
      throw new OperationError(
        "HOST_UNREACHABLE",
        `the connection to ${this.connection.address} ended while following the activation`,
        { retryable: true },
      );
    }
    return answer;
  }

  /** A temporary system has no receipt before it ends. */
  confirm(id: string, call: KitCall): Promise<Receipt | TransactionStatus> {
    return this.#ask<Receipt | TransactionStatus>(["confirm", id], call);
  }

  /** Asks for a return, which goes on by itself once this is answered. */
  revert(id: string, call: KitCall, { kind, message }: RequestedReason): Promise<TransactionStatus> {
    const args = ["revert", id, "--reason", kind, message];
    return this.#ask<TransactionStatus>(args, { deadlineMs: 300_000, ...call });
  }

  /** Runs the health checks of the system that runs. */
  check(call: KitCall): Promise<CheckAnswer> {
    return this.#ask<CheckAnswer>(["check"], { deadlineMs: 300_000, ...call });
  }

  /** The units that use any of these packages, by their full store paths. */
  stale(packages: readonly string[], call: KitCall): Promise<StaleAnswer> {
    return this.#ask<StaleAnswer>(["stale"], { deadlineMs: FACTS_DEADLINE_MS, ...call }, JSON.stringify(packages));
  }

  /** What checks on timers have seen. */
  checkHistory(call: KitCall): Promise<CheckHistoryAnswer> {
    return this.#ask<CheckHistoryAnswer>(["check-history"], call);
  }

  /** Runs hooks at a moment at which there is no transaction. */
  hook(request: HookRequest, call: KitCall): Promise<HookAnswer> {
    return this.#ask<HookAnswer>(["hook"], call, JSON.stringify(request));
  }

  /** The connection may be gone before this is answered. */
  async reboot(call: KitCall): Promise<void> {
    await this.#ask<object>(["reboot"], { deadlineMs: REBOOT_DEADLINE_MS, ...call });
  }

  ephemeral(call: KitCall): Promise<EphemeralAnswer> {
    return this.#ask<EphemeralAnswer>(["ephemeral"], { deadlineMs: 120_000, ...call });
  }

  history(call: KitCall): Promise<HistoryAnswer> {
    return this.#ask<HistoryAnswer>(["history"], call);
  }

  #command(args: readonly string[], stdin?: string): Command {
    return { argv: [`${this.#path}/bin/pristine-kit`, ...args], ...(stdin === undefined ? {} : { stdin }) };
  }

  async #ask<T extends object>(args: readonly string[], call: KitCall, stdin?: string): Promise<T> {
    const outcome = await this.connection.run(this.#command(args, stdin), { ...call, asRoot: true });
    const text = outcome.stdout.toString("utf8");
    const answer = this.#parse<T | KitFailure>(text, args[0] ?? "", outcome.stderr.toString("utf8") || text);
    if ("error" in answer) throw new KitError(this.connection.address, answer.error);
    return answer;
  }

  /** Reads an answer of the kit; anything else that came was said by something in its place. */
  #parse<T extends object>(text: string, command: string, said: string): T {
    const host = this.connection.address;
    let value: unknown;
    let cause: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      cause = error;
    }
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as T;
    const shown = said.trim().split("\n").slice(-5).join("\n");
    throw new OperationError(
      "KIT_FAILED",
      `the kit on ${host} failed at '${command}': ${shown === "" ? "it ended without an answer" : shown}`,
      { cause },
    );
  }
}
