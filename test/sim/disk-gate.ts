// What stands between the engine and a simulated drive: the process may be dead, the call may be made to fail, and a test may
// act just before it (as the user, or by crashing the machine).

import { FilesError } from '../../engine/base/files.ts'
import type { FilesFault } from '../../engine/base/files.ts'
import type { Life } from './life.ts'

const readingCalls = ['lstat', 'readDirectory', 'readLink', 'realPath', 'freeBytes', 'stat', 'read'] as const
type ReadingCall = (typeof readingCalls)[number]
export type CallName =
  | ReadingCall
  | 'open'
  | 'makeDirectory'
  | 'rename'
  | 'link'
  | 'symlink'
  | 'unlink'
  | 'removeDirectory'
  | 'setMode'
  | 'setMtime'
  | 'copy'
  | 'write'
  | 'truncate'
  | 'datasync'
  /** Of the database, which is no file of the simulated drive. */
  | 'commit'
  | 'syncDirectory'

const reading: ReadonlySet<CallName> = new Set(readingCalls)

export interface DiskCall {
  readonly operation: CallName
  readonly path: string
  /** How many calls came before it since the drive was made. */
  readonly count: number
  /** True for calls that may change the drive or flush it: the ones before which a crash makes a difference. */
  readonly isMutating: boolean
}

export interface FaultRule {
  /** The path and all below it. */
  readonly path: string
  readonly fault: FilesFault
  /** All operations when absent. */
  readonly operations?: readonly CallName[]
  /** How often; for ever when absent. */
  readonly times?: number
}

/** Shared by all processes that ever run on a machine, so that counts go on and faults stay. */
export class DiskFaults {
  #rules: { readonly rule: FaultRule; left: number }[] = []
  #hook: ((call: DiskCall) => void) | undefined
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Makes calls fail; returns the way to mend it. */
  add(rule: FaultRule): () => void {
    const armed = { rule, left: rule.times ?? Number.POSITIVE_INFINITY }
    this.#rules.push(armed)
    return () => {
      this.#rules = this.#rules.filter((other) => other !== armed)
    }
  }

  clear(): void {
    this.#rules = []
  }

  /** Called before each call of the engine. It may throw SimCrash, or change files as the user. One at a time. */
  beforeCall(hook: ((call: DiskCall) => void) | undefined): void {
    this.#hook = hook
  }

  pass(operation: CallName, path: string): void {
    const call = { operation, path, count: this.#count++, isMutating: !reading.has(operation) }
    this.#hook?.(call)
    for (const armed of this.#rules) {
      const { rule } = armed
      const isMeant = path === rule.path || path.startsWith(rule.path === '/' ? '/' : `${rule.path}/`)
      if (!isMeant || armed.left <= 0 || (rule.operations !== undefined && !rule.operations.includes(operation))) continue
      armed.left--
      throw new FilesError(rule.fault, operation, path, `simulated ${rule.fault}`)
    }
  }
}

export class Gate {
  readonly #life: Life | undefined
  readonly #faults: DiskFaults | undefined
  readonly #onCall: (() => void) | undefined

  constructor(parts: { readonly life?: Life; readonly faults?: DiskFaults; readonly onCall?: () => void } = {}) {
    this.#life = parts.life
    this.#faults = parts.faults
    this.#onCall = parts.onCall
  }

  before(operation: CallName, path: string): void {
    this.#life?.check()
    this.#onCall?.()
    this.#faults?.pass(operation, path)
    this.#life?.check() // the hook may have ended it
  }
}
