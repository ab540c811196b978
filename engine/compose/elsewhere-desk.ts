// What a person can ask about where a folder's files are.

import type { ElsewhereControls } from '../api/elsewhere.ts'
import { parseKeepRule } from './folder-elsewhere.ts'
import type { FolderRegistry } from './folder-registry.ts'

export function elsewhereControls({
  folders,
  signal: ended,
}: {
  readonly folders: FolderRegistry
  readonly signal: AbortSignal
}): ElsewhereControls {
  const until = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, ended])
  return {
    keepFolder: async ({ folder, keep, patterns = [] }, signal) => {
      const { elsewhere } = folders.find(folder)
      return keep === undefined ? elsewhere.kept : elsewhere.keep(parseKeepRule(keep, patterns), until(signal))
    },
    freeFiles: async ({ folder, paths, minCopies }, signal) => folders.find(folder).elsewhere.free(paths, minCopies, until(signal)),
    fetchFiles: async ({ folder, paths, wait }, signal) => {
      const { elsewhere } = folders.find(folder)
      const fetched = await elsewhere.fetch(paths, until(signal))
      if (wait) await elsewhere.waitFetched(paths, until(signal))
      return fetched
    },
    files: async ({ folder, path, limit }, signal) =>
      folders.find(folder).elsewhere.list({ path, isWorstFirst: false, limit }, until(signal)),
  }
}
