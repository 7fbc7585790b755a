/**
 * Users and groups on a host that has others, under a model of the host's tools: these write one file after the other,
 * and all are killed before and after every one of them.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { bootForeign, removeUndeclared, requireFreePlaces, switchForeign } from "../../src/kit/foreign.ts";
import type { Host, HostFiles } from "../../src/kit/host.ts";
import { ACCOUNT_FILES, LINGERING, OWN_ACCOUNTS } from "../../src/machine/accounts.ts";
import type { SystemUser } from "../../src/machine/system-object.ts";
import { FakeMachine, Killed, processOn, type ProcessOptions } from "../support/fake-machine.ts";

const BARE = "/nix/store/00000000000000000000000000000000-system-h";
const OLD = "/nix/store/11111111111111111111111111111111-system-h";
const NEW = "/nix/store/22222222222222222222222222222222-system-h";

const BEFORE: Readonly<Record<string, string>> = {
  passwd: "root:x:0:0:root:/root:/bin/bash\nmara:x:1000:1000:Mara:/home/mara:/bin/bash\n",
  shadow: "root:*:1::::::\nmara:$y$hers:1::::::\n",
  group: "root:x:0:\nsudo:x:27:mara\ndocker:x:999:\nnogroup:x:65534:\nmara:x:1000:\n",
  gshadow: "root:*::\nsudo:*::mara\ndocker:!::\nnogroup:*::\nmara:!::\n",
  subuid: "mara:100000:65536\n",
  subgid: "mara:100000:65536\n",
};

const user = (name: string, uid: number, more: Partial<NonNullable<SystemUser["account"]>> = {}): SystemUser => ({
  name,
  uid,
  gid: uid,
  home: "/nonexistent",
  shell: "/bin/bash",
  keys: 0,
  account: { description: name, isSystem: false, isLocked: false, homeMode: null, groups: [], ...more },
});
const group = (name: string, gid: number): { name: string; gid: number; members: [] } => ({ name, gid, members: [] });

const WEB = user("web", 678, { isSystem: true });
const ALICE = user("alice", 1500, { groups: ["sudo", "web"], isLingering: true });

function newMachine(): FakeMachine {
  const machine = new FakeMachine();
  for (const [name, text] of Object.entries(BEFORE)) machine.files.set(`/etc/${name}`, { kind: "file", text });
  const add = (path: string, users: SystemUser[], groups: ReturnType<typeof group>[]): void => {
    machine.addSystem(path, {}, {}, { base: "foreign", users, groups });
    // The host has its own.
    for (const file of ["passwd", "systemd/system/multi-user.target"]) machine.files.delete(`${path}/etc/${file}`);
  };
  add(BARE, [], []);
  add(OLD, [WEB, ALICE], [group("web", 678), group("alice", 1500), group("team", 800)]);
  add(
    NEW,
    [
      {
        ...WEB,
        shell: "/bin/sh",
        account: { ...WEB.account!, description: "the web", isLocked: true, isLingering: true, groups: ["team"] },
      },
      user("bob", 1600, { groups: ["docker", "sudo"] }),
    ],
    [group("web", 678), group("team", 800), group("bob", 1600)],
  );
  return machine;
}

/** One of shadow's tools: each file is replaced as a whole, in its order. */
function runTool(files: HostFiles, command: readonly string[]): number {
  const [tool = "", ...rest] = command;
  const name = rest.at(-1) ?? "";
  const of = (option: string): string | undefined =>
    rest.includes(option) ? rest[rest.indexOf(option) + 1] : undefined;
  const lines = (file: string): string[] => (files.readFile(`/etc/${file}`) ?? "").split("\n").slice(0, -1);
  const write = (file: string, next: readonly string[]): void => {
    const text = next.map((line) => `${line}\n`).join("");
    if (text !== files.readFile(`/etc/${file}`)) files.writeDurably(`/etc/${file}`, text);
  };
  const without = (file: string): string[] => lines(file).filter((line) => !line.startsWith(`${name}:`));
  const has = (file: string): boolean => without(file).length < lines(file).length;
  const change = (file: string, edit: (fields: string[]) => string[]): void => {
    write(
      file,
      lines(file).map((line) => (line.startsWith(`${name}:`) ? edit(line.split(":")).join(":") : line)),
    );
  };
  const joinGroups = (wanted: readonly string[]): void => {
    for (const file of ["group", "gshadow"]) {
      write(
        file,
        lines(file).map((line) => {
          const fields = line.split(":");
          const members = (fields[3] ?? "").split(",").filter((member) => member !== "");
          const isIn = wanted.includes(fields[0] ?? "");
          if (isIn === members.includes(name)) return line;
          fields[3] = (isIn ? [...members, name] : members.filter((member) => member !== name)).join(",");
          return fields.join(":");
        }),
      );
    }
  };
  switch (tool) {
    case "groupadd":
      if (has("group")) return 9;
      write("group", [...lines("group"), `${name}:x:${of("--gid")}:`]);
      write("gshadow", [...without("gshadow"), `${name}:!::`]);
      return 0;
    case "groupdel":
      if (!has("group")) return 6;
      write("group", without("group"));
      write("gshadow", without("gshadow"));
      return 0;
    case "useradd": {
      if (has("passwd")) return 9;
      const [uid, gid] = [of("--uid"), of("--gid")];
      if (!lines("group").some((line) => line.split(":")[2] === gid)) return 6;
      const entry = [name, "x", uid, gid, of("--comment"), of("--home-dir"), of("--shell")].join(":");
      write("passwd", [...lines("passwd"), entry]);
      write("shadow", [...without("shadow"), `${name}:${of("--password") ?? "!"}:1::::::`]);
      if (rest.includes("--system")) return 0;
      for (const file of ["subuid", "subgid"]) write(file, [...without(file), `${name}:165536:65536`]);
      return 0;
    }
    case "usermod": {
      const at = { "--gid": 3, "--comment": 4, "--home": 5, "--shell": 6 };
      change("passwd", (fields) =>
        fields.map((old, index) =>
          Object.entries(at).reduce((value, [option, place]) => (place === index ? (of(option) ?? value) : value), old),
        ),
      );
      if (rest.includes("--lock")) change("shadow", ([one = "", old = "", ...more]) => [one, `!${old}`, ...more]);
      if (rest.includes("--unlock")) change("shadow", ([one = "", old = "", ...more]) => [one, old.slice(1), ...more]);
      const groups = of("--groups");
      if (groups !== undefined) joinGroups(groups.split(","));
      return 0;
    }
    case "userdel": {
      if (!has("passwd")) return 6;
      const gid = lines("passwd")
        .find((line) => line.startsWith(`${name}:`))
        ?.split(":")[3];
      write("passwd", without("passwd"));
      write("shadow", without("shadow"));
      joinGroups([]);
      const own = lines("group")
        .find((line) => line.startsWith(`${name}:`))
        ?.split(":");
      if (own?.[2] === gid && own?.[3] === "") for (const file of ["group", "gshadow"]) write(file, without(file));
      for (const file of ["subuid", "subgid"]) write(file, without(file));
      return 0;
    }
    default:
      return 127;
  }
}

