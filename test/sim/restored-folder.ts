// A simulated machine's folder as a backup tool keeps it: everything in it with its times and bits, the folder's own directory too.

import { present } from '../../engine/base/assert.ts'
import type { SimUser } from './user.ts'

type Kept =
  | { readonly kind: 'directory'; readonly path: string; readonly mode: number }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly mtimeUs: number; readonly bytes: Uint8Array }

export interface FolderBackup {
  readonly root: string
  readonly kept: readonly Kept[]
}

export function backUpFolder(user: SimUser, root: string): FolderBackup {
  const kept = user.walk(root).map((path): Kept => {
    const { kind, mode, mtimeUs } = present(user.lstat(path), 'it was listed')
    if (kind === 'directory') return { kind, path, mode }
    if (kind === 'symlink') return { kind, path, target: user.readLink(path) }
    return { kind: 'file', path, mode, mtimeUs, bytes: present(user.read(path), 'a file') }
  })
  return { root, kept }
}

/** In place of whatever is there. `keepsTimes`: as most tools do; else every file is of now. */
export function restoreFolder(user: SimUser, { root, kept }: FolderBackup, keepsTimes = true): void {
  if (user.lstat(root) !== undefined) user.remove(root)
  user.mkdir(root)
  for (const one of kept) {
    if (one.kind === 'directory') user.mkdir(one.path)
    else if (one.kind === 'symlink') user.symlink(one.target, one.path)
    else {
      user.write(one.path, one.bytes)
      if (keepsTimes) user.touch(one.path, one.mtimeUs)
      user.chmod(one.path, one.mode)
    }
  }
}
