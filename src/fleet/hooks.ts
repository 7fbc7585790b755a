/**
 * The deployer's part in hooks: it runs its own, and asks a host for the host's at moments at which no transaction is
 * under way. Hooks of the deployer come from its own evaluation, never from what a host says.
 */

import { invariant, OperationError } from "../base/errors.ts";
import { mapConcurrently } from "../base/concurrency.ts";
import {
  aborts,
  type Hook,
  hookEnvironment,
  HOOK_OUTPUT_BYTES_MAX,
  hookOutput,
  hooksAt,
  hookSecondsOf,
  type HookMoment,
  type HookResult,
  renderHookResult,
} from "../machine/hook.ts";
import { findProgram, renderExit, run, succeeded } from "../system/process.ts";
import type { HostKit } from "./host-kit.ts";

/** Where hooks run, and who hears of them. */
export interface HookDisplay {
  /** The fleet's directory, in which hooks of the deployer run. */
  readonly directory: string;
  /** Told of every command of a hook or a check, and where it runs. */
  readonly onCommand?: ((subject: string, on: Hook["on"], argv: readonly string[]) => void) | undefined;
  /** A line that a hook wrote. */
  output(subject: string, line: string): void;
  /** How programs are run here, when not as processes. */
  readonly run?: typeof run | undefined;
}

export interface HooksOf {
  /** The host's name, or the fleet's. */
  readonly subject: string;
  readonly hooks: readonly Hook[];
  /** `PRISTINE_…`, as far as it is known. */
  readonly facts: Readonly<Record<string, string | undefined>>;
  readonly display: HookDisplay;
  /** A line of the timeline. */
  readonly note: (text: string) => void;
}

export interface HookCall {
  /** Ends the hooks early, which is a failure of them. */
  readonly signal?: AbortSignal | undefined;
  /** What became of the host. */
  readonly outcome?: string | undefined;
}

/** What runs a host's hooks; a model of a host may have none. */
type HookKit = Partial<Pick<HostKit, "hook">>;

/** A call to the kit takes this long besides what it runs. */
const CALL_MS = 15_000;
/** Of one hook, this many lines are shown while it runs. */
const LINES_SHOWN_MAX = 200;

/** Runs the deployer's hooks of a moment, one after another; rejects with `HOOK_FAILED` when one fails that aborts. */
export async function runDeployerHooks(of: HooksOf, moment: HookMoment, call: HookCall = {}): Promise<void> {
  for (const hook of hooksAt(of.hooks, "deployer", moment)) {
    of.note(`hook ${hook.name} (${moment}) on the deployer`);
    judge(of, hook, await runHere(of, hook, moment, call));
  }
}

/** Asks the host to run its hooks of a moment, as the deployer's are run. */
export async function runHostHooks(of: HooksOf, kit: HookKit, moment: HookMoment, call: HookCall = {}): Promise<void> {
  const hooks = hooksAt(of.hooks, "host", moment);
  if (hooks.length === 0) return;
  invariant(kit.hook !== undefined, `the kit of ${of.subject} runs hooks`);
  of.note(`hooks ${hooks.map(({ name }) => name).join(", ")} (${moment}) on the host`);
  const signal = call.signal ?? AbortSignal.timeout(hookSecondsOf(hooks) * 1000 + 2 * CALL_MS);
  const known = Object.entries({ ...of.facts, PRISTINE_OUTCOME: call.outcome });
  const environment = Object.fromEntries(known.filter((entry): entry is [string, string] => entry[1] !== undefined));
  const deadlineMs = hookSecondsOf(hooks) * 1000 + CALL_MS;
  try {
    const { results } = await kit.hook({ hooks, moment, environment }, { signal, deadlineMs });
    for (const result of results) {
      const hook = hooks.find(({ name }) => name === result.name)!;
      of.display.onCommand?.(of.subject, "host", hook.command);
      for (const line of result.output) of.display.output(of.subject, line);
      judge(of, hook, result);
    }
  } catch (error) {
    const isTold = error instanceof OperationError && !hooks.some((hook) => aborts(hook, moment));
    if (!isTold) throw error;
    of.note(`hooks ${hooks.map(({ name }) => name).join(", ")} (${moment}): ${error.message}`);
  }
}

/** The hooks around what is done to one host. */
export class HostHooks {
  readonly #of: HooksOf;
  #isOwed: boolean;

  /** `isOwed` says that an interrupted deployment may have got past its first hooks. */
  constructor(of: HooksOf, options: { readonly isOwed?: boolean | undefined } = {}) {
    this.#of = of;
    this.#isOwed = options.isOwed ?? false;
  }

