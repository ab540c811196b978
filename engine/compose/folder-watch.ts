// Keeps a watcher on a folder's tree and walks it whole now and then. A dead watcher is noticed, said, and opened again; one that was
// opened under other ignore rules is replaced, because what is ignored is not watched.

import { messageOf } from '../base/errors.ts'
import { waitAtMost, Wakeup } from '../base/queue.ts'
import { folderDirectoryName } from '../disk/limits.ts'
import type { Watcher } from '../disk/watch.ts'
import type { Ingest } from '../sync/ingest.ts'
import type { FolderProblems } from '../sync/problems.ts'
import type { EngineWorld } from './parts.ts'

export interface FolderWatchParts {
  readonly world: Pick<EngineWorld, 'clock' | 'random' | 'log' | 'openWatcher'>
  readonly root: string
  readonly ingest: Pick<Ingest, 'hint' | 'requestWalk' | 'isIgnored'>
  readonly problems: FolderProblems
  readonly changed: () => void
}

const walkIntervalMs = 60 * 60 * 1000
const walkJitter = 0.2
const reopenFirstMs = 1000
const reopenLongestMs = 5 * 60 * 1000

/** One watcher's time; over when it is told why. */
class Watch {
  readonly #wakeup = new Wakeup()
  #end: 'died' | 'outdated' | undefined

  get end(): 'died' | 'outdated' | undefined {
    return this.#end
  }

  finish(end: 'died' | 'outdated'): void {
    this.#end = end
    this.#wakeup.wake()
  }

  /** Resolves at the end, at the latest after `durationMs`. */
  async wait(clock: EngineWorld['clock'], durationMs: number, signal: AbortSignal): Promise<void> {
    await waitAtMost(this.#wakeup, clock, durationMs, signal)
  }
}

export class FolderWatch {
  readonly #parts: FolderWatchParts
  #method = 'none'
  #current = new Watch()

  constructor(parts: FolderWatchParts) {
    this.#parts = parts
  }

  /** For `status`: how changes are noticed now. */
  get method(): string {
    return this.#method
  }

  /** Other paths are ignored than when the watcher was opened: another takes its place. */
  rulesChanged(): void {
    this.#current.finish('outdated')
  }

  /** Works until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts.world
    let pauseMs = reopenFirstMs
    for (;;) {
      const openedMs = clock.monotonicMs()
      const watch = new Watch()
      this.#current = watch
      await this.#watchOnce(watch, signal)
      if (watch.end === 'outdated') continue
      if (clock.monotonicMs() - openedMs > reopenLongestMs) pauseMs = reopenFirstMs
      await clock.sleep(pauseMs, signal)
      pauseMs = Math.min(pauseMs * 2, reopenLongestMs)
    }
  }

  async #watchOnce(watch: Watch, signal: AbortSignal): Promise<void> {
    const { ingest, problems } = this.#parts
    let watcher: Watcher | undefined
    try {
      watcher = await this.#open(watch, signal)
      this.#setMethod(watcher.method)
      problems.clear('WATCHER_DEAD')
      ingest.requestWalk() // what changed while nobody watched
      await this.#walkRegularly(watch, signal)
      if (watch.end === 'died') noteDead(problems, 'it stopped')
    } catch (error) {
      if (signal.aborted) throw error
      noteDead(problems, messageOf(error))
    } finally {
      this.#setMethod('none')
      await watcher?.[Symbol.asyncDispose]()
    }
  }

  async #open(watch: Watch, signal: AbortSignal): Promise<Watcher> {
    const { world, root, ingest } = this.#parts
    return world.openWatcher(
      {
        root,
        isIgnored: (path) => path === folderDirectoryName || path.startsWith(`${folderDirectoryName}/`) || ingest.isIgnored(path, true),
        onEvent: (event) => {
          if (event.kind === 'hint') ingest.hint(event.paths)
          else if (event.kind === 'lost') ingest.requestWalk()
          else {
            world.log.warn('a watcher died', { root, reason: event.reason })
            watch.finish('died')
          }
        },
      },
      signal,
    )
  }

  /** Resolves when the watch is over. */
  async #walkRegularly(watch: Watch, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#parts.world
    for (;;) {
      // Jitter keeps folders and machines from walking all at once.
      const spread = ((random.bytes(1)[0] ?? 0) / 255) * 2 - 1
      await watch.wait(clock, walkIntervalMs * (1 + spread * walkJitter), signal)
      if (watch.end !== undefined) return
      this.#parts.ingest.requestWalk()
    }
  }

  #setMethod(method: string): void {
    this.#method = method
    this.#parts.changed()
  }
}

function noteDead(problems: FolderProblems, reason: string): void {
  problems.note({
    code: 'WATCHER_DEAD',
    severity: 'warning',
    text: `changes in this folder are not noticed at once: the watcher of the file system is not working (${reason}). The hourly walk finds them.`,
    next: 'It is started again by itself. If it stays, raise fs.inotify.max_user_watches or run with --watch polling.',
  })
}
