/** Which hosts an error of a fleet's evaluation belongs to, and whether it is the fleet's own. */

import { evaluateAnew } from "../realise/evaluate.ts";
import { EvalDiagnostic, type EvalDiagnosticData, type EvaluationRequest } from "../realise/evaluation-request.ts";

/** What members of an expression are called that stand for hosts' declarations, and for their systems. */
export const HOST = "host-";
export const SYSTEM = "system-";

/** The errors of hosts: those of which nothing can be known, and those that only have no system. */
export interface Failures {
  readonly declarations: ReadonlyMap<string, EvalDiagnostic>;
  readonly systems: ReadonlyMap<string, EvalDiagnostic>;
}

export const NO_FAILURES: Failures = { declarations: new Map(), systems: new Map() };

/**
 * Evaluates each host by itself after `error` has ended the evaluation of all. Throws it when no host can be evaluated,
 * or when it is no error of a host's, and what is wrong with the fleet.
 */
export async function failuresOfHosts(
  asked: Required<Pick<EvaluationRequest, "expression" | "baseDir">>,
  error: unknown,
  signal: AbortSignal,
): Promise<Failures> {
  if (!(error instanceof EvalDiagnostic)) throw error;
  const request = { ...asked, output: "json", strict: true, perMember: true, keepGoing: true } as const;
  const { text } = await evaluateAnew(request, signal);
  const members = Object.entries(
    JSON.parse(text) as Readonly<Record<string, { readonly failure?: EvalDiagnosticData }>>,
  );
  const failed = members.flatMap(([member, { failure }]) =>
    failure === undefined ? [] : [[member, new EvalDiagnostic(failure)] as const],
  );
  const ofFleet = failed.find(([member, failure]) => member === "fleet" || leadsRound(failure))?.[1];
  // The same circle is told of as it was met.
  if (ofFleet !== undefined) throw ofFleet.code === error.code ? error : ofFleet;
  const ofKind = (kind: string, names: (name: string) => boolean = () => true): Map<string, EvalDiagnostic> =>
    new Map(
      failed
        .filter(([member]) => member.startsWith(kind) && names(member.slice(kind.length)))
        .map(([member, failure]) => [member.slice(kind.length), failure]),
    );
  const declarations = ofKind(HOST);
  const systems = ofKind(SYSTEM, (name) => !declarations.has(name));
  const isWhole = (kind: string, count: number): boolean =>
    count > 0 && count === members.filter(([member]) => member.startsWith(kind)).length;
  const hasNoHost = isWhole(HOST, declarations.size) || isWhole(SYSTEM, ofKind(SYSTEM).size);
  // Without any failure of a host's, it is about several of them: two that have one address.
  if (failed.length === 0 || hasNoHost) throw error;
  return { declarations, systems };
}

/** Whether hosts refer to each other in a circle: that is nobody's own mistake. */
function leadsRound({ data }: EvalDiagnostic): boolean {
  if (data.code !== "EVAL_INFINITE_RECURSION") return false;
  const hosts = data.trace.flatMap(({ text }) => /^while evaluating the host '([^']+)'/.exec(text)?.[1] ?? []);
  return new Set(hosts).size > 1;
}
