// What may keep a node from doing what a person asks of it, in a world where drives fail and processes die.

import { EngineError } from '../../engine/base/errors.ts'
import { FilesError } from '../../engine/base/files.ts'
import { SimCrash } from './life.ts'

/** A full or failing drive may refuse what a person asks for, and an armed accident strike meanwhile; anything else is thrown on. */
export function refusalOf(error: unknown): Error {
  if (isRefusal(error) || error instanceof SimCrash) return error
  throw error
}

/** What the engine says when it cannot do something, or what the drive and the database said to it. */
export function isRefusal(error: unknown): error is Error {
  if (error instanceof EngineError || error instanceof FilesError) return true
  return error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR'
}
