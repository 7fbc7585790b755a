/** Inventories of Ansible: what each becomes, a host a line, or what is wrong with it and where. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, suite, test } from "node:test";
import fc from "fast-check";
import { OperationError } from "../../../base/errors.ts";
import { parseAnsible, readAnsible } from "./hosts.ts";
import { parseHostPattern } from "./host-pattern.ts";

const scratch = mkdtempSync(join(tmpdir(), "pristine-ansible-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
let count = 0;

/** The first file is the inventory. */
async function read(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = join(scratch, String(++count));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  const relative = (text: string): string => text.replaceAll(`${directory}/`, "");
  try {
    const { hosts, notes } = await readAnsible(join(directory, Object.keys(files)[0]!));
    const lines = hosts.map(({ name, origin, target, tags, elsewhere }) => {
      const { host, user, port, sshOptions = [] } = target;
      const reached = `${user === undefined ? "" : `${user}@`}${host}${port === undefined ? "" : `:${port}`}`;
      return [
        name,
        reached,
        ...sshOptions,
        ...tags.map((tag) => `#${tag}`),
        `(${origin})`,
        ...(elsewhere === undefined ? [] : [elsewhere]),
      ].join(" ");
    });
    return relative([...lines, ...notes].join("\n"));
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return relative(`${code} ${message}`);
  }
}

suite("ranges", () => {
  const cases: Readonly<Record<string, string>> = {
    web: "web",
    "web[1:3]": "web1 web2 web3",
    "web[08:11].example.org": "web08.example.org web09.example.org web10.example.org web11.example.org",
    "db-[a:c]": "db-a db-b db-c",
    "db-[a:g:3]": "db-a db-d db-g",
    "n[0:90:30]": "n0 n30 n60 n90",
    "n[:2]": "n0 n1 n2",
    "r[1:2]n[a:b]": "r1na r1nb r2na r2nb",
    "web[1:2]:2222": "web1 web2 port 2222",
    "[2001:db8::7]:22": "2001:db8::7 port 22",
    "2001:db8::7": "2001:db8::7",
    "web[01:9]": "error: the range [01:9] has a leading zero, and an end of another length",
    "web[3:1]": "error: the range [3:1] ends before it begins",
    "web[1:]": "error: the range [1:] has no end",
    "web[1:2:0]": "error: the range [1:2:0] is not begin:end or begin:end:step",
    "web[a:9]": "error: the range [a:9] is neither of numbers nor of letters",
    "web[0:99999999]": "error: the range [0:99999999] is more than 10000 hosts",
    "w[0:999]n[0:999]": "error: 'w[0:999]n[0:999]' is more than 10000 hosts",
    "web:": "error: 'web:' is no name of a host",
  };
  for (const [pattern, expected] of Object.entries(cases)) {
    test(pattern, () => {
      const parsed = parseHostPattern(pattern);
      const shown = parsed.ok
        ? parsed.value.names.join(" ") + (parsed.value.port === undefined ? "" : ` port ${parsed.value.port}`)
        : `error: ${parsed.error}`;
      assert.equal(shown, expected);
    });
  }
});

