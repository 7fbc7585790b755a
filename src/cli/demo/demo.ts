/** Runs the demo: says what it will do, prepares the machine, tells the chapters, writes the report, cleans up. */

import { join } from "node:path";
import { OperationError } from "../../base/errors.ts";
import { quotePosix } from "../../base/shell-words.ts";
import { labDown, labNames } from "../../lab/lab.ts";
import { checkRoot, LAB_PROGRAMS } from "../../lab/requirements.ts";
import { checkSubnetFree } from "../../lab/network.ts";
import { uplinkName } from "../../lab/lab-names.ts";
import { installPackages, missingPackages } from "../../system/debian-packages.ts";
import { stateDirectory } from "../../system/directories.ts";
import { ensureDirectory, freeBytes, removeTree, writeFileAtomic } from "../../system/files.ts";
import { programFile } from "../../system/program-files.ts";
import { EXIT } from "../exit-codes.ts";
import { renderBytes, renderDuration } from "../../base/quantities.ts";
import type { Session } from "../session.ts";
import { Chapters } from "./chapters.ts";
import { Story } from "./story.ts";

/** The lab has the name of the fleet. */
const LAB = "shop";
const SUBNET = "10.77.7.0/24";
const DISK_BYTES_NEEDED = 3 * 1024 ** 3;
/** Measured: Debian's index of one architecture, and the packages of the shop and of the builders. */
const DOWNLOADS = "about 10 MB of Debian's package index and 55 MB of packages, kept for the next time";

const NEEDED = {
  ...LAB_PROGRAMS,
  bwrap: "bubblewrap",
  gpgv: "gpgv",
  xz: "xz-utils",
  "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
};

export async function runDemo(
  session: Session,
  options: { readonly keep: boolean; readonly dryRun: boolean; readonly report: string },
): Promise<number> {
  const { terminal, signal } = session;
  const { bold, dim } = terminal.colors;
  const directory = join(stateDirectory(), "demo", LAB);
  const pasting = `export PATH=${quotePosix(programFile("bin"))}:$PATH; cd ${quotePosix(directory)}`;
  const missing = await missingPackages(NEEDED);
  terminal.out(
    bold("Pristine: three hosts, from nothing to deployed, broken, healed and rolled back, on this machine."),
  );
  terminal.out("");
  terminal.out(
    `  installs    ${missing.length === 0 ? "nothing: the Debian packages it needs are here" : `Debian packages: ${missing.join(" ")}`}`,
  );
  terminal.out(`  downloads   ${DOWNLOADS}`);
  terminal.out(
    `  writes      ${directory} (the fleet), /var/lib/pristine/lab/${LAB} (three sparse disks), the local store; under 3 GB`,
  );
  terminal.out(
    `  network     ${SUBNET} behind the interface ${uplinkName(LAB)}, three hosts in namespaces of their own`,
  );
  terminal.out("  mounts      three loop devices with ext4, and tmpfs roots, all below /run/pristine/lab");
  terminal.out(`  commands    are shown as they run; to paste them: ${pasting}`);
  terminal.out(
    "  afterwards  every trace of the hosts is removed (--keep leaves them up); the local store stays as a cache",
  );
  checkRoot();
  if ((await labNames()).includes(LAB)) {
    terminal.out(
      `  collision   an earlier demo is still there ${options.dryRun ? "and would be" : "and is"} removed first`,
    );
    if (!options.dryRun) await labDown(LAB, { signal });
  }
  // A machine without iproute2 is looked at when it has it: after the first screen.
  const canSeeNetworks = !missing.includes(LAB_PROGRAMS.ip);
  if (canSeeNetworks) await checkSubnetFree(LAB, SUBNET);
  const free = await freeBytes("/var/lib");
  if (free < DISK_BYTES_NEEDED) {
    throw new OperationError(
      "DISK_FULL",
      `the demo needs ${renderBytes(DISK_BYTES_NEEDED)} on /var/lib, and ${renderBytes(free)} are free`,
      { hint: "make room and run it again" },
    );
  }
  terminal.out(
    canSeeNetworks
      ? "  collisions  none: the names and addresses are free"
      : "  collisions  none of names; the addresses are checked as soon as iproute2 is installed, before anything is made",
  );
  if (options.dryRun) return EXIT.ok;

  const startedMs = performance.now();
  if (missing.length > 0) {
    await installPackages(missing, { signal, onStep: (step) => session.progress.update("install", step) });
    session.progress.done("install", missing.join(", "));
  }
  if (!canSeeNetworks) await checkSubnetFree(LAB, SUBNET);
  await removeTree(directory);
  await ensureDirectory(directory);
  const story = new Story({
    terminal,
    directory,
    program: programFile("bin/pristine"),
    signal,
  });
  try {
    await new Chapters(story).tell();
  } finally {
    if (!options.keep || signal.aborted) await cleanUp(session);
    await writeFileAtomic(
      options.report,
      `${JSON.stringify({ held: story.held, seconds: Math.round((performance.now() - startedMs) / 1000), chapters: story.chapters }, null, 2)}\n`,
    );
  }
  terminal.out("");
  const failed = story.chapters.filter((chapter) => !chapter.held);
  const complete = failed.length === 0;
  const took = renderDuration(performance.now() - startedMs);
  terminal.out(
    bold(
      complete
        ? `All ${story.chapters.length} chapters held, in ${took}.`
        : `${failed.length} of ${story.chapters.length} chapters did not hold.`,
    ) + dim(` The report is in ${options.report}.`),
  );
  if (options.keep) {
    terminal.out(
      `\nThe fleet is up. Look around:\n  ${pasting}\n  pristine status --lab\n  pristine ssh web1 --lab\n  curl http://10.77.7.11/\n  pristine demo stop      # removes every trace`,
    );
  }
  if (complete) terminal.out(`\nNow your fleet: ${bold("pristine init")}`);
  return complete ? EXIT.ok : EXIT.hostsFailed;
}

export async function stopDemo(session: Session): Promise<number> {
  const removed = await cleanUp(session);
  session.terminal.out(removed ? "every trace of the demo's hosts is removed" : "there is no demo to remove");
  return EXIT.ok;
}

/** Also after an interrupt: what is to be removed is removed whatever the session's signal says. */
async function cleanUp(session: Session): Promise<boolean> {
  session.progress.update("clean up", "removing the hosts");
  const removed = await labDown(LAB);
  await removeTree(join(stateDirectory(), "demo"));
  session.progress.done("clean up", removed ? "no trace is left" : "nothing to remove", "info");
  return removed;
}
