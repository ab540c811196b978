// The log of a daemon: pino's lines into a file that is set aside when it has grown, a few generations kept.
// Writes are synchronous so that the last lines before a crash are there.

import { closeSync, fstatSync, openSync, renameSync, statfsSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { pino } from 'pino'
import type { Logger } from 'pino'
import type { Log } from '../base/log.ts'

const fileBytesMax = 8 * 1024 * 1024
const fileBytesMin = 64 * 1024
/** A log on a small disk is a short one. */
const diskShareOfFile = 1 / 256
const generations = 3

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface NodeLog extends Disposable {
  readonly log: Log
}

/** Opens or makes the file at `path` (mode 0600; its directory is there). Throws what the file system throws, but not that it is full. */
export function openNodeLog(path: string, level: LogLevel = 'info', sizeBytesMax: number = fileBytesMaxAt(dirname(path))): NodeLog {
  const file = new RotatingFile(path, sizeBytesMax)
  // oxlint-disable-next-line unicorn/no-null -- pino's way to leave out process id and host name
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, file)
  return { log: logOf(logger), [Symbol.dispose]: () => file[Symbol.dispose]() }
}

function fileBytesMaxAt(directory: string): number {
  const { blocks, bsize } = statfsSync(directory)
  return Math.round(Math.min(fileBytesMax, Math.max(fileBytesMin, blocks * bsize * diskShareOfFile)))
}

function logOf(logger: Logger): Log {
  return {
    debug: (message, fields) => logger.debug(fields ?? {}, message),
    info: (message, fields) => logger.info(fields ?? {}, message),
    warn: (message, fields) => logger.warn(fields ?? {}, message),
    error: (message, fields) => logger.error(fields ?? {}, message),
    child: (fields) => logOf(logger.child(fields)),
  }
}

class RotatingFile implements Disposable {
  readonly #path: string
  readonly #sizeBytesMax: number
  #descriptor: number | undefined
  #sizeBytes = 0
  #isEnded = false

  constructor(path: string, sizeBytesMax: number) {
    this.#path = path
    this.#sizeBytesMax = sizeBytesMax
    try {
      this.#open()
    } catch (error) {
      if (!isFull(error)) throw error
    }
  }

  /** Never throws: a full disk must not end the daemon through its log. Lines that cannot be written are lost. */
  write(line: string): void {
    if (this.#isEnded) return
    try {
      if (this.#sizeBytes >= this.#sizeBytesMax) this.#rotate()
      this.#sizeBytes += writeSync(this.#descriptor ?? this.#open(), line)
    } catch {
      // There is nowhere left to say it.
    }
  }

  #rotate(): void {
    this.#close()
    for (let age = generations - 1; age >= 1; age--) {
      try {
        renameSync(age === 1 ? this.#path : `${this.#path}.${age - 1}`, `${this.#path}.${age}`)
      } catch {
        // That generation does not exist yet.
      }
    }
    this.#sizeBytes = 0
  }

  #open(): number {
    const descriptor = openSync(this.#path, 'a', 0o600)
    this.#descriptor = descriptor
    this.#sizeBytes = fstatSync(descriptor).size
    return descriptor
  }

  [Symbol.dispose](): void {
    this.#isEnded = true
    this.#close()
  }

  #close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
}
