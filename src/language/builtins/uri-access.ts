/** Which addresses evaluation may fetch from. */

import { FormatError } from "../../base/errors.ts";
import { parseUrl, pathOfSegments } from "../../format/input/url.ts";
import { canonicalPath } from "../eval/canonical-path.ts";
import { asking } from "../eval/coerce.ts";
import { EvalError } from "../eval/eval-error.ts";
import type { EvalState } from "../eval/state.ts";

/**
 * Refuses an address that restricted evaluation does not allow. One that is a path is allowed when the host lets
 * evaluation see what is there.
 */
export function checkUri(state: EvalState, uri: string): void {
  const { allowedUris } = state.settings;
  if (allowedUris === undefined || allowedUris.some((prefix) => isBelow(uri, prefix))) return;
  const path = uri.startsWith("/") ? uri : pathOfFileUrl(uri);
  if (path === undefined) {
    const message = `access to URI '${uri}' is forbidden in restricted mode`;
    throw new EvalError({ kind: "world", message }, undefined);
  }
  asking(() => state.host.checkAccess(canonicalPath(path)));
}

/** Whether an address is `prefix`, or continues it after a `/`; a prefix that is a scheme allows all of the scheme. */
function isBelow(uri: string, prefix: string): boolean {
  if (uri === prefix) return true;
  if (prefix === "" || !uri.startsWith(prefix)) return false;
  return prefix.endsWith("/") || uri[prefix.length] === "/" || /^[a-z][a-z0-9+.-]*:$/.test(prefix);
}

function pathOfFileUrl(uri: string): string | undefined {
  try {
    const url = parseUrl(uri);
    return url.scheme === "file" ? pathOfSegments(url.path) : undefined;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
