/** `pristine secrets`: the age files of a fleet, for those who change them and for its hosts. */

import { dirname } from "node:path";
import { type Command, Option } from "commander";
import { OperationError } from "../../base/errors.ts";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { collect, onOption } from "../host-option.ts";
import type { FileChange } from "../../fleet/secrets/operators.ts";
import type { FleetContext } from "../../library/context.ts";
import { action, type Session } from "../session.ts";
import type { IdentityFlags } from "../secrets-flow.ts";

const HOSTS = "host names, globs or @tags (default: all)";

export function registerSecrets(program: Command): void {
  const secrets = program
    .command("secrets")
    .summary("change, encrypt, list and check the secrets of hosts")
    .description(
      "Secrets are age files in the repository, for the keys in meta.secrets.recipients. Of each, every host that has it gets a file of its own in pristine.secrets.d, which only that host's ssh key decrypts, on the host, into memory. Commit both. See docs/manual/secrets.md.",
    )
    .addHelpText(
      "after",
      exitCodesHelp({ ok: "done", usage: "something is missing, damaged or wrong; the message says what" }),
    );

  secrets
    .command("list")
    .summary("show the secrets of hosts and whether they can be deployed")
    .argument("[hosts...]", HOSTS)
    .addOption(onOption())
    .addHelpText("after", exitCodesHelp({ ok: "listed, whatever their state" }))
    .action(
      action(async (session, names: string[], options: { on: string[] }) => {
        const { hosts } = await open(session, names, options);
        const { renderSecrets } = await import("../render/secrets.ts");
        if (session.options.json) {
          const listed = hosts.map(({ name, secrets: own }) => ({ host: name, ...own }));
          session.terminal.out(JSON.stringify({ hosts: listed }));
        } else
          for (const line of renderSecrets(hosts, dirname(session.fleetFile), session.terminal))
            session.terminal.out(line);
        return EXIT.ok;
      }),
    );

  withIdentity(
    secrets
      .command("check")
      .summary("say what keeps secrets from being deployed or read")
      .description(
        "Looks at every file without contacting a host: whether each host's is there, of the present secret and for its present key, and whether those of the repository are whole, for the declared keys, and decrypted by yours.",
      )
      .argument("[hosts...]", HOSTS)
      .addOption(onOption()),
  )
    .option("--no-decrypt", "do not try your keys, for machines that have none")
    .addHelpText(
      "after",
      exitCodesHelp({ ok: "all is well", usage: "usage or evaluation error", hostsFailed: "something is not" }),
    )
    .action(
      action(async (session, names: string[], options: IdentityFlags & { on: string[]; decrypt: boolean }) => {
        const { hosts, inventory } = await open(session, names, options);
        const { checkSecrets } = await import("../../fleet/secrets/check.ts");
        const { sourceContext } = await import("../secrets-flow.ts");
        const { renderProblem } = await import("../render/secrets.ts");
        const { renderCount } = await import("../../base/quantities.ts");
        const identities = options.decrypt ? await sourceContext(session, options).identities() : undefined;
        const problems = await checkSecrets(inventory, hosts, identities, session.signal);
        const count = hosts.reduce((sum, host) => sum + (host.secrets?.secrets ?? []).length, 0);
        if (session.options.json) session.terminal.out(JSON.stringify({ problems }));
        else if (problems.length === 0) session.terminal.out(`${renderCount(count, "secret")}: all is well`);
        else for (const problem of problems) session.terminal.out(renderProblem(problem, session.terminal));
        return problems.length === 0 ? EXIT.ok : EXIT.hostsFailed;
      }),
    );

  withIdentity(
    secrets
      .command("edit")
      .summary("change a secret, or make it")
      .description(
        "Decrypts the secret's file into a directory in memory, opens it in $VISUAL or $EDITOR, and encrypts what was saved for meta.secrets.recipients and for the hosts that have the secret.",
      )
      .argument("<secret>", "the name of a secret, or its file"),
  )
    .option("--stdin", "take the new value from standard input instead")
    .addHelpText(
      "after",
      exitCodesHelp({ ok: "written, or nothing was changed", usage: "it cannot be decrypted, or nothing was saved" }),
    )
    .action(
      action(async (session, wanted: string, options: IdentityFlags & { stdin?: boolean }) => {
        const { inventory } = await open(session, [], {});
        const { editFile, editInMemory } = await import("../../fleet/secrets/operators.ts");
        const { findOperatorsFile } = await import("../../fleet/secrets/declared.ts");
        const { sourceContext } = await import("../secrets-flow.ts");
        const { readStandardInput } = await import("../../system/detached.ts");
        const file = findOperatorsFile(inventory.hosts, wanted);
        const editor = process.env["VISUAL"] ?? process.env["EDITOR"] ?? "vi";
        session.progress.close();
        const change = await editFile(
          inventory,
          file,
          options.stdin === true
            ? { edit: readStandardInput, isReplaced: true }
            : {
                edit: async (plaintext, path) =>
                  await editInMemory(plaintext, path, { editor, signal: session.signal }),
                isReplaced: false,
              },
          sourceContext(session, options),
        );
        await showChanges(session, [change]);
        return EXIT.ok;
      }),
    );

  withIdentity(
    secrets
      .command("generate")
      .summary("make the files of secrets that say how, where they are missing")
      .argument("[secrets...]", "names of secrets, or their files (default: all that say how)"),
  )
    .addHelpText(
      "after",
      exitCodesHelp({ ok: "made, or all were there", usage: "one does not say how it is generated" }),
    )
    .action(
      action(async (session, wanted: string[], options: IdentityFlags) => {
        const { inventory } = await open(session, [], {});
        const { generateFiles } = await import("../../fleet/secrets/operators.ts");
        const { findOperatorsFile, operatorsFiles } = await import("../../fleet/secrets/declared.ts");
        const { sourceContext } = await import("../secrets-flow.ts");
        const files =
          wanted.length === 0
            ? operatorsFiles(inventory.hosts)
            : wanted.map((name) => findOperatorsFile(inventory.hosts, name));
        const mute = wanted.length === 0 ? undefined : files.findIndex(({ generate }) => generate === null);
        if (mute !== undefined && mute >= 0) {
          throw new OperationError("SECRET_NOT_GENERATED", `'${wanted[mute]}' does not say how it is generated`, {
            hint: "set deployment.secrets.NAME.generate, or use 'pristine secrets edit'",
          });
        }
        await showChanges(session, await generateFiles(inventory, files, sourceContext(session, options)));
        return EXIT.ok;
      }),
    );

  withIdentity(
    secrets
      .command("rekey")
      .summary("encrypt secrets for hosts, and for those who may change them")
      .description(
        "Writes what is missing or out of date of the hosts' files, each for its host's ssh key; those that are as they should be stay. Values from programs and variables are read for it.",
      )
      .argument("[hosts...]", HOSTS)
      .addOption(onOption()),
  )
    .option("--enroll", "ask the hosts for their ssh keys, show them, and use them from now on")
    .option("-y, --yes", "enrol without asking")
    .option("--refresh", "read values from programs and variables again")
    .option("--operators", "also encrypt the files in the repository for meta.secrets.recipients as they are now")
    .addHelpText(
      "after",
      exitCodesHelp({
        ok: "all files are as declared",
        usage: "something cannot be read; nothing was written for that host",
        hostsFailed: "a host was not reached",
      }),
    )
    .action(
      action(async (session, names: string[], options: RekeyFlags) => {
        const context = await open(session, names, options);
        const { rekeyHost, rekeyOperators } = await import("../../fleet/secrets/operators.ts");
        const { enrollHosts, hostsWithSecrets, sourceContext } = await import("../secrets-flow.ts");
        const { renderHostChange } = await import("../render/secrets.ts");
        const sources = sourceContext(session, options);
        const hosts = hostsWithSecrets(context);
        const enrolled =
          options.enroll === true
            ? await enrollHosts(session, { ...context, hosts }, { yes: options.yes === true })
            : new Map<string, string>();
        session.progress.close();
        const operators = options.operators === true ? await rekeyOperators(context.inventory, sources) : [];
        const changes = [];
        for (const host of hosts) {
          const hostKey = enrolled.get(host.name);
          const how = { isRefreshed: options.refresh === true, ...(hostKey === undefined ? {} : { hostKey }) };
          changes.push(await rekeyHost(context.inventory, host, how, sources));
        }
        const { json } = session.options;
        if (json) session.terminal.out(JSON.stringify({ hosts: changes, operators }));
        else {
          for (const path of operators) session.terminal.out(`${path} is encrypted for meta.secrets.recipients`);
          for (const change of changes) session.terminal.out(renderHostChange(change));
        }
        return EXIT.ok;
      }),
    );

  secrets
    .command("upload")
    .summary("put on hosts what deployment.uploads declares")
    .description(
      "Uploads files, output of programs and texts to hosts as they run, as deployments do: after a boot, where they were in memory, or when one has changed. Keys of Colmena and secrets of morph are among them.",
    )
    .argument("[hosts...]", HOSTS)
    .addOption(onOption())
    .addHelpText(
      "after",
      exitCodesHelp({ ok: "all is there", usage: "usage or evaluation error", hostsFailed: "a host lacks something" }),
    )
    .action(
      action(async (session, names: string[], options: { on: string[] }) => {
        const { uploadToHosts } = await import("../../library/uploads.ts");
        const outcomes = await uploadToHosts(session, { hosts: [...names, ...options.on] });
        if (session.options.json) session.terminal.out(JSON.stringify({ hosts: outcomes }));
        return outcomes.every(({ error }) => error === undefined) ? EXIT.ok : EXIT.hostsFailed;
      }),
    );

  withIdentity(
    secrets.command("show").summary("print a secret").argument("<secret>", "the name of a secret, or its file"),
  )
    .addHelpText("after", exitCodesHelp({ ok: "printed", usage: "it cannot be decrypted" }))
    .action(
      action(async (session, wanted: string, options: IdentityFlags) => {
        const { inventory } = await open(session, [], {});
        const { findOperatorsFile } = await import("../../fleet/secrets/declared.ts");
        const { readOperatorsFile } = await import("../../fleet/secrets/source.ts");
        const { sourceContext } = await import("../secrets-flow.ts");
        const { writeOutputBytes } = await import("../../system/standard-output.ts");
        const file = findOperatorsFile(inventory.hosts, wanted);
        const { plaintext } = await readOperatorsFile(file.path, sourceContext(session, options));
        session.progress.close();
        // As it is: what it says is not for a terminal to make safe.
        if (session.options.json)
          session.terminal.out(JSON.stringify({ base64: Buffer.from(plaintext).toString("base64") }));
        else writeOutputBytes(plaintext);
        return EXIT.ok;
      }),
    );
}

