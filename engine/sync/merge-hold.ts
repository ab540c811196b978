// Before concurrent versions are brought together, the contents that stay must be here, the winner's and the losers': whoever writes an
// entry has to be able to serve it. An author may have moved on meanwhile; then a newer version comes instead, and decides.

import type { StoredBlock } from '../blocks/store.ts'
import { blockIdOf } from '../crypto/seal.ts'
import { equalBytes } from '../base/bytes.ts'
import { sealOverheadBytes } from '../model/block-list.ts'
import type { BlockRef } from '../model/entry.ts'
import { mergeOf } from './pull-plan.ts'
import type { BatchParts } from './pull-batch.ts'
import type { Version } from './reconcile.ts'

/** Content fetched at once: it passes through memory on its way to the store. */
const holdBytesMax = 8 * 1024 * 1024

/** True once every content that the merge keeps can be had here; fetches what is missing into the block store. Throws what the store throws. */
export async function holdContents(
  parts: Pick<BatchParts, 'index' | 'handle' | 'store' | 'fetcher'>,
  versions: readonly Version[],
  signal: AbortSignal,
): Promise<boolean> {
  const merge = mergeOf(versions)
  if (merge === undefined) return true
  const missing = [merge.merged, ...merge.losers].flatMap((kept) => missingBlocks(parts, kept))
  for (let from = 0; from < missing.length; ) {
    let to = from
    let bytes = 0
    while (to < missing.length && bytes < holdBytesMax) bytes += missing[to++]?.storedBytes ?? 0
    if (!(await fetchIntoStore(parts, missing.slice(from, to), signal))) return false
    from = to
  }
  return true
}

function missingBlocks({ index, handle, store }: Pick<BatchParts, 'index' | 'handle' | 'store'>, { state }: Version): readonly BlockRef[] {
  if (state === undefined) return []
  const refs = Array.from({ length: state.blocks.count }, (_, at) => ({
    id: state.blocks.id(at),
    storedBytes: state.blocks.lengthBytes(at) + sealOverheadBytes,
  }))
  return refs.filter(({ id }) => index.items.homeOf(handle.row, id) === undefined && !store.has(handle.record.id, id))
}

async function fetchIntoStore(
  { handle, store, fetcher }: Pick<BatchParts, 'handle' | 'store' | 'fetcher'>,
  refs: readonly BlockRef[],
  signal: AbortSignal,
): Promise<boolean> {
  const fetched = await fetcher.fetch(refs, signal)
  const blocks: StoredBlock[] = []
  for (const [at, { id }] of refs.entries()) {
    const answer = fetched[at]
    if (answer === undefined) return false
    if (!equalBytes(blockIdOf(answer.bytes), id)) {
      fetcher.distrust(answer.from)
      return false
    }
    blocks.push({ folder: handle.record.id, id, bytes: answer.bytes })
  }
  await store.put(blocks)
  return true
}

