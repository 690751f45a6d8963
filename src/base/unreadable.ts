/** Why a file that somebody named cannot be read, in words. @param code as Node has it: `ENOENT` */
export function unreadable(path: string, code: string): string {
  switch (code) {
    case "ENOENT":
      return `there is no file ${path}`;
    case "EACCES":
    case "EPERM":
      return `${path} may not be read by this user`;
    case "EISDIR":
      return `${path} is a folder, not a file`;
    default:
      return `${path} cannot be read (${code})`;
  }
}
