/**
 * What can be fetched, described by attributes: `{ type = "github"; owner = …; }`.
 *
 * Each type is a scheme that reads itself from a URL, checks attributes and prints itself as a URL again, exactly as
 * Nix's do, since these texts end up in lock files. Fetching is elsewhere. Text is byte strings.
 */

import {
  booleanAttribute,
  InputError,
  inputNarHash,
  inputRevision,
  integerAttribute,
  type InputAttribute,
  type InputAttrs,
  parseRevision,
  renderInputAttrs,
  requiredText,
  textAttribute,
  withAttributes,
} from "./attributes.ts";
import { GIT_REVISION, isLegalRefName } from "./git-names.ts";
import { parseUrl, pathOfSegments, renderUrl, splitScheme, type Url, UrlError } from "./url.ts";

interface Scheme {
  readonly allowed: ReadonlySet<string>;
  /** The attributes a URL stands for; `undefined` when the URL is of another scheme. */
  readonly ofUrl: (url: Url, isTree: boolean) => InputAttrs | undefined;
  /** Checks attributes; answers them in canonical form. */
  readonly check: (attrs: InputAttrs) => InputAttrs;
  readonly toUrl: (attrs: InputAttrs) => Url;
  /** Whether the attributes name one tree for all time. */
  readonly isLocked: (attrs: InputAttrs) => boolean;
  readonly withRevision: (attrs: InputAttrs, ref: string | undefined, rev: string | undefined) => InputAttrs;
}

const NO_QUERY: ReadonlyMap<string, string> = new Map();
const FLAKE_ID = /^[a-zA-Z][a-zA-Z0-9_-]*$/;

function keepRevision(attrs: InputAttrs, ref: string | undefined, rev: string | undefined): InputAttrs {
  if (ref !== undefined) {
    throw new InputError(`don't know how to set branch/tag name of input '${renderInput(attrs)}' to '${ref}'`);
  }
  if (rev !== undefined) {
    throw new InputError(`don't know how to set revision of input '${renderInput(attrs)}' to '${rev}'`);
  }
  return attrs;
}

function setRevision(attrs: InputAttrs, ref: string | undefined, rev: string | undefined): InputAttrs {
  return withAttributes(attrs, { ...(rev === undefined ? {} : { rev }), ...(ref === undefined ? {} : { ref }) });
}

const INDIRECT: Scheme = {
  allowed: new Set(["id", "ref", "rev", "narHash"]),
  ofUrl: (url) => {
    if (url.scheme !== "flake") return undefined;
    const shown = renderUrl(url);
    const [id = "", second, third, ...rest] = url.path.filter((segment) => segment !== "");
    if (id === "" || rest.length > 0) throw new UrlError(`GitHub URL '${shown}' is invalid`);
    const attrs = new Map<string, InputAttribute>([
      ["type", "indirect"],
      ["id", id],
    ]);
    if (third !== undefined) {
      if (!isLegalRefName(second!))
        throw new UrlError(`in flake URL '${shown}', '${second!}' is not a branch/tag name`);
      if (!GIT_REVISION.test(third)) throw new UrlError(`in flake URL '${shown}', '${third}' is not a commit hash`);
      attrs.set("ref", second!).set("rev", third.toLowerCase());
    } else if (second !== undefined) {
      if (GIT_REVISION.test(second)) attrs.set("rev", second.toLowerCase());
      else if (isLegalRefName(second)) attrs.set("ref", second);
      else throw new UrlError(`in flake URL '${shown}', '${second}' is not a commit hash or branch/tag name`);
    }
    return INDIRECT.check(attrs);
  },
  check: (attrs) => {
    const id = requiredText(attrs, "id");
    if (!FLAKE_ID.test(id)) throw new UrlError(`'${id}' is not a valid flake ID`);
    return attrs;
  },
  toUrl: (attrs) => {
    const path = [requiredText(attrs, "id"), textAttribute(attrs, "ref"), inputRevision(attrs)];
    return {
      scheme: "flake",
      path: path.filter((part) => part !== undefined),
      query: NO_QUERY,
      fragment: "",
    };
  },
  isLocked: () => false,
  withRevision: setRevision,
};

const PATH_PARAMETERS = new Set(["rev", "narHash", "revCount", "lastModified"]);

