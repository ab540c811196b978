// Lets the simulator stand before each commit to a database, as it does before each call to a drive: the process may die there, and
// the commit may fail as SQLite lets it fail when the drive is full or broken. There is no other way in: connections are the engine's own.

import { realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { FilesError } from '../../engine/base/files.ts'

/** Throws what is to happen instead of the commit. */
export type BeforeCommit = () => void

const gates = new Map<string, BeforeCommit>()
/** Those of killed processes are never closed by the engine: some MiB each, which the collector does not see. */
const connections = new Map<DatabaseSync, string>()
const commit = 'commit'
const resultCodes = { full: 13, io: 10 }
const restTurns = 8

const execute = Reflect.get(DatabaseSync.prototype, 'exec')
DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string): void {
  if (!connections.has(this)) connections.set(this, this.location() ?? '')
  const gate = sql === commit ? gates.get(connections.get(this) ?? '') : undefined
  if (gate !== undefined) pass(gate)
  Reflect.apply(execute, this, [sql])
}

/** For every connection to the database at `path`, which need not exist yet. Returns the way to end it. */
export function guardCommits(path: string, beforeCommit: BeforeCommit): () => void {
  const real = join(realpathSync(dirname(path)), basename(path))
  gates.set(real, beforeCommit)
  return () => {
    if (gates.get(real) === beforeCommit) gates.delete(real)
  }
}

/** Closes what is still open below a directory whose processes are all over, once what their code was in the middle of has come to rest. */
export async function closeConnections(directory: string): Promise<void> {
  const real = `${realpathSync(directory)}/`
  const left = [...connections].flatMap(([connection, path]) => (path.startsWith(real) ? [connection] : []))
  for (let turn = 0; turn < restTurns; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
  for (const connection of left) {
    connections.delete(connection)
    if (connection.isOpen) connection.close()
  }
}

function pass(gate: BeforeCommit): void {
  try {
    gate()
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    const [text, errcode] = error.fault === 'noSpace' ? ['database or disk is full', resultCodes.full] : ['disk I/O error', resultCodes.io]
    throw Object.assign(new Error(text), { code: 'ERR_SQLITE_ERROR', errcode, errstr: text })
  }
}
