// Gathers changed paths for a moment and hands them over as one hint: a burst should wake the engine once, not a thousand times.

import type { WatchEvent, WatcherOptions } from '../disk/watch.ts'

/** From the first change to the hint. Changes in that time join it; it is not put off by them. */
const gatherMs = 10
/** A burst of more paths than this is handed over in parts. */
const pathsMax = 2000

export class HintBatch implements Disposable {
  readonly #options: WatcherOptions
  #paths = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(options: WatcherOptions) {
    this.#options = options
  }

  /** `path` is relative to the root, with '/'; an ignored one is dropped. */
  add(path: string): void {
    if (this.#isOver || (path !== '' && this.#options.isIgnored(path))) return
    this.#paths.add(path)
    if (this.#paths.size >= pathsMax) this.#flush()
    else this.#timer ??= setTimeout(() => this.#flush(), gatherMs)
  }

  lost(reason: string): void {
    if (!this.#isOver) this.#options.onEvent({ kind: 'lost', reason })
  }

  /** The last event there will be. */
  dead(reason: string): void {
    if (this.#isOver) return
    this.#flush()
    this[Symbol.dispose]()
    this.#options.onEvent({ kind: 'dead', reason })
  }

  [Symbol.dispose](): void {
    this.#isOver = true
    clearTimeout(this.#timer)
  }

  #flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#paths.size === 0) return
    const event: WatchEvent = { kind: 'hint', paths: [...this.#paths] }
    this.#paths = new Set()
    this.#options.onEvent(event)
  }
}

/** An absolute path of the system as one relative to the root; undefined when it is not in it. */
export function relativeTo(root: string, absolute: string): string | undefined {
  const path = process.platform === 'win32' ? absolute.replaceAll('\\', '/') : absolute
  if (path === root) return ''
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1) : undefined
}
