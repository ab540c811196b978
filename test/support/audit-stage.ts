// A stage for audits: this node and members that claim blocks, in entries of three, of which they have what the test says.

import { present } from '../../engine/base/assert.ts'
import { bytesKey, utf8 } from '../../engine/base/bytes.ts'
import type { Clock } from '../../engine/base/clock.ts'
import { silentLog } from '../../engine/base/log.ts'
import { abortable } from '../../engine/base/queue.ts'
import { blockProof } from '../../engine/crypto/block-proof.ts'
import { blockIdOf } from '../../engine/crypto/seal.ts'
import type { AuditRow } from '../../engine/index/audit-table.ts'
import type { BlockId, PeerId } from '../../engine/model/ids.ts'
import { Audit } from '../../engine/scrub/audit.ts'
import type { Claims } from '../../engine/scrub/sample.ts'
import { stillClock, testBytes } from './blocks.ts'
import { IndexNode } from './index-world.ts'
import { firstIdentity } from './model-values.ts'
import { SeededRandom } from './seeded-random.ts'

export const peer: PeerId = firstIdentity.peerId
const blocksOfEntry = 3
export const allBlocks: readonly { readonly id: BlockId; readonly bytes: Uint8Array }[] = Array.from({ length: 2000 }, (_, at) => {
  const bytes = testBytes(at, 40)
  return { id: blockIdOf(bytes), bytes }
})

/** Pauses are over at once; what is limited in time never is. */
const hasty: Clock = {
  ...stillClock,
  sleep: async (durationMs, signal) => {
    if (durationMs >= 60_000) await abortable<void>(() => undefined, signal)
  },
}

export interface AuditStage extends Disposable {
  /** What this node has itself. */
  readonly ours: Map<string, Uint8Array>
  readonly audit: Audit
  /** By `bytesKey` of the id: what the members have. */
  readonly theirs: Map<string, Uint8Array>
  readonly ids: readonly BlockId[]
  /** Of each question that was answered. */
  readonly asked: string[][]
  readonly outcomes: (number | 'passed')[]
  readonly row: (of?: PeerId) => AuditRow | undefined
  /** How often this node's own blocks were looked at. */
  tries: number
  /** Called when they were. */
  onOwn: () => void
  /** What a member does when it is asked. */
  answer: (of: PeerId, signal: AbortSignal) => Promise<void>
  edition: number
  /** Entries that are there, and how many of them are claimed. */
  entries: number
  claimed: number
  /** Entries that others took the place of. */
  readonly replaced: Set<number>
  audited: number
  members: readonly PeerId[]
  isFilling: boolean
}

/** Members that claim `count` blocks, in entries of three. */
export function openStage(count: number, { seed = 'audit', clock = hasty }: { seed?: string; clock?: Clock } = {}): AuditStage {
  const node = new IndexNode(1)
  const blocks = allBlocks.slice(0, count)
  const ids = blocks.map(({ id }) => id)
  const ours = new Map(blocks.map(({ id, bytes }) => [bytesKey(id), bytes]))
  const entries = Math.ceil(count / blocksOfEntry)
  const idsOf = (row: number): readonly BlockId[] => ids.slice((row - 1) * blocksOfEntry, row * blocksOfEntry)
  const stage = {
    ours,
    theirs: new Map(ours),
    ids,
    asked: [] as string[][],
    outcomes: [] as (number | 'passed')[],
    row: (of: PeerId = peer) => node.index.audits.get(node.handle.row, of),
    tries: 0,
    onOwn: () => undefined as void,
    answer: async (_of: PeerId, _signal: AbortSignal): Promise<void> => await Promise.resolve(),
    edition: 1,
    entries,
    claimed: entries,
    replaced: new Set<number>(),
    audited: 0,
    members: [peer] as readonly PeerId[],
    isFilling: false,
    [Symbol.dispose]: () => node[Symbol.dispose](),
  }
  const claimsOf = (): Claims => ({
    word: utf8(`edition ${stage.edition}`),
    edition: stage.edition,
    counts: (after, limit) =>
      Array.from({ length: Math.max(0, Math.min(limit, stage.entries - after)) }, (_, at) => {
        const rowSeq = after + at + 1
        return { rowSeq, blocks: rowSeq <= stage.claimed ? idsOf(rowSeq).length : 0, isAudited: rowSeq <= stage.audited }
      }),
    blocks: (row) => (row <= stage.claimed && !stage.replaced.has(row) ? idsOf(row) : []),
    isCurrent: (row) => !stage.replaced.has(row),
  })
  const audit = new Audit({
    audits: node.index.audits,
    folderRow: node.handle.row,
    clock,
    random: new SeededRandom(seed),
    log: silentLog,
    claimants: () => stage.members.map((member) => ({ peer: member, goodMs: 1_000_000, edition: stage.edition })),
    claimsOf,
    isFilling: () => stage.isFilling,
    lastRow: () => stage.entries,
    prove: async (of, asked, nonce, signal) => {
      await stage.answer(of, signal)
      stage.asked.push(asked.map(bytesKey))
      return asked.map((id) => {
        const bytes = stage.theirs.get(bytesKey(id))
        return bytes === undefined ? undefined : blockProof(of, nonce, bytes)
      })
    },
    expected: async (of, wanted, nonce) => {
      stage.tries++
      const found = wanted.map((id) => {
        const bytes = ours.get(bytesKey(id))
        return bytes === undefined ? undefined : blockProof(of, nonce, bytes)
      })
      stage.onOwn()
      return await Promise.resolve(found)
    },
    events: { failed: (_, missing) => stage.outcomes.push(missing), passed: () => stage.outcomes.push('passed') },
  })
  return Object.assign(stage, { audit })
}

export function keyAt(stage: AuditStage, at: number): string {
  return bytesKey(present(stage.ids[at], 'an id'))
}
