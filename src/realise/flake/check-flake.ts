/** Checks the outputs of a flake: each must evaluate to what its name says it is. */

import { Attrs } from "../../language/eval/attrs.ts";
import { selectPath } from "../../language/eval/attr-path.ts";
import { asking, coerceToPath } from "../../language/eval/coerce.ts";
import { isDerivation } from "../../language/eval/equality.ts";
import { invalidError, withFrame } from "../../language/eval/eval-error.ts";
import { expectAttrs, expectPlainText, expectText } from "../../language/eval/expect.ts";
import { renderPlace } from "../../language/eval/place-text.ts";
import type { EvalState } from "../../language/eval/state.ts";
import { force } from "../../language/eval/thunk.ts";
import { describeType } from "../../language/eval/type-name.ts";
import { Lambda, type Place, type Slot, type Value } from "../../language/eval/value.ts";
import type { FlakeCheckResult } from "./flake-request.ts";

export interface CheckOptions {
  readonly allSystems: boolean;
  readonly onWarning: (text: string) => void;
}

const DEPRECATED: Readonly<Record<string, string>> = {
  defaultPackage: "packages.<system>.default",
  defaultApp: "apps.<system>.default",
  defaultTemplate: "templates.default",
  defaultBundler: "bundlers.<system>.default",
  overlay: "overlays.default",
  devShell: "devShells.<system>.default",
  nixosModule: "nixosModules.default",
};

/** Outputs that others gave a meaning to, which nothing checks. */
const COMMUNITY =
  /^(lib|darwinConfigurations|darwinModules|flakeModules?|herculesCI|homeConfigurations|homeModules?|nixopsConfigurations)$/;

export function checkOutputs(state: EvalState, outputs: Attrs, options: CheckOptions): FlakeCheckResult {
  const checker = new FlakeChecker(state, options);
  // Jobs come first, as in Nix, which allows them less than the others.
  const names = outputs.keys.filter((name) => name !== "hydraJobs");
  for (const name of outputs.has("hydraJobs") ? ["hydraJobs", ...names] : names) {
    checker.checkOutput(name, outputs.get(name)!, outputs.placeOf(name));
  }
  return { checks: checker.checks, omittedSystems: [...checker.omittedSystems].sort() };
}

type Check = (path: string, slot: Slot, place: Place | undefined) => void;

class FlakeChecker {
  readonly checks: { readonly attribute: string; readonly drvPath: string }[] = [];
  readonly omittedSystems = new Set<string>();
  readonly #state: EvalState;
  readonly #options: CheckOptions;

  constructor(state: EvalState, options: CheckOptions) {
    this.#state = state;
    this.#options = options;
  }

  checkOutput(name: string, slot: Slot, place: Place | undefined): void {
    try {
      force(slot, place);
      const replacement = DEPRECATED[name];
      if (Object.hasOwn(DEPRECATED, name)) {
        this.#options.onWarning(`flake output attribute '${name}' is deprecated; use '${replacement!}' instead`);
      }
      this.#dispatch(name, slot, place);
    } catch (error) {
      throw withFrame(error, `while checking flake output '${name}'`, place);
    }
  }

