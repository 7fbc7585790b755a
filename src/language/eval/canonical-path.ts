/** Absolute paths in their one form: no empty, `.` or `..` component, no trailing slash. Links are not looked at. */

export function canonicalPath(path: string): string {
  if (isCanonical(path)) return path;
  const components: string[] = [];
  for (const component of path.split("/")) {
    if (component === "" || component === ".") continue;
    if (component === "..") components.pop();
    else components.push(component);
  }
  return `/${components.join("/")}`;
}

/** Whether a path is in that form for certain; hidden files make it doubtful. */
function isCanonical(path: string): boolean {
  return path.startsWith("/") && path.length > 1 && !path.endsWith("/") && !path.includes("//") && !path.includes("/.");
}

/** The last component, or `undefined` for the root. */
export function baseNameOfPath(path: string): string | undefined {
  return path === "/" ? undefined : path.slice(path.lastIndexOf("/") + 1);
}

/** The directory a canonical path is in; the root's is the root. */
export function parentOfPath(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}