const PATH: Scheme = {
  allowed: new Set(["path", ...PATH_PARAMETERS]),
  ofUrl: (url) => {
    if (url.scheme !== "path") return undefined;
    const shown = renderUrl(url);
    if (url.authority !== undefined && url.authority.host !== "") {
      throw new InputError(`path URL '${shown}' should not have an authority ('${url.authority.text}')`);
    }
    const attrs = new Map<string, InputAttribute>([
      ["type", "path"],
      ["path", pathOfSegments(url.path)],
    ]);
    for (const name of [...url.query.keys()].sort()) {
      const value = url.query.get(name)!;
      if (!PATH_PARAMETERS.has(name)) throw new InputError(`path URL '${shown}' has unsupported parameter '${name}'`);
      const isCount = name === "revCount" || name === "lastModified";
      const parsed = isCount ? parseCount(value) : value;
      if (parsed === undefined) throw new InputError(`path URL '${shown}' has invalid parameter '${name}'`);
      attrs.set(name, parsed);
    }
    return attrs;
  },
  check: (attrs) => {
    requiredText(attrs, "path");
    return attrs;
  },
  toUrl: (attrs) => {
    const query = new Map<string, string>();
    for (const [name, value] of attrs) {
      if (name === "path" || name === "type" || name === "__final") continue;
      query.set(name, typeof value === "boolean" ? (value ? "1" : "0") : String(value));
    }
    return { scheme: "path", path: requiredText(attrs, "path").split("/"), query, fragment: "" };
  },
  isLocked: (attrs) => inputNarHash(attrs) !== undefined,
  withRevision: keepRevision,
};

function parseCount(text: string): number | bigint | undefined {
  if (!/^[0-9]+$/.test(text)) return undefined;
  const count = BigInt(text);
  return count > 0xffff_ffff_ffff_ffffn ? undefined : integerOf(count);
}

function integerOf(count: bigint): number | bigint {
  return count <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(count) : count;
}

const GIT_FLAGS = ["shallow", "submodules", "lfs", "exportIgnore", "allRefs", "verifyCommit"] as const;
const GIT_TEXTS = ["rev", "ref", "keytype", "publicKey", "publicKeys"] as const;

const GIT_FACTS = ["url", "lastModified", "revCount", "narHash", "name", "dirtyRev", "dirtyShortRev"] as const;

const GIT: Scheme = {
  allowed: new Set([...GIT_FACTS, ...GIT_FLAGS, ...GIT_TEXTS]),
  ofUrl: (url) => {
    if (url.scheme !== "git" && splitScheme(url.scheme).application !== "git") return undefined;
    const attrs = new Map<string, InputAttribute>([["type", "git"]]);
    const query = new Map<string, string>();
    for (const [name, value] of url.query) {
      if ((GIT_TEXTS as readonly string[]).includes(name)) attrs.set(name, value);
      else if ((GIT_FLAGS as readonly string[]).includes(name)) attrs.set(name, value === "1");
      else query.set(name, value);
    }
    attrs.set("url", renderUrl({ ...url, query }));
    return GIT.check(attrs);
  },
  check: (attrs) => {
    const ref = textAttribute(attrs, "ref");
    if (ref !== undefined && !isLegalRefName(ref)) throw new UrlError(`invalid Git branch/tag name '${ref}'`);
    const url = renderUrl(fixGitUrl(requiredText(attrs, "url")));
    for (const name of ["shallow", "submodules", "allRefs", "verifyCommit"]) booleanAttribute(attrs, name);
    return withAttributes(attrs, { url });
  },
  toUrl: (attrs) => {
    const url = parseUrl(requiredText(attrs, "url"));
    const query = new Map(url.query);
    const rev = inputRevision(attrs);
    const ref = textAttribute(attrs, "ref");
    if (rev !== undefined) query.set("rev", rev);
    if (ref !== undefined) query.set("ref", ref);
    for (const name of ["shallow", "lfs", "submodules", "exportIgnore", "verifyCommit"]) {
      if (booleanAttribute(attrs, name) === true) query.set(name, "1");
    }
    const key = textAttribute(attrs, "publicKey");
    if (key !== undefined) query.set("keytype", textAttribute(attrs, "keytype") ?? "ssh-ed25519").set("publicKey", key);
    const keys = textAttribute(attrs, "publicKeys");
    if (keys !== undefined) query.set("publicKeys", keys);
    return { ...url, scheme: url.scheme === "git" ? "git" : `git+${url.scheme}`, query };
  },
  isLocked: (attrs) => {
    const rev = inputRevision(attrs);
    return rev !== undefined && !/^0*$/.test(rev);
  },
  withRevision: (attrs, ref, rev) => {
    const changed = setRevision(attrs, ref, rev);
    if (!changed.has("ref") && changed.has("rev")) {
      throw new InputError(`Git input '${renderInput(changed)}' has a commit hash but no branch/tag name`);
    }
    return changed;
  },
};

