/** Inputs of types `github`, `gitlab` and `sourcehut`: archives of commits that a forge makes. */

import { textOfByteString } from "../base/byte-string.ts";
import { OperationError } from "../base/errors.ts";
import { Hash } from "../format/hash.ts";
import {
  type InputAttribute,
  type InputAttrs,
  inputRevision,
  parseRevision,
  requiredText,
  textAttribute,
  withAttributes,
} from "../format/input/attributes.ts";
import { renderInput } from "../format/input/input.ts";
import { readBytes } from "../system/files.ts";
import { downloadFile, downloadTarball } from "./archive-input.ts";
import type { FetchContext, InputTree } from "./fetch-context.ts";

type Headers = Readonly<Record<string, string>>;

/** Where a repository is, and what is sent along when it is asked for. */
interface Place {
  readonly host: string;
  readonly owner: string;
  readonly repo: string;
  /** What the forge wants with each request. */
  readonly headers: Headers;
}

interface Forge {
  readonly defaultHost: string;
  readonly authorization: (token: string, context: FetchContext) => Headers;
  readonly findRevision: (context: FetchContext, place: Place, ref: string, input: InputAttrs) => Promise<string>;
  readonly archiveUrl: (context: FetchContext, place: Place, rev: string) => string;
}

const FORGES: Readonly<Record<string, Forge>> = {
  github: {
    defaultHost: "github.com",
    authorization: (token) => ({ authorization: `token ${token}` }),
    findRevision: async (context, place, ref) => {
      const { host, owner, repo } = place;
      const api = host === "github.com" ? origin(context, `api.${host}`) : `${origin(context, host)}/api/v3`;
      const answer = await askJson(context, place, `${api}/repos/${owner}/${repo}/commits/${ref}`);
      return revisionIn((answer as { readonly sha?: unknown } | null)?.sha, "GitHub", answer);
    },
    archiveUrl: (context, place, rev) => {
      const { host, owner, repo } = place;
      if (host !== "github.com") return `${origin(context, host)}/api/v3/repos/${owner}/${repo}/tarball/${rev}`;
      // Without a token the archives everybody gets are not counted.
      const isAnonymous = Object.keys(place.headers).length === 0;
      return isAnonymous
        ? `${origin(context, host)}/${owner}/${repo}/archive/${rev}.tar.gz`
        : `${origin(context, `api.${host}`)}/repos/${owner}/${repo}/tarball/${rev}`;
    },
  },
  gitlab: {
    defaultHost: "gitlab.com",
    authorization: (token, context) => {
      const colon = token.indexOf(":");
      const [kind, value] = colon < 0 ? [token, token] : [token.slice(0, colon), token.slice(colon + 1)];
      if (kind === "OAuth2") return { authorization: `Bearer ${value}` };
      if (kind === "PAT") return { "private-token": value };
      context.warn(`Unrecognized GitLab token type ${kind}`);
      return { [kind]: value };
    },
    findRevision: async (context, place, ref) => {
      const url = `${gitlabProject(context, place)}/repository/commits?ref_name=${ref}`;
      const answer = await askJson(context, place, url);
      if (Array.isArray(answer) && answer.length === 0) {
        throw failure("No commits returned by GitLab API -- does the git ref really exist?");
      }
      const first = Array.isArray(answer) ? (answer[0] as { readonly id?: unknown } | null) : null;
      return revisionIn(first?.id, "GitLab", answer);
    },
    archiveUrl: (context, place, rev) => `${gitlabProject(context, place)}/repository/archive.tar.gz?sha=${rev}`,
  },
  sourcehut: {
    defaultHost: "git.sr.ht",
    authorization: (token) => ({ authorization: `Bearer ${token}` }),
    findRevision: async (context, place, ref, input) => {
      const base = `${origin(context, place.host)}/${place.owner}/${place.repo}`;
      const wanted =
        ref === "HEAD"
          ? [
              (await askText(context, place, `${base}/HEAD`))
                .split("\n")[0]!
                .replace(/^ref: */, "")
                .trim(),
            ]
          : [`refs/heads/${ref}`, `refs/tags/${ref}`];
      const lines = (await askText(context, place, `${base}/info/refs`)).split("\n");
      for (const line of lines) {
        const [, id, name] = /^(\S+)\t+(.*)$/.exec(line) ?? [];
        if (id !== undefined && wanted.includes(name!)) return parseRevision(id).toBase16();
      }
      throw failure(`in '${renderInput(input)}', couldn't find ref '${ref}'`);
    },
    archiveUrl: (context, { host, owner, repo }, rev) =>
      `${origin(context, host)}/${owner}/${repo}/archive/${rev}.tar.gz`,
  },
};

