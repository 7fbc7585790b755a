/**
 * The sandbox's system call filter, as a classic BPF program.
 *
 * Builders must not make what a store object cannot hold: setuid and setgid bits (EPERM) and extended attributes
 * (ENOTSUP). Every calling convention that the kernel offers on a platform is covered.
 */

import { OperationError } from "../base/errors.ts";

interface CallingConvention {
  /** `AUDIT_ARCH_…` of the kernel. */
  readonly audit: number;
  /** System call numbers; a call that changes modes comes with the index of its mode argument. */
  readonly modeCalls: readonly (readonly [number: number, modeArgument: number])[];
  readonly attributeCalls: readonly number[];
}

const FCHMODAT2 = 452;
const SETXATTRAT = 463;
const GETXATTRAT = 464;

const X86_64: CallingConvention = {
  audit: 0xc000003e,
  modeCalls: [
    [90, 1],
    [91, 1],
    [268, 2],
    [FCHMODAT2, 2],
  ],
  attributeCalls: [188, 189, 190, 191, 192, 193, SETXATTRAT, GETXATTRAT],
};

const I386: CallingConvention = {
  audit: 0x40000003,
  modeCalls: [
    [15, 1],
    [94, 1],
    [306, 2],
    [FCHMODAT2, 2],
  ],
  attributeCalls: [226, 227, 228, 229, 230, 231, SETXATTRAT, GETXATTRAT],
};

const AARCH64: CallingConvention = {
  audit: 0xc00000b7,
  modeCalls: [
    [52, 1],
    [53, 2],
    [FCHMODAT2, 2],
  ],
  attributeCalls: [5, 6, 7, 8, 9, 10, SETXATTRAT, GETXATTRAT],
};

const ARM: CallingConvention = {
  audit: 0x40000028,
  modeCalls: [
    [15, 1],
    [94, 1],
    [333, 2],
    [FCHMODAT2, 2],
  ],
  attributeCalls: I386.attributeCalls,
};

const CONVENTIONS: Readonly<Record<string, readonly CallingConvention[]>> = {
  x64: [X86_64, I386],
  arm64: [AARCH64, ARM],
};

const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_SET = 0x45;
const AND = 0x54;
const RETURN = 0x06;

const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
const EPERM = 1;
const ENOSYS = 38;
const ENOTSUP = 95;

/** Offsets in `struct seccomp_data`. */
const NR = 0;
const ARCH = 4;
const ARGS = 16;

/** x32 programs mark their calls with this bit; the numbers that matter here are the same. */
const X32_BIT = 0x40000000;
const SETUID_OR_SETGID = 0o6000;

type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, value: number];

/** The filter for this processor (`process.arch`), as the kernel takes it. */
export function seccompFilter(architecture: string = process.arch): Uint8Array {
  const conventions = CONVENTIONS[architecture];
  if (conventions === undefined) {
    throw new OperationError(
      "PLATFORM_UNSUPPORTED",
      `builds cannot be sandboxed on the processor type ${architecture}`,
      {
        hint: "x86_64 and aarch64 are supported",
      },
    );
  }
  const program: Instruction[] = [[LOAD_WORD, 0, 0, ARCH]];
  for (const convention of conventions) {
    const section = sectionOf(convention);
    program.push([JUMP_IF_EQUAL, 0, section.length, convention.audit], ...section);
  }
  // A convention that nobody told us about cannot be judged.
  program.push([RETURN, 0, 0, ERRNO | ENOSYS]);
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, [code, jumpTrue, jumpFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jumpTrue, index * 8 + 2);
    bytes.writeUInt8(jumpFalse, index * 8 + 3);
    bytes.writeUInt32LE(value >>> 0, index * 8 + 4);
  }
  return bytes;
}

function sectionOf(convention: CallingConvention): Instruction[] {
  const section: Instruction[] = [
    [LOAD_WORD, 0, 0, NR],
    [AND, 0, 0, ~X32_BIT >>> 0],
  ];
  for (const [number, argument] of convention.modeCalls) {
    section.push(
      [JUMP_IF_EQUAL, 0, 4, number],
      [LOAD_WORD, 0, 0, ARGS + 8 * argument],
      [JUMP_IF_SET, 0, 1, SETUID_OR_SETGID],
      [RETURN, 0, 0, ERRNO | EPERM],
      [RETURN, 0, 0, ALLOW],
    );
  }
  for (const number of convention.attributeCalls) {
    section.push([JUMP_IF_EQUAL, 0, 1, number], [RETURN, 0, 0, ERRNO | ENOTSUP]);
  }
  section.push([RETURN, 0, 0, ALLOW]);
  return section;
}
