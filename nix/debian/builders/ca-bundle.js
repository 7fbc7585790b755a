// Joins every certificate of a directory into the one file that TLS libraries read.
import * as std from "std";
import { bytesOf, kindOf, namesIn, readManifest, writeFile } from "./tree.js";

function certificatesIn(directory) {
  return namesIn(directory).flatMap((name) => {
    const path = `${directory}/${name}`;
    if (kindOf(path) === "directory") return certificatesIn(path);
    return name.endsWith(".crt") ? [path] : [];
  });
}

const parts = certificatesIn(readManifest().certificates).map((path) => {
  const text = String.fromCharCode(...new Uint8Array(bytesOf(path)));
  return text.endsWith("\n") ? text : `${text}\n`;
});
writeFile(std.getenv("out"), parts.join(""));
