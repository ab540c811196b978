// Before concurrent versions are brought together, the contents that stay must be here, the winner's and the losers': whoever writes an
// entry has to be able to serve it. An author may have moved on meanwhile; then a newer version comes instead, and decides.

import type { StoredBlock } from '../blocks/store.ts'
import { blockIdOf } from '../crypto/seal.ts'
import { equalBytes } from '../base/bytes.ts'
import type { Jobs } from '../base/jobs.ts'
import type { BlockRef } from '../model/entry.ts'
import type { AuthorId, BlockId } from '../model/ids.ts'
import type { sealRanges, SealRange } from '../transfer/seal-ranges-job.ts'
import { mergeOf } from './pull-plan.ts'
import { locateBlock, type BatchParts, type LocatedBlock } from './pull-batch.ts'
import type { Version } from './reconcile.ts'
import type { OpenedVersion } from './versions.ts'

/** Content brought to the store at once: it passes through memory on its way. */
const holdBytesMax = 8 * 1024 * 1024

export type HoldParts = Pick<BatchParts, 'index' | 'handle' | 'store' | 'fetcher'> & {
  readonly jobs: Jobs<{ readonly sealRanges: typeof sealRanges }>
}

/**
 * True once every content that the merge keeps can be had here; brings what is missing into the block store. A loser's is brought there even
 * from a file of the folder: its person may change that file before the copy is made, and no later version would ever say so of the copy.
 * Throws what the store throws.
 */
export async function holdContents(parts: HoldParts, versions: readonly Version[], signal: AbortSignal): Promise<boolean> {
  const merge = mergeOf(versions)
  if (merge === undefined) return true
  const { index, handle } = parts
  const wanted = missingBlocks(parts, merge.merged).filter(({ ref }) => index.items.homeOf(handle.row, ref.id) === undefined)
  for (const loser of merge.losers) wanted.push(...missingBlocks(parts, loser))
  for (let from = 0; from < wanted.length;) {
    let to = from
    let bytes = 0
    while (to < wanted.length && bytes < holdBytesMax) bytes += wanted[to++]?.ref.storedBytes ?? 0
    const absent = await sealIntoStore(parts, wanted.slice(from, to), signal)
    if (!(await fetchIntoStore(parts, absent, signal))) return false
    from = to
  }
  return true
}

/**
 * The same versions with the lost ones taken as deleted; undefined when none is. Lost: this node wrote the content, and does not have
 * it any more, and nobody else has it (`isNowhereElse`); a power cut can take a file that was announced and not flushed yet.
 */
export function withoutLost(
  parts: Pick<HoldParts, 'index' | 'handle' | 'store'>,
  versions: readonly OpenedVersion[],
  isNowhereElse: (block: BlockId) => boolean,
): readonly OpenedVersion[] | undefined {
  const { authorId, identity, row } = parts.handle
  const [first] = versions
  // What this node let go of while others proved to have it is not lost for nobody giving it now.
  if (first !== undefined && parts.index.elsewhere.has(row, first.row.entry.entryId)) return undefined
  // An author that this node was before it lost its index counts: nobody else can say what became of its contents.
  const isOwn = (editor: AuthorId): boolean => {
    const author = parts.index.entries.author(row, editor)
    return equalBytes(editor, authorId) || (author !== undefined && equalBytes(author.nodeKey, identity.publicKey))
  }
  const isLost = (version: OpenedVersion): boolean =>
    version.editor !== undefined &&
    isOwn(version.editor) &&
    missingBlocks(parts, version).some(({ place, ref }) => place.kind === 'peer' && isNowhereElse(ref.id))
  if (!versions.some((version) => isLost(version))) return undefined
  return versions.map((version) => (isLost(version) ? { ...version, state: undefined, contentVector: version.vector } : version))
}

/** A block that the store does not have. */
interface MissingBlock extends LocatedBlock {
  readonly key: Uint8Array
  readonly lengthBytes: number
}

function missingBlocks(parts: Pick<HoldParts, 'index' | 'handle' | 'store'>, { state }: Version): MissingBlock[] {
  if (state === undefined) return []
  const { blocks } = state
  return Array.from({ length: blocks.count }, (_, at) => at)
    .filter((at) => !parts.store.has(parts.handle.record.id, blocks.id(at)))
    .map((at) => ({ ...locateBlock(parts, blocks, at, false), key: blocks.key(at), lengthBytes: blocks.lengthBytes(at) }))
}

/** Brings what files here hold; gives what none does. */
async function sealIntoStore(
  { handle, store, jobs }: HoldParts,
  missing: readonly MissingBlock[],
  signal: AbortSignal,
): Promise<readonly BlockRef[]> {
  const absent: BlockRef[] = []
  const atHome: BlockRef[] = []
  const ranges: SealRange[] = []
  for (const { ref, place, key, lengthBytes } of missing) {
    if (place.kind !== 'local') {
      absent.push(ref)
      continue
    }
    atHome.push(ref)
    ranges.push({ path: place.path, offset: place.offset, lengthBytes, id: ref.id, key })
  }
  if (ranges.length === 0) return absent
  const { payload, lengths } = await jobs.run('sealRanges', { root: handle.root, sealKey: handle.jobKeys.sealKey, ranges }, { signal })
  const blocks: StoredBlock[] = []
  let from = 0
  for (const [at, ref] of atHome.entries()) {
    const length = lengths[at] ?? 0
    if (length === 0) absent.push(ref)
    else blocks.push({ folder: handle.record.id, id: ref.id, bytes: payload.subarray(from, from + length) })
    from += length
  }
  await store.put(blocks)
  return absent
}

async function fetchIntoStore(
  { handle, store, fetcher }: Pick<BatchParts, 'handle' | 'store' | 'fetcher'>,
  refs: readonly BlockRef[],
  signal: AbortSignal,
): Promise<boolean> {
  if (refs.length === 0) return true
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