  #dispatch(name: string, slot: Slot, place: Place | undefined): void {
    switch (name) {
      case "checks":
        return this.#perSystem(name, slot, this.#each(this.#noteCheck));
      case "packages":
      case "devShells":
        return this.#perSystem(name, slot, this.#each(this.#derivation));
      case "apps":
        return this.#perSystem(name, slot, this.#each(this.#app));
      case "bundlers":
        return this.#perSystem(name, slot, this.#each(this.#bundler));
      case "formatter":
      case "defaultPackage":
      case "devShell":
        return this.#perSystem(name, slot, this.#derivation);
      case "defaultApp":
        return this.#perSystem(name, slot, this.#app);
      case "defaultBundler":
        return this.#perSystem(name, slot, this.#bundler);
      case "legacyPackages":
        return this.#perSystem(name, slot, () => undefined);
      case "overlay":
        return this.#overlay(name, slot, place);
      case "overlays":
        return this.#each(this.#overlay)(name, slot, place);
      case "nixosModule":
        return this.#module(name, slot, place);
      case "nixosModules":
        return this.#each(this.#module)(name, slot, place);
      case "nixosConfigurations":
        return this.#each(this.#configuration)(name, slot, place);
      case "hydraJobs":
        return this.#jobs(name, slot, place);
      case "defaultTemplate":
        return this.#template(name, slot, place);
      case "templates":
        return this.#each(this.#template)(name, slot, place);
      default:
        if (!COMMUNITY.test(name)) this.#options.onWarning(`unknown flake output '${name}'`);
    }
  }

  #each(check: Check): Check {
    return (path, slot) => {
      const attrs = expectAttrs(slot, undefined, "");
      for (const name of attrs.keys) check(`${path}.${name}`, attrs.get(name)!, attrs.placeOf(name));
    };
  }

  #perSystem(name: string, slot: Slot, check: Check): void {
    const attrs = expectAttrs(slot, undefined, "");
    for (const system of attrs.keys) {
      const place = attrs.placeOf(system);
      if (!system.includes("-")) {
        const at = place === undefined ? "\xc2\xabnone\xc2\xbb:0" : renderPlace(place);
        throw invalidError(`'${system}' is not a valid system type, at ${at}`);
      }
      if (!this.#options.allSystems && system !== this.#state.settings.system) {
        this.omittedSystems.add(system);
        continue;
      }
      check(`${name}.${system}`, attrs.get(system)!, place);
    }
  }

  /** Runs a check; what goes wrong in it is said to have gone wrong there. */
  #checking(frame: string, place: Place | undefined, check: () => void): void {
    try {
      check();
    } catch (error) {
      throw withFrame(error, frame, place);
    }
  }

  readonly #derivation: Check = (path, slot, place) => {
    this.#drvPathOf(path, slot, place);
  };

  readonly #noteCheck: Check = (path, slot, place) => {
    const drvPath = this.#drvPathOf(path, slot, place);
    if (path.startsWith(`checks.${this.#state.settings.system}.`)) this.checks.push({ attribute: path, drvPath });
  };

  #drvPathOf(path: string, slot: Slot, place: Place | undefined): string {
    let drvPath = "";
    this.#checking(`while checking the derivation '${path}'`, place, () => {
      const value = force(slot, place);
      if (!isDerivation(value)) throw invalidError(`flake attribute '${path}' is not a derivation`);
      if (!value.has("name")) throw invalidError("derivation name missing");
      expectPlainText(
        value.get("name")!,
        value.placeOf("name"),
        "while evaluating the 'name' attribute of a derivation",
      );
      const frame = "while evaluating the 'drvPath' attribute of a derivation";
      if (!value.has("drvPath")) throw invalidError("derivation does not contain a 'drvPath' attribute");
      drvPath = expectText(value.get("drvPath")!, new Set(), value.placeOf("drvPath"), frame);
    });
    return drvPath;
  }

  readonly #app: Check = (path, slot, place) =>
    this.#checking(`while checking the app definition '${path}'`, place, () => {
      const app = expectAttrs(slot, place, "");
      if (!app.has("type")) throw invalidError(`app '${path}' lacks attribute 'type'`);
      expectPlainText(app.get("type")!, app.placeOf("type"), "");
      if (!app.has("program")) throw invalidError(`app '${path}' lacks attribute 'program'`);
      expectText(app.get("program")!, new Set(), app.placeOf("program"), "");
      this.#appMeta(path, app);
      for (const name of app.keys) {
        if (name === "type" || name === "program" || name === "meta") continue;
        throw invalidError(`app '${path}' has unsupported attribute '${name}'`);
      }
    });

  #appMeta(path: string, app: Attrs): void {
    const slot = app.get("meta");
    if (slot === undefined) return this.#options.onWarning(`app '${path}' lacks attribute 'meta'`);
    const meta = expectAttrs(slot, app.placeOf("meta"), "");
    if (meta.has("description")) expectPlainText(meta.get("description")!, meta.placeOf("description"), "");
    else this.#options.onWarning(`app '${path}' lacks attribute 'meta.description'`);
  }

  readonly #overlay: Check = (path, slot, place) =>
    this.#checking(`while checking the overlay '${path}'`, place, () => {
      const overlay = force(slot, place);
      if (!(overlay instanceof Lambda)) {
        throw invalidError(`overlay is not a function, but ${describeType(overlay)} instead`);
      }
      const { formals, param = "" } = overlay.code;
      if (formals !== undefined || !(param === "final" || param === "_" || param === "_final")) {
        throw invalidError("overlay does not take an argument named 'final'");
      }
    });

  readonly #module: Check = (path, slot, place) =>
    this.#checking(`while checking the NixOS module '${path}'`, place, () => void force(slot, place));

  readonly #configuration: Check = (path, slot, place) =>
    this.#checking(`while checking the NixOS configuration '${path}'`, place, () => {
      const toplevel = selectPath(this.#state, force(slot, place), "config.system.build.toplevel", Attrs.empty);
      if (!isDerivation(toplevel)) {
        throw invalidError("attribute 'config.system.build.toplevel' is not a derivation");
      }
    });

  readonly #bundler: Check = (path, slot, place) =>
    this.#checking(`while checking the template '${path}'`, place, () => {
      if (!(force(slot, place) instanceof Lambda)) throw invalidError("bundler must be a function");
    });

  readonly #jobs: Check = (path, slot, place) =>
    this.#checking(`while checking the Hydra jobset '${path}'`, place, () => {
      const jobs = expectAttrs(slot, place, "");
      const isJob: boolean = isDerivation(jobs);
      if (isJob) throw invalidError("jobset should not be a derivation at top-level");
      for (const name of jobs.keys) {
        const job: Value = expectAttrs(jobs.get(name)!, jobs.placeOf(name), "");
        const check = isDerivation(job) ? this.#derivation : this.#jobs;
        check(`${path}.${name}`, job, jobs.placeOf(name));
      }
    });

  readonly #template: Check = (path, slot, place) =>
    this.#checking(`while checking the template '${path}'`, place, () => {
      const template = expectAttrs(slot, place, "");
      if (!template.has("path")) throw invalidError(`template '${path}' lacks attribute 'path'`);
      const at = template.placeOf("path");
      const file = coerceToPath(this.#state, template.get("path")!, new Set(), at, "");
      if (asking(() => this.#state.host.stat(file)) === undefined) {
        throw invalidError(`template '${path}' refers to a non-existent path '${file}'`);
      }
      if (!template.has("description")) throw invalidError(`template '${path}' lacks attribute 'description'`);
      expectPlainText(template.get("description")!, template.placeOf("description"), "");
      for (const name of template.keys) {
        if (name === "path" || name === "description" || name === "welcomeText") continue;
        throw invalidError(`template '${path}' has unsupported attribute '${name}'`);
      }
    });
}