interface RekeyFlags extends IdentityFlags {
  readonly on: string[];
  readonly enroll?: boolean;
  readonly yes?: boolean;
  readonly refresh?: boolean;
  readonly operators?: boolean;
}

function withIdentity(command: Command): Command {
  return command.addOption(
    new Option("-i, --identity <file>", "a key to decrypt with: of age, or of ssh (ed25519 or rsa)")
      .argParser(collect)
      .default([], "PRISTINE_IDENTITY, keys/operator, ~/.ssh/id_ed25519, ~/.ssh/id_rsa, ~/.config/age/keys.txt"),
  );
}

async function open(
  session: Session,
  names: readonly string[],
  options: { readonly on?: readonly string[] },
): Promise<FleetContext> {
  const { openContext } = await import("../../library/context.ts");
  // A secret in a variable is for this process: the resident one would keep it in its environment.
  process.env["PRISTINE_RESIDENT"] = "off";
  return await openContext(session, { hosts: [...names, ...(options.on ?? [])] });
}

async function showChanges(session: Session, changes: readonly FileChange[]): Promise<void> {
  const { renderFileChange } = await import("../render/secrets.ts");
  const { options, terminal } = session;
  if (options.json) terminal.out(JSON.stringify({ files: changes }));
  else if (changes.length === 0) terminal.out("every file is there");
  else
    for (const change of changes)
      for (const line of renderFileChange(change, dirname(session.fleetFile))) terminal.out(line);
}