/** Makes what git calls a location a URL: `user@host:path`, a path, or a URL with or without `git+`. */
export function fixGitUrl(text: string): Url {
  const scp = text.startsWith("/") ? null : /^([^/]*)@(.*):(.*)$/.exec(text);
  const location = scp === null ? text : `ssh://${scp[1]!}@${scp[2]!}/${scp[3]!}`;
  if (!location.startsWith("file:") && !location.startsWith("git+file:") && !location.includes("://")) {
    const path = location.split("/");
    if (path[0]!.includes(":")) {
      throw new UrlError(`SCP-like URL '${location}' is not supported; use SSH URL syntax instead (ssh://...)`);
    }
    const authority = location.startsWith("/") ? { authority: { text: "", host: "" } } : {};
    return { scheme: "file", ...authority, path, query: NO_QUERY, fragment: "" };
  }
  const url = parseUrl(location);
  const { application, transport } = splitScheme(url.scheme);
  return application === "git" ? { ...url, scheme: transport } : url;
}

const MERCURIAL: Scheme = {
  allowed: new Set(["url", "ref", "rev", "revCount", "narHash", "name"]),
  ofUrl: (url) => {
    if (!/^hg\+(http|https|ssh|file)$/.test(url.scheme)) return undefined;
    const attrs = new Map<string, InputAttribute>([["type", "hg"]]);
    const query = new Map<string, string>();
    for (const [name, value] of url.query) (name === "rev" || name === "ref" ? attrs : query).set(name, value);
    attrs.set("url", renderUrl({ ...url, scheme: url.scheme.slice(3), query }));
    return MERCURIAL.check(attrs);
  },
  check: (attrs) => {
    parseUrl(requiredText(attrs, "url"));
    const ref = textAttribute(attrs, "ref");
    if (ref !== undefined && !/^[a-zA-Z0-9@][a-zA-Z0-9_./@+-]*$/.test(ref)) {
      throw new UrlError(`invalid Mercurial branch/tag name '${ref}'`);
    }
    return attrs;
  },
  toUrl: (attrs) => {
    const url = parseUrl(requiredText(attrs, "url"));
    const query = new Map(url.query);
    const rev = inputRevision(attrs);
    const ref = textAttribute(attrs, "ref");
    if (rev !== undefined) query.set("rev", rev);
    if (ref !== undefined) query.set("ref", ref);
    return { ...url, scheme: `hg+${url.scheme}`, query };
  },
  isLocked: (attrs) => attrs.has("rev"),
  withRevision: setRevision,
};