suite("INI", () => {
  const cases: Readonly<Record<string, readonly [inventory: string, expected: string]>> = {
    "hosts before any section, comments, blank lines": [
      "# comment\n; another\n\nmail.example.org\r\n192.0.2.50\n2001:db8::7\n",
      "mail mail.example.org (hosts:4)\n192-0-2-50 192.0.2.50 (hosts:5)\n2001-db8-7 2001:db8::7 (hosts:6)",
    ],
    "variables of connections, quotes and comments in a line": [
      `web ansible_host=10.0.0.1 ansible_port=2222 ansible_user="admin" http_port=80 # the old one\n` +
        `db ansible_ssh_host='10.0.0.2' ansible_ssh_user=root ansible_ssh_private_key_file=~/.ssh/db\n` +
        `gate:22022 ansible_ssh_common_args='-o ProxyCommand="ssh -W %h:%p edge" -o ForwardAgent=no'`,
      "web admin@10.0.0.1:2222 (hosts:1)\ndb root@10.0.0.2 -i ~/.ssh/db (hosts:2)\n" +
        "gate gate:22022 -o ProxyCommand=ssh -W %h:%p edge -o ForwardAgent=no (hosts:3)",
    ],
    "groups, children and their variables": [
      "[web]\nweb[01:02]\n[db]\ndb\n[eu:children] # both\nweb\ndb\n[eu:vars]\nansible_user = 'eve' # us\nansible_port=22\n[web:vars]\nansible_user=wim\n[all:vars]\nansible_user=ada\nansible_port=1",
      "web01 wim@web01:22 #eu #web (hosts:2)\nweb02 wim@web02:22 #eu #web (hosts:2)\ndb eve@db:22 #db #eu (hosts:4)",
    ],
    "a host in several groups has what is said of it anywhere": [
      "[a]\nx ansible_user=one\n[b]\nx ansible_port=23\n",
      "x one@x:23 #a #b (hosts:2)",
    ],
    "groups beside each other count by name, or by their priority": [
      "[a]\nx\n[b]\nx\n[a:vars]\nansible_user=a\nansible_port=1\n[b:vars]\nansible_user=b\n",
      "x b@x:1 #a #b (hosts:2)",
    ],
    "a priority wins": [
      "[a]\nx\n[b]\nx\n[a:vars]\nansible_user=a\nansible_group_priority=10\n[b:vars]\nansible_user=b\n",
      "x a@x #a #b (hosts:2)",
    ],
    "hosts that are not reached by ssh": [
      "here ansible_connection=local\nthere ansible_connection=paramiko\n",
      "here here (hosts:1) ansible_connection is local (hosts:1)\nthere there (hosts:2)",
    ],
    "what is encrypted and no business of ours is passed over": [
      "x ansible_become_password='{{ vault }}'",
      "x x (hosts:1)",
    ],
    "a name that no host can have": [
      "ok\n[web]\nweb_1\n",
      "INIT_NAME_INVALID hosts:3: 'web_1' cannot be the name of a host",
    ],
    "a template": [
      "x ansible_host={{address}}",
      "INVENTORY_UNREADABLE hosts:1: ansible_host is a template, whose value only Ansible knows",
    ],
    "an encrypted file": [
      "$ANSIBLE_VAULT;1.1;AES256\n3132",
      "INVENTORY_UNREADABLE hosts:1: the inventory is encrypted by ansible-vault",
    ],
    "a program": [
      "#!/usr/bin/python3\n",
      "INVENTORY_UNREADABLE hosts:1: the inventory is a program, which would have to be run",
    ],
    "a quote that is not closed": ["x ansible_user='a", "INVENTORY_INVALID hosts:1: a quote is not closed"],
    "no assignment": ["x\ny user", "INVENTORY_INVALID hosts:2: 'user' is no VARIABLE=VALUE"],
    "no assignment among variables": [
      "x\n[all:vars]\nansible_user",
      "INVENTORY_INVALID hosts:3: 'ansible_user' is no VARIABLE=VALUE",
    ],
    "an unknown kind of section": [
      "[a:host]\n",
      "INVENTORY_INVALID hosts:1: [a:host] is none of [GROUP], [GROUP:vars] and [GROUP:children]",
    ],
    "no section": [
      "[a b]\n",
      "INVENTORY_INVALID hosts:1: '[a b]' is no section: a name of a group has no blanks, brackets or colons",
    ],
    "a child that is nowhere": [
      "x\n[a:children]\nb",
      "INVENTORY_INVALID hosts:3: 'b' in [a:children] is a group that no section declares",
    ],
    "variables of a group that is nowhere": [
      "x\n[b:vars]\n",
      "INVENTORY_INVALID hosts:2: [b:vars] is a group that no section declares",
    ],
    "a group in itself": [
      "[a:children]\nb\n[b:children]\na\n",
      "INVENTORY_INVALID hosts:4: the group 'a' would be in itself",
    ],
    "a group that cannot be a tag": [
      "[wéb]\nx",
      "INVENTORY_INVALID hosts:1: the group 'wéb' cannot become a tag: letters, digits and . _ -",
    ],
    "a port that is none": [
      "x\n[all:vars]\nansible_port=ssh",
      "INVENTORY_INVALID hosts:3: a port is a number from 1 to 65535",
    ],
    "a user that is none": ["x ansible_user='a b'", "INVENTORY_INVALID hosts:1: 'a b' is no name of a user"],
    "an address that would be an option": [
      "x ansible_host=-oProxyCommand=sh",
      "INVENTORY_INVALID hosts:1: '-oProxyCommand=sh' is no address for ssh",
    ],
    "YAML by another name": [
      "---\nall:\n",
      "INVENTORY_INVALID hosts:1: '---' begins YAML; the name of such a file ends in .yml",
    ],
    nothing: ["# nothing\n", "INVENTORY_INVALID hosts:1: there is no host in this inventory"],
  };
  for (const [title, [inventory, expected]] of Object.entries(cases)) {
    test(title, async () => assert.equal(await read({ hosts: inventory }), expected));
  }
});

