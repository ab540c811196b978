// Worker jobs that wait for the device in the database's stead: commits on the main thread do not flush, these do, behind.

import { DatabaseSync } from 'node:sqlite'
import { FilesError } from '../base/files.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'

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

/** Bytes of the log after which it is worth moving to the database. */
const checkpointBytesMin = 8 * 1024 * 1024

/** Moves what is committed from a long log to the database, while others read and write it. */
export function checkpointDatabase(input: DatabaseFile, { files }: JobWorld): JobResult<undefined> {
  if ((files.lstat(`${input.path}-wal`)?.sizeBytes ?? 0) < checkpointBytesMin) return { output: undefined }
  const database = new DatabaseSync(input.path)
  try {
    database.exec('pragma busy_timeout = 0; pragma wal_autocheckpoint = 0; pragma synchronous = normal; pragma wal_checkpoint(passive)')
  } finally {
    database.close()
  }
  return { output: undefined }
}
