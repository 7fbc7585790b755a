/** Refusing secrets whose users are no units of the system, before anything is done to the host. */

import { OperationError } from "../../base/errors.ts";
import { filesOf, secretsOf } from "../../machine/secrets.ts";
import type { SystemObject } from "../../machine/system-object.ts";
import type { HostInventory } from "../inventory.ts";

export function requireSecretUnits(host: HostInventory, wanted: SystemObject): void {
  const declared = [...(host.secrets?.secrets ?? []), ...(host.secrets?.templates ?? [])];
  const unknown = filesOf(secretsOf(wanted)).flatMap(({ name, reloadUnits, restartUnits }) =>
    [...restartUnits, ...reloadUnits]
      .filter((unit) => wanted.unit(unit) === undefined)
      .map((unit) => {
        const place = declared.find((secret) => secret.name === name)?.place;
        return `secret '${name}' is used by ${unit}, which the host's system does not have${place === undefined ? "" : ` (defined in ${place})`}`;
      }),
  );
  if (unknown.length === 0) return;
  throw new OperationError("SECRET_UNIT_UNKNOWN", `${host.name}: ${unknown.join("; ")}`, {
    hint: "nothing was done to the host: correct restartUnits and reloadUnits, or declare the unit",
  });
}
