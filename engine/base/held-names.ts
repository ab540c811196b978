// Renaming and deleting what another program has open for a moment: on Windows a scanner or an indexer that looks at a new file keeps it
// from being moved. The names are free again after some milliseconds, so the call is made again a few times before it counts as failed.

import type { Clock } from './clock.ts'
import { FilesError } from './files.ts'

const pausesMs: readonly number[] = [10, 30, 100, 300, 1000]

/** What `work` gives, tried again where a name is held: Windows says `busy` or `denied` then. Throws the FilesError of the last try. */
export async function whenFree<T>(clock: Clock, work: () => T): Promise<T> {
  for (const pauseMs of pausesMs) {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof FilesError) || (error.fault !== 'busy' && error.fault !== 'denied')) throw error
      await clock.sleep(pauseMs, new AbortController().signal)
    }
  }
  return work()
}