  /** On the deployer only: the host's are part of its transaction. */
  async onDeployer(moment: HookMoment, call: HookCall = {}): Promise<void> {
    if (moment === "preActivation" || moment === "preReboot") this.#isOwed = true;
    await runDeployerHooks(this.#of, moment, call);
  }

  /** On the deployer and then on the host, or the other way round afterwards. */
  async onBoth(moment: HookMoment, kit: HookKit, call: HookCall = {}): Promise<void> {
    if (moment.startsWith("post")) await runHostHooks(this.#of, kit, moment, call);
    await this.onDeployer(moment, call);
    if (!moment.startsWith("post")) await runHostHooks(this.#of, kit, moment, call);
  }

  /** Whatever becomes of `act`, the deployer's `finally` hooks run once a moment was reached that calls for them. */
  async around<T>(
    act: () => Promise<T>,
    outcomeOf: (ended: { readonly value: T } | { readonly error: unknown }) => string,
  ): Promise<T> {
    let outcome = "unknown";
    try {
      const value = await act();
      outcome = outcomeOf({ value });
      return value;
    } catch (error) {
      outcome = outcomeOf({ error });
      throw error;
    } finally {
      // They are bounded by themselves: an interruption does not keep a host out for good.
      if (this.#isOwed) await runDeployerHooks(this.#of, "finally", { outcome });
    }
  }
}

function judge(of: HooksOf, hook: Hook, result: HookResult): void {
  const text = renderHookResult(result);
  if (result.isOk || !aborts(hook, result.moment)) of.note(text);
  if (result.isOk || !aborts(hook, result.moment)) return;
  const said = result.output.at(-1);
  throw new OperationError("HOOK_FAILED", said === undefined ? text : `${text}: ${said}`, {
    hint: `${hook.command.join(" ")}${hook.place === undefined ? "" : `, declared in ${hook.place}`}`,
  });
}

async function runHere(of: HooksOf, hook: Hook, moment: HookMoment, call: HookCall): Promise<HookResult> {
  const { subject, display } = of;
  display.onCommand?.(subject, "deployer", hook.command);
  const began = performance.now();
  let tail = "";
  let pending = "";
  let shown = 0;
  const show = (line: string): void => {
    if (line.trim() !== "" && shown++ < LINES_SHOWN_MAX) display.output(subject, line);
  };
  const decoder = new TextDecoder();
  const result = (message: string, isOk = false): HookResult => {
    show(pending);
    const milliseconds = Math.round(performance.now() - began);
    return { name: hook.name, moment, isOk, milliseconds, message, output: hookOutput(tail) };
  };
  try {
    const status = await (display.run ?? run)(hook.command, {
      cwd: display.directory,
      extraEnv: hookEnvironment(hook, moment, { ...of.facts, PRISTINE_OUTCOME: call.outcome }),
      mergeStderr: true,
      output: "discard",
      onStdout: (chunk) => {
        const text = decoder.decode(chunk, { stream: true });
        tail = (tail + text).slice(-HOOK_OUTPUT_BYTES_MAX);
        const lines = (pending + text).split("\n");
        pending = (lines.pop() ?? "").slice(-HOOK_OUTPUT_BYTES_MAX);
        lines.forEach(show);
      },
      signal: call.signal,
      deadlineMs: hook.timeoutSeconds * 1000,
    });
    const how = status.timedOut ? `no end within ${hook.timeoutSeconds} s` : renderExit(status);
    return result(succeeded(status) ? "done" : how, succeeded(status));
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    return result(error.message);
  }
}

/** Refuses hooks of the deployer whose programs are not here, before anything is done. */
export async function requireHookPrograms(
  subjects: readonly { readonly name: string; readonly hooks: readonly Hook[] }[],
): Promise<void> {
  const own = subjects.flatMap(({ name, hooks }) =>
    hooks.filter(({ on }) => on === "deployer").map((hook) => ({ name, hook })),
  );
  await mapConcurrently(own, 16, async ({ name, hook }) => {
    const [program = ""] = hook.command;
    if ((await findProgram(program)) !== undefined) return;
    throw new OperationError(
      "HOOK_PROGRAM_MISSING",
      `hook '${hook.name}' of ${name} runs ${program}, which is no program on this machine`,
      {
        hint: `${hook.place === undefined ? "" : `it is declared in ${hook.place}; `}install it, make it executable, or name its whole path`,
      },
    );
  });
}