suite("YAML", () => {
  const cases: Readonly<Record<string, readonly [inventory: string, expected: string]>> = {
    "groups, children, variables": [
      `all:
  hosts:
    mail.example.org:
  vars:
    ansible_user: ada
  children:
    eu:
      children:
        web:
          hosts:
            web[01:02]:
              ansible_port: 2222
              http_port: 80
          vars: { ansible_user: wim }
    db:
      hosts: db
`,
      "mail ada@mail.example.org (h.yml:3)\nweb01 wim@web01:2222 #eu #web (h.yml:11)\nweb02 wim@web02:2222 #eu #web (h.yml:11)\ndb ada@db #db (h.yml:16)",
    ],
    "anchors, aliases and merges": [
      `all:
  vars: &base { ansible_user: ada, ansible_port: 1 }
  children:
    web: &web { hosts: { x: { <<: *base, ansible_port: 2 } } }
    also: *web
`,
      "x ada@x:2 #also #web (h.yml:4)",
    ],
    "what is null is not said": ["all:\n  hosts:\n    x:\n      ansible_host:\n  children:\n", "x x (h.yml:3)"],
    "a vault where it matters": [
      "all:\n  hosts:\n    x:\n      ansible_user: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n        31\n",
      "INVENTORY_UNREADABLE h.yml:4: ansible_user is encrypted by ansible-vault",
    ],
    "a vault elsewhere": [
      "all:\n  hosts:\n    x:\n      password: !vault |\n        $ANSIBLE_VAULT\n",
      "x x (h.yml:3)",
    ],
    "a plugin": [
      "plugin: amazon.aws.aws_ec2\n",
      "INVENTORY_UNREADABLE h.yml:1: it configures a plugin, which asks elsewhere for the hosts",
    ],
    "a key that means nothing": [
      "web:\n  host:\n    x:\n",
      "INVENTORY_INVALID h.yml:2: 'host' in the group 'web' is none of hosts, vars and children",
    ],
    "a list of hosts": [
      "web:\n  hosts:\n    - x\n",
      "INVENTORY_INVALID h.yml:2: 'hosts' of the group 'web' is no mapping",
    ],
    "no YAML": [
      "web:\n  hosts: [\n",
      "INVENTORY_INVALID h.yml:3: Flow sequence in block collection must be sufficiently indented and end with a ]",
    ],
    "a group in itself": [
      "a: &a\n  children:\n    b:\n      children: { a: *a }\n",
      "INVENTORY_INVALID h.yml:4: the group 'a' would be in itself",
    ],
    "a merge of itself": ["a:\n  vars: &v { <<: *v }\n", "INVENTORY_INVALID h.yml:2: aliases that lead to themselves"],
    "a name that no host can have": [
      "all:\n  hosts:\n    Web1:\n",
      "INIT_NAME_INVALID h.yml:3: 'Web1' cannot be the name of a host",
    ],
    "no mapping": ["- x\n", "INVENTORY_INVALID h.yml:1: an inventory is a mapping of groups"],
    "nothing at all": ["", "INVENTORY_INVALID h.yml:1: an inventory is a mapping of groups"],
  };
  for (const [title, [inventory, expected]] of Object.entries(cases)) {
    test(title, async () => assert.equal(await read({ "h.yml": inventory }), expected));
  }
  test("JSON is read as well", async () => {
    assert.equal(await read({ "h.json": '{"web": {"hosts": {"x": {"ansible_port": 2}}}}' }), "x x:2 #web (h.json:1)");
  });
});