/** What `getent` says for names and numbers. */
function lookUp(files: HostFiles, [, file = "", ...keys]: readonly string[]): string {
  const entries = (files.readFile(`/etc/${file}`) ?? "").split("\n").filter((line) => line !== "");
  const found = keys.flatMap((key) => entries.find((line) => line.split(":")[/^\d+$/.test(key) ? 2 : 0] === key) ?? []);
  return found.map((line) => `${line}\n`).join("");
}

function hostOn(machine: FakeMachine, options: ProcessOptions = {}): Host {
  const host = processOn(machine, options);
  return {
    ...host,
    run: (command) =>
      command[0] === "getent"
        ? { code: 0, stdout: lookUp(host.files, command), stderr: "" }
        : command[0] === "stat"
          ? { code: 0, stdout: "0 /\n", stderr: "" }
          : { code: runTool(host.files, command), stdout: "", stderr: command.join(" ") },
  };
}

const accounts = (machine: FakeMachine): Record<string, string> => ({
  ...Object.fromEntries(ACCOUNT_FILES.map((file) => [file, hostOn(machine).files.readFile(`/etc/${file}`) ?? ""])),
  lingering: (machine.tree().list(LINGERING) ?? []).toSorted().join("\n"),
});

type Act = (host: Host) => void;
const go =
  (from: string, to: string, isReturn = false): Act =>
  (host) => {
    switchForeign(host, { from: [host.system(from)], to: host.system(to) }, { isReturn });
  };
