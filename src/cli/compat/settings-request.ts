/** What Nix's settings ask of an evaluation. */

import type { EvaluationRequest } from "../../realise/evaluate.ts";
import { defaultNixPath } from "./default-nix-path.ts";
import { fetchSettingsOf } from "./fetch-settings-of.ts";
import type { NixSettings } from "./nix-settings.ts";

export function requestOfSettings(settings: NixSettings): Omit<EvaluationRequest, "baseDir" | "output"> {
  const depth = Number(settings.text("max-call-depth"));
  const system = settings.text("eval-system") || settings.text("system");
  return {
    showTrace: settings.isOn("show-trace"),
    traceVerbose: settings.isOn("trace-verbose"),
    experimentalFeatures: settings.features,
    fetchSettings: fetchSettingsOf((name) => (settings.has(name) ? settings.text(name) : undefined)),
    pure: settings.isOn("pure-eval"),
    restricted: settings.isOn("restrict-eval"),
    allowedUris: settings.list("allowed-uris"),
    importFromDerivation: settings.isOn("allow-import-from-derivation", true),
    traceImportFromDerivation: settings.isOn("trace-import-from-derivation"),
    lints: settings.lints,
    nixPath: [...settings.list("nix-path"), ...(settings.isOn("restrict-eval") ? [] : defaultNixPath(process.env))],
    ...(settings.isOn("abort-on-warn") ? { abortOnWarn: true } : {}),
    ...(Number.isSafeInteger(depth) && depth > 0 ? { callDepthMax: depth } : {}),
    ...(system === "" ? {} : { system }),
  };
}
