// One daemon a home. The lock is a write transaction held open on a tiny database: the kernel lets go of it when the
// process ends, however it ends, so a stale lock cannot exist. No other portable lock is in Node.

import { DatabaseSync } from 'node:sqlite'
import { EngineError, messageOf } from '../base/errors.ts'

/** Throws `ALREADY_RUNNING` while another process holds the lock of this home. */
export function lockHome(lockPath: string, homePath: string): Disposable {
  const database = new DatabaseSync(lockPath)
  try {
    // No journal: nothing is ever written here, and a full disk must not keep a daemon from starting.
    database.exec('pragma busy_timeout = 0; pragma locking_mode = exclusive; pragma journal_mode = memory; begin exclusive')
  } catch (error) {
    database.close()
    if (messageOf(error).includes('locked')) {
      throw new EngineError(
        'ALREADY_RUNNING',
        `another Holdfast daemon is already running on ${homePath}: use it, stop it with 'holdfast stop', or start this one with another --home`,
      )
    }
    throw new EngineError('HOME_UNUSABLE', `cannot lock the home ${homePath}: ${messageOf(error)}`, { cause: error })
  }
  return { [Symbol.dispose]: () => database.close() }
}
