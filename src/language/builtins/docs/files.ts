/** What is written about the builtins for files and fetching, by name and arguments. */

export const FILE_DOCS: Readonly<Record<string, string>> = {
  "baseNameOf path": "What stands behind the last slash of a path or string, a trailing slash left out.",
  "dirOf path":
    "What stands before the last slash: a path for a path, a string for a string; `.` when there is no slash.",
  "fetchGit arguments":
    "A working tree or revision of a git repository: a URL or path, or a set with `url` and, optionally, `rev`, `ref`, `name`, `submodules`, `shallow`, `allRefs`, and with the experimental feature `verified-fetches` `verifyCommit` and `publicKeys`. The result has `outPath`, `rev`, `shortRev`, `revCount`, `lastModified` and `narHash`. Pure evaluation needs `rev`.",
  "fetchClosure arguments":
    "Makes a store path of a binary cache valid with its closure, and gives it as a string that depends on it. Takes `fromStore`, the address of the cache, and `fromPath`; with `toPath`, the closure is rewritten so that its paths follow from its contents, to that path (an empty one makes the error tell it). A path that does not follow from its contents needs `inputAddressed = true` and a signature by a trusted key. Needs the experimental feature `fetch-closure`.",
  "fetchMercurial arguments":
    "A revision of a Mercurial repository: a URL or path, or a set with `url` and, optionally, `rev` (a revision, branch or tag) and `name`. The result has `outPath`, `rev`, `shortRev`, `branch` and `revCount`; of a work tree that was changed, what is tracked as it is now. Pure evaluation needs a revision.",
  "fetchTarball arguments":
    "Downloads an archive, unpacks it, and gives the store path of its one top directory. Takes a URL, or a set with `url` and, optionally, `sha256` (of the unpacked tree) and `name`. Pure evaluation needs the hash.",
  "fetchTree input":
    'Fetches a tree by the attributes of a flake input, such as `{ type = "github"; owner = …; repo = …; rev = …; }`, or by its URL. The result has `outPath` and what is known of the revision. Needs the experimental feature `fetch-tree`.',
  "fetchurl arguments":
    "Downloads a file and gives its store path. Takes a URL, or a set with `url` and, optionally, `sha256` and `name`. Pure evaluation needs the hash.",
  "filterSource predicate path":
    'Copies a directory to the store without the files for which `predicate` answers false; it is called with each path and its kind: `"regular"`, `"directory"`, `"symlink"` or `"unknown"`. `builtins.path` does the same with a name of your choice.',
  "findFile searchPath name":
    'Looks a name up in a search path, a list of sets `{ prefix; path; }`; `<name>` means `builtins.findFile builtins.nixPath "name"`.',
  "flakeRefToString set": "A flake reference as a URL, from its attributes.",
  "getFlake reference":
    "The flake that a reference names: its outputs, with `inputs`, `outputs`, `sourceInfo` and what is known of its revision. Pure evaluation needs a locked reference. Needs the experimental feature `flakes`.",
  "hashFile algorithm path":
    'The hash of a file\'s bytes in base 16; the algorithm is `"md5"`, `"sha1"`, `"sha256"` or `"sha512"`.',
  "isPath value": "Whether the value is a path; a string that looks like one is none.",
  "parseFlakeRef string": "The attributes of a flake reference.",
  "path arguments":
    "Copies a path to the store: a set with `path` and, optionally, `name`, `filter` (like that of `builtins.filterSource`), `recursive` (false to add the bytes of one file) and `sha256`, which the result must have.",
  "pathExists path": "Whether something is at a path. A path that ends in a slash must be a directory.",
  "readDir path":
    'A set with the names in a directory, and their kinds: `"regular"`, `"directory"`, `"symlink"` or `"unknown"`.',
  "readFile path": "The bytes of a file as a string. A zero byte among them is an error.",
  "readFileType path":
    'What is at a path, without following a link: `"regular"`, `"directory"`, `"symlink"` or `"unknown"`.',
  "toPath string":
    "A string that is an absolute path, in its shortest form. It stays a string; `/. + string` makes a path.",
};
