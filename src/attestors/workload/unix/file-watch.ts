import { watch } from "node:fs";

/**
 * Told once when an open file changes, or the file system that it lies on is there no more: device numbers are given out
 * again, and file number, change time and size are what the next medium says. The kernel tells of that before it gives the
 * number to another (inotify(7), IN_UNMOUNT). The file may be closed meanwhile: watching keeps nothing mounted.
 * @returns ends the watching; safe to call twice
 * @throws the system's error, such as ENOSPC when there are too many watches (fs.inotify.max_user_watches)
 */
export function watchFile(fd: number, onChange: () => void): () => void {
  const watcher = watch(`/proc/self/fd/${fd}`, { persistent: false });
  const stop = (): void => watcher.close();
  const tell = (): void => {
    stop();
    onChange();
  };
  watcher.once("change", tell);
  watcher.once("error", tell);
  return stop;
}
