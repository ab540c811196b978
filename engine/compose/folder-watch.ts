// Keeps a watcher on a folder's tree and walks it whole now and then: a dead watcher is noticed, said, and opened again.

import { messageOf } from '../base/errors.ts'
import { waitAtMost, Wakeup } from '../base/queue.ts'
import { folderDirectoryName } from '../disk/limits.ts'
import type { Watcher } from '../disk/watch.ts'
import type { Ingest } from '../sync/ingest.ts'
import type { FolderProblems } from '../sync/problems.ts'
import type { EngineWorld } from './parts.ts'

const walkIntervalMs = 60 * 60 * 1000
const walkJitter = 0.2
const reopenFirstMs = 1000
const reopenLongestMs = 5 * 60 * 1000

export async function keepWatching(
  world: EngineWorld,
  root: string,
  ingest: Ingest,
  problems: FolderProblems,
  signal: AbortSignal,
  onMethod: (method: string) => void,
): Promise<void> {
  let reopenMs = reopenFirstMs
  for (;;) {
    const dead = new Wakeup()
    let watcher: Watcher | undefined
    try {
      watcher = await open(world, root, ingest, dead, signal)
      onMethod(watcher.method)
      problems.clear('WATCHER_DEAD')
      ingest.requestWalk() // what changed while nobody watched
      const isDead = await walkRegularly(world, ingest, dead, signal)
      if (isDead) noteDead(problems, 'it stopped')
    } catch (error) {
      if (signal.aborted) throw error
      noteDead(problems, messageOf(error))
    } finally {
      onMethod('none')
      await watcher?.[Symbol.asyncDispose]()
    }
    await world.clock.sleep(reopenMs, signal)
    reopenMs = Math.min(reopenMs * 2, reopenLongestMs)
  }
}

async function open(world: EngineWorld, root: string, ingest: Ingest, dead: Wakeup, signal: AbortSignal): Promise<Watcher> {
  return world.openWatcher(
    {
      root,
      isIgnored: (path) => path === folderDirectoryName || path.startsWith(`${folderDirectoryName}/`) || ingest.isIgnored(path, true),
      onEvent: (event) => {
        if (event.kind === 'hint') ingest.hint(event.paths)
        else if (event.kind === 'lost') ingest.requestWalk()
        else {
          world.log.warn('a watcher died', { root, reason: event.reason })
          dead.wake()
        }
      },
    },
    signal,
  )
}

/** Resolves with true when the watcher died; otherwise goes on until `signal` aborts. */
async function walkRegularly(world: EngineWorld, ingest: Ingest, dead: Wakeup, signal: AbortSignal): Promise<boolean> {
  for (;;) {
    let isDead = false
    // Jitter keeps folders and machines from walking all at once.
    const spread = ((world.random.bytes(1)[0] ?? 0) / 255) * 2 - 1
    const dueMs = world.clock.monotonicMs() + walkIntervalMs * (1 + spread * walkJitter)
    await waitAtMost(dead, world.clock, dueMs - world.clock.monotonicMs(), signal)
    isDead = world.clock.monotonicMs() < dueMs
    if (isDead) return true
    ingest.requestWalk()
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
