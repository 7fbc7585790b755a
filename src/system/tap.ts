/** TAP interfaces: Ethernet cables whose other end is this process. Opening one needs an ioctl, which Node lacks. */

import { openSync, read, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { OperationError } from "../base/errors.ts";

const TUNSETIFF = 0x400454ca;
const IFF_TAP = 0x0002;
/** Frames come without a header of the tun driver. */
const IFF_NO_PI = 0x1000;
const FRAME_SIZE_MAX = 65_536;

export interface Tap {
  /** Calls back with every frame that leaves through the interface; the frame is the receiver's to keep. */
  onFrame(receive: (frame: Uint8Array) => void): void;
  /** Makes a frame arrive at the interface. Says whether it was taken: an interface that is down takes none. */
  send(frame: Uint8Array): boolean;
}

/** Makes an interface in this process's network namespace; it goes with the process. */
export function openTap(name: string): Tap {
  const koffi = createRequire(import.meta.url)("koffi") as {
    load(path: null): { func(prototype: string): (...args: unknown[]) => number };
  };
  const ioctl = koffi.load(null).func("int ioctl(int fd, unsigned long request, void *argument)");
  const fd = openSync("/dev/net/tun", "r+");
  const request = Buffer.alloc(40);
  request.write(name, 0, 15, "latin1");
  request.writeUInt16LE(IFF_TAP | IFF_NO_PI, 16);
  if (ioctl(fd, TUNSETIFF, request) !== 0) {
    throw new OperationError("LAB_TAP_FAILED", `the interface ${name} cannot be made`, {
      hint: "it exists already, or this is not root",
    });
  }
  return {
    onFrame: (receive) => {
      const next = (): void => {
        const buffer = Buffer.allocUnsafe(FRAME_SIZE_MAX);
        // The read waits in a thread of the pool, as a TAP device cannot be watched by the event loop.
        read(fd, buffer, 0, buffer.length, null, (error, size) => {
          if (error === null) receive(Uint8Array.from(buffer.subarray(0, size)));
          // An interface that is down cannot be read for now.
          if (error === null) next();
          else setTimeout(next, 50);
        });
      };
      next();
    },
    send: (frame) => {
      try {
        writeSync(fd, frame);
        return true;
      } catch {
        // Down, or its queue is full: the frame is lost, as on any cable.
        return false;
      }
    },
  };
}