function forgeScheme(type: string): Scheme {
  const scheme: Scheme = {
    allowed: new Set(["owner", "repo", "ref", "rev", "narHash", "lastModified", "host", "treeHash"]),
    ofUrl: (url) => {
      if (url.scheme !== type) return undefined;
      const shown = renderUrl(url);
      const [owner, repo, ...rest] = url.path.filter((segment) => segment !== "");
      if (owner === undefined || repo === undefined) throw new UrlError(`URL '${shown}' is invalid`);
      const attrs = new Map<string, InputAttribute>([
        ["type", type],
        ["owner", owner],
        ["repo", repo],
      ]);
      if (rest.length > 0) {
        const isRevision = rest.length === 1 && GIT_REVISION.test(rest[0]!);
        attrs.set(isRevision ? "rev" : "ref", rest.join("/"));
      }
      const rev = url.query.get("rev");
      const ref = url.query.get("ref");
      if (rev !== undefined && attrs.has("rev")) throw new UrlError(`URL '${shown}' contains multiple commit hashes`);
      if (ref !== undefined && attrs.has("ref")) {
        throw new UrlError(`URL '${shown}' contains multiple branch/tag names`);
      }
      for (const name of ["rev", "ref", "host", "narHash"]) {
        const value = url.query.get(name);
        if (value !== undefined) attrs.set(name, value);
      }
      return scheme.check(attrs);
    },
    check: (attrs) => {
      requiredText(attrs, "owner");
      requiredText(attrs, "repo");
      const ref = textAttribute(attrs, "ref");
      const rev = textAttribute(attrs, "rev");
      const shown = renderInputAttrs(attrs);
      if (ref !== undefined && rev !== undefined) {
        throw new UrlError(`input ${shown} contains both a commit hash ('${rev}') and a branch/tag name ('${ref}')`);
      }
      if (rev !== undefined) parseRevision(rev);
      if (ref !== undefined && !isLegalRefName(ref)) {
        throw new UrlError(`input ${shown} contains an invalid branch/tag name`);
      }
      if (!/^[a-zA-Z0-9.-]*$/.test(textAttribute(attrs, "host") ?? "")) {
        throw new UrlError(`input ${shown} contains an invalid instance host`);
      }
      return attrs;
    },
    toUrl: (attrs) => {
      const path = [
        requiredText(attrs, "owner"),
        requiredText(attrs, "repo"),
        textAttribute(attrs, "ref"),
        inputRevision(attrs),
      ];
      const query = new Map<string, string>();
      const hash = inputNarHash(attrs);
      const host = textAttribute(attrs, "host");
      if (hash !== undefined) query.set("narHash", hash.toSri());
      if (host !== undefined) query.set("host", host);
      return { scheme: type, path: path.filter((part) => part !== undefined), query, fragment: "" };
    },
    // Nix trusts the archives that forges make of a revision (`trust-tarballs-from-git-forges`).
    isLocked: (attrs) => inputRevision(attrs) !== undefined,
    withRevision: (attrs, ref, rev) => {
      if (ref !== undefined && rev !== undefined) {
        throw new UrlError(
          `cannot apply both a commit hash (${rev}) and a branch/tag name ('${ref}') to input '${renderInput(attrs)}'`,
        );
      }
      if (rev !== undefined) return withAttributes(attrs, { rev, ref: undefined });
      return ref === undefined ? attrs : withAttributes(attrs, { ref, rev: undefined });
    },
  };
  return scheme;
}

const TRANSPORTS = new Set(["file", "http", "https"]);
const ARCHIVE_NAME = /\.(zip|tar|tgz|tar\.gz|tar\.xz|tar\.bz2|tar\.zst)$/;

function downloadScheme(type: "file" | "tarball"): Scheme {
  const allowed = new Set(["url", "narHash", "name", "unpack", "rev", "revCount", "lastModified"]);
  const isMine = (url: Url, isTree: boolean): boolean => {
    const { application, transport } = splitScheme(url.scheme);
    if (!TRANSPORTS.has(transport)) return false;
    if (application !== undefined) return application === type;
    const isArchive = isTree || ARCHIVE_NAME.test(url.path.at(-1) ?? "");
    return isArchive === (type === "tarball");
  };
  return {
    allowed,
    ofUrl: (url, isTree) => {
      if (!isMine(url, isTree)) return undefined;
      const attrs = new Map<string, InputAttribute>([["type", type]]);
      for (const name of ["narHash", "rev"]) {
        const value = url.query.get(name);
        if (value !== undefined) attrs.set(name, value);
      }
      for (const name of ["revCount", "lastModified"]) {
        const count = parseCount(url.query.get(name) ?? "");
        if (count !== undefined) attrs.set(name, count);
      }
      const query = new Map([...url.query].filter(([name]) => !allowed.has(name)));
      attrs.set("url", renderUrl({ ...url, scheme: splitScheme(url.scheme).transport, query }));
      return attrs;
    },
    check: (attrs) => attrs,
    toUrl: (attrs) => {
      const url = parseUrl(requiredText(attrs, "url"));
      const hash = inputNarHash(attrs);
      return hash === undefined ? url : { ...url, query: new Map(url.query).set("narHash", hash.toSri()) };
    },
    isLocked: (attrs) => inputNarHash(attrs) !== undefined,
    withRevision: keepRevision,
  };
}

