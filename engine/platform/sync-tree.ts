// Waits until everything that was written to one file system is on the device. Node has no call for it; coreutils' `sync -f` makes syncfs(2).

import { execFile } from 'node:child_process'

/** False where the system has no such command, or it failed: then files are flushed one by one. */
export async function syncTree(path: string, signal: AbortSignal): Promise<boolean> {
  if (process.platform !== 'linux') return false
  return await new Promise((resolve) => {
    execFile('sync', ['-f', path], { signal }, (error) => resolve(error === null))
  })
}