const confirm =
  (to: string): Act =>
  (host) => {
    host.files.replaceLink("/nix/var/nix/profiles/system", to, { durable: true });
    removeUndeclared(host, host.system(to));
  };

function deployed(...systems: readonly string[]): FakeMachine {
  const machine = newMachine();
  let from = BARE;
  for (const to of systems) {
    requireFreePlaces(hostOn(machine), hostOn(machine).system(to));
    go(from, to)(hostOn(machine));
    confirm(to)(hostOn(machine));
    from = to;
  }
  return machine;
}

/** Calls `check` on machines on which `act` was cut off before or after each of its effects. */
function cutOff(make: () => FakeMachine, act: Act, check: (machine: FakeMachine, where: string) => void): void {
  const names: string[] = [];
  act(hostOn(make(), { onEffect: (what) => void names.push(what) }));
  assert.ok(names.length > 4, names.join());
  for (const [at, name] of names.entries()) {
    const machine = make();
    const onEffect = (_: string, index: number): void => {
      if (index === at) throw new Killed(name);
    };
    assert.throws(() => act(hostOn(machine, { onEffect })), { name: "Killed" });
    check(machine, `cut off at ${at}, ${name}`);
  }
}

/** With a password that somebody has set by hand. */
function old(): FakeMachine {
  const machine = deployed(OLD);
  const shadow = (accounts(machine)["shadow"] ?? "").replace("alice:*", "alice:$y$hers");
  machine.files.set("/etc/shadow", { kind: "file", text: shadow });
  return machine;
}

test("users and groups are made as declared, and nobody else's is touched", () => {
  const made = accounts(deployed(OLD));
  assert.equal(
    made["passwd"],
    `${BEFORE["passwd"]}web:x:678:678:web:/nonexistent:/bin/bash\nalice:x:1500:1500:alice:/nonexistent:/bin/bash\n`,
  );
  assert.match(made["group"] ?? "", /^sudo:x:27:mara,alice$/m);
  assert.match(made["shadow"] ?? "", /^alice:\*:/m);
  assert.equal(made["lingering"], "alice");
  assert.equal(accounts(deployed(OLD, NEW))["lingering"], "web");
  assert.match(accounts(deployed(OLD, NEW))["shadow"] ?? "", /^web:!\*:/m);
});

test("a return gives back what was, to the byte, wherever the way forward was cut off", () => {
  const wanted = accounts(old());
  cutOff(old, go(OLD, NEW), (machine, where) => {
    go(NEW, OLD, true)(hostOn(machine));
    assert.deepEqual(accounts(machine), wanted, where);
  });
});

test("a boot gives back what was, to the byte, wherever the power went", () => {
  const wanted = accounts(old());
  cutOff(old, go(OLD, NEW), (machine, where) => {
    for (const path of machine.files.keys()) if (path.startsWith("/run/")) machine.files.delete(path);
    machine.files.set("/etc/passwd.lock", { kind: "file", text: "1" });
    bootForeign(hostOn(machine));
    assert.deepEqual(accounts(machine), wanted, where);
    // The number in it may be another process's by now.
    assert.ok(!machine.files.has("/etc/passwd.lock"), where);
  });
});

test("a return that is cut off itself is done by the next one", () => {
  const wanted = accounts(old());
  const tried = (): FakeMachine => {
    const machine = old();
    go(OLD, NEW)(hostOn(machine));
    return machine;
  };
  cutOff(tried, go(NEW, OLD, true), (machine, where) => {
    go(NEW, OLD, true)(hostOn(machine));
    assert.deepEqual(accounts(machine), wanted, where);
  });
});

test("what is not declared any more goes with the confirmation, also when that is cut off", () => {
  const sorted = (machine: FakeMachine): string[][] =>
    Object.values(accounts(machine)).map((text) => text.split("\n").sort());
  const wanted = sorted(deployed(OLD, NEW));
  assert.doesNotMatch(JSON.stringify(wanted), /alice/);
  const tried = (): FakeMachine => {
    const machine = old();
    go(OLD, NEW)(hostOn(machine));
    return machine;
  };
  cutOff(tried, confirm(NEW), (machine, where) => {
    confirm(NEW)(hostOn(machine));
    assert.deepEqual(sorted(machine), wanted, where);
  });
});

