// The node's identity key: a file of 32 bytes in the home, readable by its owner only. Losing it is losing the node's name.

import type { Random } from '../base/clock.ts'
import { EngineError } from '../base/errors.ts'
import { FilesError, type Files } from '../base/files.ts'

const seedBytes = 32

/** Reads the key, or makes one. Throws `HOME_UNUSABLE` when it is there and no good: it is never replaced. */
export async function loadIdentitySeed(files: Files, path: string, random: Random): Promise<Uint8Array> {
  if (files.lstat(path) !== undefined) return readSeed(files, path)
  const seed = random.bytes(seedBytes)
  const temporary = `${path}.new`
  if (files.lstat(temporary) !== undefined) files.unlink(temporary)
  const file = files.open(temporary, 'create') // mode 0600
  try {
    file.write(seed, 0)
    await file.datasync()
  } finally {
    file.close()
  }
  files.rename(temporary, path)
  await files.syncDirectory(path.slice(0, path.lastIndexOf('/')))
  return seed
}

function readSeed(files: Files, path: string): Uint8Array {
  try {
    const file = files.open(path, 'read')
    try {
      const seed = new Uint8Array(seedBytes + 1)
      if (file.read(seed, 0) === seedBytes) return seed.slice(0, seedBytes)
    } finally {
      file.close()
    }
  } catch (error) {
    if (error instanceof FilesError) throw unusable(path, error.detail, error)
    throw error
  }
  throw unusable(path, `it does not have ${seedBytes} bytes`)
}

function unusable(path: string, what: string, cause?: unknown): EngineError {
  return new EngineError(
    'HOME_UNUSABLE',
    `the identity key ${path} cannot be used: ${what}. Bring it back from a backup; without it this node has to join its folders anew with another --home`,
    { cause },
  )
}
