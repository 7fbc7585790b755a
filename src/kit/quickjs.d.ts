/** The parts of QuickJS's `std` and `os` modules that the kit uses; the bundle imports them by their real names. */

declare module "quickjs:std" {
  interface QuickJsFile {
    puts(text: string): void;
    readAsString(bytesMax?: number): string;
    getline(): string | null;
    flush(): void;
    close(): number;
  }
  export const out: QuickJsFile;
  export const err: QuickJsFile;
  const input: QuickJsFile;
  export { input as in };
  export function open(path: string, flags: string): QuickJsFile | null;
  export function fdopen(descriptor: number, flags: string): QuickJsFile | null;
  export function exit(code: number): never;
  export function getenv(name: string): string | undefined;
  export function setenv(name: string, value: string): void;
  export function unsetenv(name: string): void;
  export function getenviron(): Record<string, string>;
  export function strerror(errno: number): string;
}

declare module "quickjs:os" {
  export const O_RDONLY: number;
  export const O_WRONLY: number;
  export const O_RDWR: number;
  export const O_APPEND: number;
  export const O_CREAT: number;
  export const O_EXCL: number;
  export const O_TRUNC: number;
  export const S_IFMT: number;
  export const S_IFDIR: number;
  export const S_IFLNK: number;
  export const S_IFREG: number;
  export const S_IFSOCK: number;
  export const S_IFIFO: number;
  export const WNOHANG: number;
  export const SIGSTOP: number;

  interface FileStatus {
    readonly dev: number;
    readonly ino: number;
    readonly mode: number;
    readonly nlink: number;
    readonly uid: number;
    readonly gid: number;
    readonly size: number;
    /** Milliseconds since the epoch. */
    readonly mtime: number;
  }

  interface ExecOptions {
    readonly block?: boolean;
    readonly usePath?: boolean;
    readonly cwd?: string;
    readonly stdin?: number;
    readonly stdout?: number;
    readonly stderr?: number;
    readonly env?: Record<string, string>;
  }

  /** Functions that can fail return a negated errno, or a pair of a value and an errno. */
  export function open(path: string, flags: number, mode?: number): number;
  export function close(descriptor: number): number;
  export function seek(descriptor: number, offset: number, whence: number): number;
  export function read(descriptor: number, buffer: ArrayBuffer, offset: number, length: number): number;
  export function write(descriptor: number, buffer: ArrayBuffer, offset: number, length: number): number;
  export function remove(path: string): number;
  export function rename(from: string, to: string): number;
  export function mkdir(path: string, mode?: number): number;
  export function readdir(path: string): [names: string[], errno: number];
  export function readlink(path: string): [target: string, errno: number];
  export function symlink(target: string, path: string): number;
  export function stat(path: string): [status: FileStatus, errno: number];
  export function lstat(path: string): [status: FileStatus, errno: number];
  export function exec(command: readonly string[], options?: ExecOptions): number;
  export function waitpid(pid: number, options?: number): [pid: number, status: number];
  export function kill(pid: number, signal: number): number;
  export function pipe(): [readEnd: number, writeEnd: number];
  /** Milliseconds of the monotonic clock. */
  export function now(): number;
  export function sleep(milliseconds: number): void;
  export function getpid(): number;
}

/** What the interpreter passes: the script's path, then the arguments. */
declare const scriptArgs: readonly string[];

/** Defined by the bundler. */
declare const PRISTINE_VERSION: string;

/** Defined by the bundler: true only in a kit for crash tests. */
declare const PRISTINE_FAULT_POINTS: boolean;