test("nothing is left of what is taken away, to the byte, also when that is cut off", () => {
  const left = (): FakeMachine => {
    const machine = deployed(OLD, NEW);
    go(NEW, BARE)(hostOn(machine));
    return machine;
  };
  cutOff(left, confirm(BARE), (machine, where) => {
    confirm(BARE)(hostOn(machine));
    assert.deepEqual(accounts(machine), { ...BEFORE, lingering: "" }, where);
    assert.match(hostOn(machine).files.readFile(OWN_ACCOUNTS) ?? "", /"users":\[\],"groups":\[\]/);
  });
});

const TAKEN: Readonly<Record<string, readonly [file: string, line: string, message: RegExp]>> = {
  "a user": ["passwd", "alice:x:1007:1007::/:/bin/sh", /there is a user alice \(uid 1007\) that is not of our making/],
  "a group": ["group", "team:x:801:", /there is a group team \(gid 801\) that is not of our making/],
  "a uid": ["passwd", "eve:x:1500:1000::/:/bin/sh", /the uid 1500 of alice is the user eve's/],
  "a gid": ["group", "eve:x:678:", /the gid 678 of web is the group eve's/],
};
for (const [what, [file, line, message]] of Object.entries(TAKEN)) {
  test(`${what} that is taken is refused before anything is made`, () => {
    const machine = newMachine();
    machine.files.set(`/etc/${file}`, { kind: "file", text: `${BEFORE[file] ?? ""}${line}\n` });
    const host = hostOn(machine);
    assert.throws(() => requireFreePlaces(host, host.system(OLD)), { name: "KitError", message });
  });
}

test("a group that a user is to be in must be there", () => {
  const machine = newMachine();
  const text = (BEFORE["group"] ?? "").replace("docker:x:999:\n", "");
  machine.files.set("/etc/group", { kind: "file", text });
  const host = hostOn(machine);
  assert.throws(() => requireFreePlaces(host, host.system(NEW)), {
    message: /there is no group docker, which bob is to/,
  });
});

test("what a removed user runs is ended, by force where it does not listen; what has its number by another name is left", () => {
  for (const [others, ended] of [
    ["", ["TERM 70 71", "KILL 71"]],
    ["eve:x:1500:1500::/:/bin/sh\n", []],
  ] as const) {
    const machine = deployed(OLD);
    machine.files.set("/etc/passwd", { kind: "file", text: `${accounts(machine)["passwd"] ?? ""}${others}` });
    const runs = (pid: number, uid: number, state = "S"): void => {
      const text = `Name:\tx\nState:\t${state}\nUid:\t${uid}\t0\t0\t0\n`;
      machine.files.set(`/proc/${pid}/status`, { kind: "file", text });
    };
    for (const pid of [70, 71]) runs(pid, 1500);
    runs(72, 1500, "Z (zombie)");
    runs(73, 15001);
    go(OLD, BARE)(hostOn(machine));
    const host = hostOn(machine);
    const said: string[] = [];
    confirm(BARE)({
      ...host,
      run: (command, options) => {
        if (command[0] !== "kill") return host.run(command, options);
        const [, signal = "", ...pids] = command;
        said.push([signal.slice(1), ...pids].join(" "));
        for (const pid of pids) if (signal === "-KILL" || pid === "70") machine.files.delete(`/proc/${pid}/status`);
        return { code: 0, stdout: "", stderr: "" };
      },
    });
    assert.deepEqual(said, ended);
    assert.doesNotMatch(accounts(machine)["passwd"] ?? "", /^alice:/m);
  }
});

test("a user that somebody has made anew is not ours any more", () => {
  const machine = deployed(OLD);
  const passwd = (accounts(machine)["passwd"] ?? "").replace("alice:x:1500", "alice:x:1501");
  machine.files.set("/etc/passwd", { kind: "file", text: passwd });
  go(OLD, BARE)(hostOn(machine));
  confirm(BARE)(hostOn(machine));
  assert.match(accounts(machine)["passwd"] ?? "", /^alice:x:1501/m);
  assert.equal(accounts(machine)["lingering"], "alice");
});
