// The log of a daemon: pino's lines into a file that is set aside when it has grown, a few generations kept.
// Writes are synchronous so that the last lines before a crash are there.

import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs'
import { pino } from 'pino'
import type { Logger } from 'pino'
import type { Log } from '../base/log.ts'

const fileBytesMax = 8 * 1024 * 1024
const generations = 3

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface NodeLog extends Disposable {
  readonly log: Log
}

/** Opens or makes the file at `path` (mode 0600; its directory is there). Throws what the file system throws. */
export function openNodeLog(path: string, level: LogLevel = 'info', sizeBytesMax: number = fileBytesMax): NodeLog {
  const file = new RotatingFile(path, sizeBytesMax)
  // oxlint-disable-next-line unicorn/no-null -- pino's way to leave out process id and host name
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, file)
  return { log: logOf(logger), [Symbol.dispose]: () => file[Symbol.dispose]() }
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

  constructor(path: string, sizeBytesMax: number) {
    this.#path = path
    this.#sizeBytesMax = sizeBytesMax
    this.#open()
  }

  /** Never throws: a full disk must not end the daemon through its log. Lines that cannot be written are lost. */
  write(line: string): void {
    try {
      if (this.#sizeBytes >= this.#sizeBytesMax) this.#rotate()
      if (this.#descriptor !== undefined) this.#sizeBytes += writeSync(this.#descriptor, line)
    } catch {
      // There is nowhere left to say it.
    }
  }

  #rotate(): void {
    this[Symbol.dispose]()
    for (let age = generations - 1; age >= 1; age--) {
      try {
        renameSync(age === 1 ? this.#path : `${this.#path}.${age - 1}`, `${this.#path}.${age}`)
      } catch {
        // That generation does not exist yet.
      }
    }
    this.#open()
  }

  #open(): void {
    this.#descriptor = openSync(this.#path, 'a', 0o600)
    this.#sizeBytes = fstatSync(this.#descriptor).size
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }
}
