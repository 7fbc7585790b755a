/**
 * What could stand where the cursor is, from the commands and options of the program itself; names of hosts and options
 * come from the fleet.
 */

import type { Argument, Command, Option } from "commander";

/** What only the fleet knows. Asked only where it can be meant. */
export interface FleetWords {
  readonly hosts: () => Promise<readonly { readonly name: string; readonly tags: readonly string[] }[]>;
  /** Names of secrets that hosts have. */
  readonly secrets: () => Promise<readonly string[]>;
  /** Names of the options of a host, whole paths. */
  readonly options: (host: string) => Promise<readonly string[]>;
}

export interface Candidate {
  readonly word: string;
  readonly description?: string | undefined;
}

export interface Completions {
  readonly candidates: readonly Candidate[];
  /** What the shell is to complete besides. */
  readonly files?: "any" | "directories";
  /** The word goes on: no space behind it. */
  readonly goesOn?: boolean;
}

const NOTHING: Completions = { candidates: [] };
const FILES: Completions = { candidates: [], files: "any" };

/** Completes the last of `words`, which are those behind the program's name. */
export async function complete(program: Command, words: readonly string[], fleet: FleetWords): Promise<Completions> {
  const { command, operands, awaiting, isBehindDashes } = walk(program, words.slice(0, -1));
  const word = words.at(-1) ?? "";
  const offered = await offer();
  return { ...offered, candidates: offered.candidates.filter((candidate) => candidate.word.startsWith(word)) };

  async function offer(): Promise<Completions> {
    if (awaiting !== undefined) return optionValues(awaiting, word, fleet);
    if (!isBehindDashes && word.startsWith("-")) {
      const [flag = "", value] = word.split(/=(.*)/s);
      const option = value === undefined ? undefined : findOption(command, flag);
      if (option === undefined) return { candidates: flagsOf(command) };
      const found = await optionValues(option, value!, fleet);
      return { ...found, candidates: found.candidates.map((one) => ({ ...one, word: `${flag}=${one.word}` })) };
    }
    const subcommands = visibleCommands(command);
    if (subcommands.length > 0 && operands.length === 0 && !isBehindDashes) {
      return { candidates: subcommands.map((one) => ({ word: one.name(), description: one.summary() })) };
    }
    const { registeredArguments: declared } = command;
    const argument = declared[operands.length] ?? (declared.at(-1)?.variadic === true ? declared.at(-1) : undefined);
    return argument === undefined ? NOTHING : argumentValues(command, argument, operands, word, fleet);
  }
}

interface Walked {
  readonly command: Command;
  /** What was given to the command that is no option. */
  readonly operands: readonly string[];
  /** The option whose value comes next. */
  readonly awaiting: Option | undefined;
  readonly isBehindDashes: boolean;
}

function walk(program: Command, words: readonly string[]): Walked {
  let command = program;
  let operands: string[] = [];
  let awaiting: Option | undefined;
  let isBehindDashes = false;
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (isBehindDashes) operands.push(word);
    else if (word === "--") isBehindDashes = true;
    else if (word.startsWith("-") && word !== "-") {
      const option = word.includes("=") ? undefined : findOption(command, word);
      if (option === undefined || (!option.required && !option.optional)) continue;
      // Options with two values name both.
      const count = option.flags.replace(/^[^<[]*/, "").split(" ").length;
      if (at + count >= words.length) awaiting = option;
      at += count;
    } else {
      const subcommand = operands.length > 0 ? undefined : command.commands.find((one) => one.name() === word);
      if (subcommand === undefined) operands.push(word);
      else {
        command = subcommand;
        operands = [];
      }
    }
  }
  return { command, operands, awaiting, isBehindDashes };
}

/** The command and those it is below: global options stand anywhere. */
function lineage(command: Command): Command[] {
  return command.parent === null ? [command] : [command, ...lineage(command.parent)];
}

function findOption(command: Command, flag: string): Option | undefined {
  return lineage(command)
    .flatMap((one) => one.options)
    .find((option) => option.long === flag || option.short === flag);
}

function visibleCommands(command: Command): Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== "help");
}

function flagsOf(command: Command): Candidate[] {
  const help = command.createHelp();
  const options = [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)];
  return options.map((option) => ({
    word: option.long ?? option.short ?? "",
    description: option.description,
  }));
}

async function optionValues(option: Option, word: string, fleet: FleetWords): Promise<Completions> {
  if (option.argChoices !== undefined) return { candidates: option.argChoices.map((choice) => ({ word: choice })) };
  if (/<patterns>/.test(option.flags)) {
    // Those before the last comma stay.
    const kept = word.slice(0, word.lastIndexOf(",") + 1);
    const candidates = await hostWords(fleet, { withTags: true });
    return { candidates: candidates.map((one) => ({ ...one, word: kept + one.word })) };
  }
  return /<(file|path|source)>/.test(option.flags) ? FILES : NOTHING;
}

async function argumentValues(
  command: Command,
  argument: Argument,
  operands: readonly string[],
  word: string,
  fleet: FleetWords,
): Promise<Completions> {
  if (argument.argChoices !== undefined) return { candidates: argument.argChoices.map((choice) => ({ word: choice })) };
  switch (argument.name()) {
    case "host":
    case "other":
      return { candidates: await hostWords(fleet, { withTags: command.name() === "ssh" }) };
    case "hosts": {
      const given = new Set(operands);
      const isLab = command.parent?.name() === "lab";
      const candidates = await hostWords(fleet, { withTags: !isLab });
      return { candidates: candidates.filter((one) => !given.has(one.word)) };
    }
    case "secret":
    case "secrets":
      return { candidates: (await fleet.secrets()).map((secret) => ({ word: secret })) };
    case "option":
      return optionWords(await fleet.options(operands[0] ?? ""), word);
    case "directory":
      return { candidates: [], files: "directories" };
    case "files":
    case "command":
    case "flake":
    case "attribute":
      return FILES;
    default:
      return NOTHING;
  }
}

async function hostWords(fleet: FleetWords, options: { readonly withTags: boolean }): Promise<Candidate[]> {
  const hosts = await fleet.hosts();
  const tags = options.withTags ? [...new Set(hosts.flatMap((host) => host.tags))].sort() : [];
  return [
    ...hosts.map(({ name, tags: own }) => ({ word: name, ...(own.length > 0 ? { description: own.join(" ") } : {}) })),
    ...tags.map((tag) => ({
      word: `@${tag}`,
      description: hosts
        .filter((host) => host.tags.includes(tag))
        .map((host) => host.name)
        .join(" "),
    })),
  ];
}

/** Paths up to their next dot, as a shell completes directories. */
function optionWords(names: readonly string[], word: string): Completions {
  const steps = new Set(
    names
      // Those below a name that is left open are not typed.
      .filter((name) => name.startsWith(word) && !/[<*]/.test(name))
      .map((name) => {
        const dot = name.indexOf(".", word.length);
        return dot < 0 ? name : name.slice(0, dot + 1);
      }),
  );
  const candidates = [...steps].map((step) => ({ word: step }));
  return { candidates, goesOn: candidates.some((candidate) => candidate.word.endsWith(".")) };
}

/** The answer as the shells' scripts read it: a word and its description a line, directives behind a colon. */
export function renderCompletions({ candidates, files, goesOn }: Completions): string[] {
  const lines = candidates.map(({ word, description = "" }) => {
    const [summary = ""] = description.split("\n");
    return summary === "" ? word : `${word}\t${summary}`;
  });
  if (files !== undefined) lines.push(files === "any" ? ":files" : ":directories");
  if (goesOn === true) lines.push(":goes-on");
  return lines;
}