/** Fetches the archive of a commit; the branch is resolved first, and what was fetched of a commit is kept. */
export async function fetchForge(context: FetchContext, input: InputAttrs): Promise<InputTree> {
  const { cache } = context;
  const forge = FORGES[requiredText(input, "type")]!;
  const place = placeOf(context, input, forge);
  const ref = textAttribute(input, "ref") ?? "HEAD";
  const rev = inputRevision(input) ?? (await forge.findRevision(context, place, ref, input));
  const attrs = new Map<string, InputAttribute>(withAttributes(input, { ref: undefined, rev }));
  const key = `forge-tree ${rev}`;
  const known = (await cache.find(key))?.entry;
  const hash = Hash.parse(String(known?.["narHash"] ?? ""));
  const before = hash.ok ? await cache.tree(hash.value) : undefined;
  if (before !== undefined) {
    return { ...before, attrs: attrs.set("lastModified", Number(known?.["lastModified"] ?? 0)) };
  }
  const url = forge.archiveUrl(context, place, rev);
  const { localPath, narHash, lastModified } = await downloadTarball(context, url, place);
  await cache.save(key, { narHash: narHash.toSri(), lastModified });
  return { localPath, narHash, attrs: attrs.set("lastModified", lastModified) };
}

/** Where a host is asked; the settings may say that it is elsewhere. */
function origin(context: FetchContext, host: string): string {
  return context.settings.hostAddresses.get(host) ?? `https://${host}`;
}

function gitlabProject(context: FetchContext, { host, owner, repo }: Place): string {
  return `${origin(context, host)}/api/v4/projects/${owner}%2F${repo}`;
}

function placeOf(context: FetchContext, input: InputAttrs, forge: Forge): Place {
  const host = textAttribute(input, "host") ?? forge.defaultHost;
  const [owner, repo] = [requiredText(input, "owner"), requiredText(input, "repo")];
  const token = tokenFor(context, `${host}/${owner}/${repo}`);
  return { host, owner, repo, headers: token === undefined ? {} : forge.authorization(token, context) };
}

/** The token whose host, or host and path, fits best. */
function tokenFor({ settings }: FetchContext, place: string): string | undefined {
  const fitting = [...settings.accessTokens.keys()].filter((key) => place === key || place.startsWith(`${key}/`));
  const best = fitting.toSorted((a, b) => b.length - a.length)[0];
  return best === undefined ? undefined : settings.accessTokens.get(best);
}

async function askText(context: FetchContext, { headers }: Place, url: string): Promise<string> {
  const { localPath } = await downloadFile(context, url, { headers });
  return (await readBytes(localPath)).toString("utf8");
}

async function askJson(context: FetchContext, place: Place, url: string): Promise<unknown> {
  const text = await askText(context, place, url);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) throw failure(`what ${place.host} answered is no JSON: ${error.message}`);
    throw error;
  }
}

function revisionIn(value: unknown, forge: string, answer: unknown): string {
  if (typeof value === "string") return parseRevision(value).toBase16();
  throw failure(`Unexpected response received from ${forge}: ${JSON.stringify(answer)}`);
}

function failure(text: string): OperationError {
  return new OperationError("FETCH_FAILED", textOfByteString(text));
}
