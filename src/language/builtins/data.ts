/** Data formats: JSON, TOML and XML. */

import { expectPlainText } from "../eval/expect.ts";
import { stringWithContext } from "../eval/type-name.ts";
import { renderJson } from "../eval/value-json.ts";
import { renderXml } from "../eval/value-xml.ts";
import type { Builtins } from "./builtin.ts";
import { valueOfJson } from "./json-value.ts";
import { valueOfToml } from "./toml-value.ts";

export const dataBuiltins: Builtins = {
  toJSON: [
    1,
    (state, [value]) => {
      const context = new Set<string>();
      const text = renderJson(state, value!, context, { copyPaths: true });
      return stringWithContext(text, context);
    },
  ],
  fromJSON: [
    1,
    (state, [text]) => {
      const frame = "while evaluating the first argument passed to builtins.fromJSON";
      const json = expectPlainText(text!, undefined, frame);
      state.reserveText(json);
      return valueOfJson(json);
    },
  ],
  fromTOML: [
    1,
    (state, [text]) => {
      const frame = "while evaluating the argument passed to builtins.fromTOML";
      const toml = expectPlainText(text!, undefined, frame);
      return valueOfToml(toml, { timestamps: state.settings.features.has("parse-toml-timestamps") });
    },
  ],
  toXML: [
    1,
    (state, [value]) => {
      const context = new Set<string>();
      const text = renderXml(state, value!, context, { strict: true, places: false });
      return stringWithContext(text, context);
    },
  ],
};