/** Both were given to `ansible-inventory --list` of ansible-core 2.19, with these files beside them but the vault, and are what it said. */
suite("as Ansible itself reads it, with files of variables beside", () => {
  const beside = {
    "group_vars/all.yml": "ansible_port: 2\n",
    "group_vars/web/main.yml": "ansible_user: webf\nother: { a: 1 }\n",
    "group_vars/web/vault.yml": "$ANSIBLE_VAULT;1.1;AES256\n31\n",
    "group_vars/web/.hidden.yml": "ansible_user: hidden\n",
    "host_vars/y": "---\nansible_host: 10.0.0.9\n",
  };
  const note = "group_vars/web/vault.yml:1: encrypted by ansible-vault, and not read";

  test("INI", async () => {
    const hosts = `mail.example.org
192.0.2.50:2200
[web]
web[01:03:2] ansible_user="adm" # c
x ansible_port=5 ansible_host='10.0.0.1'#c
y#z
n[a:c:2] ansible_ssh_common_args='-o ProxyCommand="ssh -W %h:%p q" -o A=b'
[db]
db:2222
x ansible_user=fromdb
[web:vars]
ansible_user = 'eve' # us
ansible_port=1
[eu:children]
web
db # comment
[eu:vars]
ansible_user=euro
ansible_port=99
ansible_group_priority=5
[all:vars]
ansible_user=al
`;
    const expected = [
      "mail al@mail.example.org:2 (hosts:1)",
      "192-0-2-50 al@192.0.2.50:2200 (hosts:2)",
      "web01 adm@web01:2 #eu #web (hosts:4)",
      "web03 adm@web03:2 #eu #web (hosts:4)",
      "x fromdb@10.0.0.1:5 #db #eu #web (hosts:5)",
      "y webf@10.0.0.9:2 #eu #web (hosts:6)",
      "na webf@na:2 -o ProxyCommand=ssh -W %h:%p q -o A=b #eu #web (hosts:7)",
      "nc webf@nc:2 -o ProxyCommand=ssh -W %h:%p q -o A=b #eu #web (hosts:7)",
      "db euro@db:2222 #db #eu (hosts:9)",
      note,
    ];
    assert.equal(await read({ hosts, ...beside }), expected.join("\n"));
  });

  test("YAML", async () => {
    const inventory = `all:
  hosts:
    mail.example.org:
  vars:
    ansible_user: ada
  children:
    eu:
      children:
        web:
          hosts:
            web[01:02]:
              ansible_port: 2222
            nn:33: {ansible_ssh_user: sshu}
          vars: { ansible_user: wim }
    db:
      hosts: db
      vars: &v {ansible_port: 7}
    also:
      hosts: {web01: , q: {<<: *v}}
`;
    const expected = [
      "mail ada@mail.example.org:2 (h.yml:3)",
      "web01 webf@web01:2222 #also #eu #web (h.yml:11)",
      "web02 webf@web02:2222 #eu #web (h.yml:11)",
      "nn sshu@nn:33 #eu #web (h.yml:13)",
      "db ada@db:2 #db (h.yml:16)",
      "q ada@q:7 #also (h.yml:19)",
      note,
    ];
    assert.equal(await read({ "h.yml": inventory, ...beside }), expected.join("\n"));
  });
});

test("whatever a file holds, it is read or refused with its place", () => {
  const words = [
    "[",
    "]",
    ":",
    "=",
    "#",
    "'",
    '"',
    "\\",
    "\n",
    "\n  ",
    " ",
    "- ",
    "a",
    "01",
    "vars",
    "children",
    "hosts",
    "all",
    "&x",
    "*x",
    "<<",
    "{",
    "}",
    ",",
    "!vault",
    "|",
  ];
  const text = fc.array(fc.constantFrom(...words), { maxLength: 40 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, fc.constantFrom("hosts", "hosts.yml"), (inventory, file) => {
      try {
        parseAnsible(inventory, file);
      } catch (error) {
        assert.ok(error instanceof OperationError && /^hosts(?:\.yml)?:\d+: /.test(error.message), String(error));
      }
    }),
    { numRuns: 3000, seed: 1 },
  );
});
