// Worker jobs that wait for the device in the database's stead: commits on the main thread do not flush, these do, behind.

import { DatabaseSync } from 'node:sqlite'
import { FilesError } from '../base/files.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import { isFullDisk, logKeptBytes } from './database.ts'

export interface DatabaseFile {
  readonly path: string
}

/** Flushes the write-ahead log: everything committed before the call survives a power cut. Throws FilesError. */
export async function flushDatabase(input: DatabaseFile, { files }: JobWorld): Promise<JobResult<undefined>> {
  try {
    const log = files.open(`${input.path}-wal`, 'edit')
    try {
      await log.datasync()
    } finally {
      log.close()
    }
  } catch (error) {
    // No log: everything is in the database itself, which was flushed when the log was taken away.
    if (!(error instanceof FilesError) || error.fault !== 'missing') throw error
  }
  return { output: undefined }
}

/** Bytes of the log after which it is worth moving to the database: fewer where there is little room. */
const checkpointBytes = { min: 2 * logKeptBytes, max: 8 * 1024 * 1024, shareOfFree: 1 / 64 }

/** From so many times that length on the log is worth starting over, which takes a moment without writes. */
const settleFactor = 4

/**
 * Moves what is committed from a long log to the database, while others read and write it. True when the log has grown so long that the
 * writer should move the little that came meanwhile (`Index.settleLog`), so that the log begins anew. On a full disk what can be moved is.
 */
export function checkpointDatabase(input: DatabaseFile, { files }: JobWorld): JobResult<boolean> {
  const logBytes = files.lstat(`${input.path}-wal`)?.sizeBytes ?? 0
  if (logBytes < checkpointBytes.min) return { output: false }
  const { min, max, shareOfFree } = checkpointBytes
  const worthBytes = Math.min(max, Math.max(min, files.freeBytes(input.path) * shareOfFree))
  if (logBytes < worthBytes) return { output: false }
  const database = new DatabaseSync(input.path)
  try {
    database.exec('pragma busy_timeout = 0; pragma wal_autocheckpoint = 0; pragma synchronous = normal; pragma wal_checkpoint(passive)')
  } catch (error) {
    if (!isFullDisk(error)) throw error
    return { output: false }
  } finally {
    database.close()
  }
  return { output: logBytes >= settleFactor * worthBytes }
}