const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ["file", downloadScheme("file")],
  ["git", GIT],
  ["github", forgeScheme("github")],
  ["gitlab", forgeScheme("gitlab")],
  ["hg", MERCURIAL],
  ["indirect", INDIRECT],
  ["path", PATH],
  ["sourcehut", forgeScheme("sourcehut")],
  ["tarball", downloadScheme("tarball")],
]);

// Inputs.

/** The input a URL stands for; `isTree` when it must be a directory. Throws `InputError` and `UrlError`. */
export function inputOfUrl(url: Url, options: { readonly isTree: boolean }): InputAttrs {
  for (const scheme of SCHEMES.values()) {
    const attrs = scheme.ofUrl(url, options.isTree);
    if (attrs !== undefined) return checkedCommon(attrs);
  }
  const { application, transport } = splitScheme(url.scheme);
  const hint = application === "file" && transport === "git" ? "; did you mean 'git+file' instead of 'file+git'?" : "";
  throw new InputError(`input '${renderUrl(url)}' is unsupported${hint}`);
}

/** Checks attributes and makes them canonical; a type that is not known passes as it is. */
export function inputOfAttributes(attrs: InputAttrs): InputAttrs {
  const type = textAttribute(attrs, "type");
  if (type === undefined) throw new InputError("'type' attribute to specify input scheme is required but not provided");
  const scheme = SCHEMES.get(type);
  if (scheme === undefined) return checkedCommon(attrs);
  for (const name of [...attrs.keys()].sort()) {
    if (name !== "type" && name !== "__final" && !scheme.allowed.has(name)) {
      throw new InputError(`input attribute '${name}' not supported by scheme '${type}'`);
    }
  }
  return checkedCommon(scheme.check(attrs));
}

function checkedCommon(attrs: InputAttrs): InputAttrs {
  textAttribute(attrs, "ref");
  integerAttribute(attrs, "revCount");
  integerAttribute(attrs, "lastModified");
  return attrs;
}

function schemeOf(attrs: InputAttrs): Scheme | undefined {
  return SCHEMES.get(textAttribute(attrs, "type") ?? "");
}

/** The URL of an input, with more parameters in its query where it has none of that name. */
export function renderInput(attrs: InputAttrs, extraQuery: ReadonlyMap<string, string> = NO_QUERY): string {
  const scheme = schemeOf(attrs);
  if (scheme === undefined) throw new InputError(`cannot show unsupported input '${renderInputAttrs(attrs)}'`);
  const url = scheme.toUrl(attrs);
  return renderUrl({ ...url, query: new Map([...extraQuery, ...url.query]) });
}

/** Whether an input is of a type that can be fetched as it is, without asking the registries. */
export function isDirectInput(attrs: InputAttrs): boolean {
  return textAttribute(attrs, "type") !== "indirect";
}

export function isLockedInput(attrs: InputAttrs): boolean {
  return schemeOf(attrs)?.isLocked(attrs) ?? false;
}

/** The path of a `path:` input that is relative to the flake it stands in. */
export function relativeInputPath(attrs: InputAttrs): string | undefined {
  if (textAttribute(attrs, "type") !== "path") return undefined;
  const path = requiredText(attrs, "path");
  return path.startsWith("/") ? undefined : path;
}

/** The input at another branch or revision (base 16), as a registry's answer takes those of the question. */
export function inputAtRevision(attrs: InputAttrs, ref: string | undefined, rev: string | undefined): InputAttrs {
  return schemeOf(attrs)?.withRevision(attrs, ref, rev) ?? attrs;
}

/** The directory of a local input that can be written to: a path, or a git work tree at no particular revision. */
export function localSourcePath(attrs: InputAttrs): string | undefined {
  const type = textAttribute(attrs, "type");
  if (type === "path") return relativeInputPath(attrs) === undefined ? requiredText(attrs, "path") : undefined;
  if (type !== "git" || attrs.has("ref") || attrs.has("rev")) return undefined;
  const url = parseUrl(requiredText(attrs, "url"));
  return url.scheme === "file" ? pathOfSegments(url.path) : undefined;
}

/** The input for a local directory. */
export function pathInput(path: string): InputAttrs {
  return new Map([
    ["type", "path"],
    ["path", path],
  ]);
}
