// The event stream: a `change` event with a small summary at the start and whenever something changed since the last
// one was taken by the reader, so a slow reader gets fewer events, never a queue of old ones.

import type { Clock } from '../base/clock.ts'
import { Broadcast } from '../base/queue.ts'
import type { ChangeSummary, FolderSummary } from './calls.ts'
import type { FolderStatus, NodeControls, NodeStatus } from './controls.ts'

/** Shorter than the idle limits of proxies and browsers, so that a dead connection is noticed. */
export const heartbeatMs = 15_000

/** Chunks of an SSE body. Ends by throwing `ABORTED` when `signal` aborts. */
export async function* eventChunks(controls: NodeControls, clock: Clock, signal: AbortSignal): AsyncGenerator<string, never> {
  const changed = new Broadcast()
  let hasNews = true
  const stopListening = controls.onChange(() => {
    hasNews = true
    changed.announce()
  })
  try {
    for (;;) {
      if (!hasNews) await waitEither(changed, clock, signal)
      if (hasNews) {
        hasNews = false
        yield `event: change\ndata: ${JSON.stringify(summaryOf(controls.status()))}\n\n`
      } else {
        yield ': heartbeat\n\n'
      }
    }
  } finally {
    stopListening()
  }
}

async function waitEither(changed: Broadcast, clock: Clock, signal: AbortSignal): Promise<void> {
  const done = new AbortController()
  const either = AbortSignal.any([signal, done.signal])
  try {
    await Promise.race([changed.wait(either), clock.sleep(heartbeatMs, either)])
  } finally {
    done.abort()
  }
}

export function summaryOf(status: NodeStatus): ChangeSummary {
  return {
    state: status.state,
    folders: status.folders.map(folderSummaryOf),
    peersConnected: status.peers.filter((peer) => peer.connected).length,
    problems: status.problems.length,
  }
}

function folderSummaryOf({ id, name, state, needFiles, needBytes, progress }: FolderStatus): FolderSummary {
  return { id, name, state, needFiles, needBytes, ...(progress === undefined ? {} : { progress }) }
}
