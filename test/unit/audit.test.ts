// Audits: who holds what it says passes, who lost a part or lies is found, who does not answer is asked the same again.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { present } from '../../engine/base/assert.ts'
import { bytesKey } from '../../engine/base/bytes.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { silentLog } from '../../engine/base/log.ts'
import { blake3Keyed } from '../../engine/crypto/hash.ts'
import { blockIdOf } from '../../engine/crypto/seal.ts'
import type { EntryRow } from '../../engine/index/entry-table.ts'
import { parseEntryId, type BlockId, type PeerId } from '../../engine/model/ids.ts'
import { Audit, sampleBlocks } from '../../engine/scrub/audit.ts'
import { never, stillClock, testBytes } from '../support/blocks.ts'
import { IndexNode } from '../support/index-world.ts'
import { firstIdentity } from '../support/model-values.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const peer: PeerId = firstIdentity.peerId

const allBlocks = Array.from({ length: 2000 }, (_, at) => {
  const bytes = testBytes(at, 40)
  return { id: blockIdOf(bytes), bytes }
})

interface Stage extends Disposable {
  /** What this node has itself. */
  readonly ours: Map<string, Uint8Array>
  readonly audit: Audit
  /** By `bytesKey` of the id: what the member has. */
  readonly theirs: Map<string, Uint8Array>
  readonly ids: readonly BlockId[]
  readonly asked: string[][]
  readonly outcomes: (number | 'passed')[]
  /** How often this node's own blocks were looked at. */
  tries: number
  answers: boolean
  edition: number
  claims: boolean
}

/** A member that claims `count` blocks, in entries of three. */
function openStage(count: number, seed = 'audit'): Stage {
  const node = new IndexNode(1)
  const blocks = allBlocks.slice(0, count)
  const ids = blocks.map(({ id }) => id)
  const ours = new Map(blocks.map(({ id, bytes }) => [bytesKey(id), bytes]))
  const entries = Array.from({ length: Math.ceil(count / 3) }, (_, at): EntryRow => {
    const refs = ids.slice(at * 3, at * 3 + 3).map((id) => ({ id, storedBytes: 40 }))
    const entryId = present(parseEntryId(new Uint8Array(33).fill(1)), 'an id')
    const entry = { entryId, vector: [], deleted: false, blocks: refs, epoch: 1, sealed: new Uint8Array(0) }
    return { rowSeq: at + 1, author: 1, seq: at + 1, bytes: new Uint8Array(0), entry }
  })
  const stage = {
    ours,
    theirs: new Map(ours),
    ids,
    asked: [] as string[][],
    outcomes: [] as (number | 'passed')[],
    tries: 0,
    answers: true,
    edition: 1,
    claims: true,
    [Symbol.dispose]: () => node[Symbol.dispose](),
  }
  const audit = new Audit({
    audits: node.index.audits,
    folderRow: node.handle.row,
    clock: stillClock,
    random: new SeededRandom(seed),
    log: silentLog,
    claimants: () => [{ peer, goodMs: 1000, edition: stage.edition }],
    counts: (_, after, limit) =>
      entries.slice(after, after + limit).map(({ rowSeq, entry }) => ({ rowSeq, blocks: stage.claims ? entry.blocks.length : 0 })),
    claimed: (_, rowSeq) => (stage.claims ? (entries[rowSeq - 1]?.entry.blocks.map(({ id }) => id) ?? []) : []),
    prove: async (_, asked, nonce) => {
      if (!stage.answers) throw new EngineError('CLOSED', 'gone')
      stage.asked.push(asked.map(bytesKey))
      return await Promise.resolve(
        asked.map((id) => {
          const bytes = stage.theirs.get(bytesKey(id))
          return bytes === undefined ? undefined : blake3Keyed(nonce, bytes)
        }),
      )
    },
    own: async (wanted) => {
      stage.tries++
      return await Promise.resolve(wanted.map((id) => ours.get(bytesKey(id))))
    },
    events: { failed: (_, missing) => stage.outcomes.push(missing), passed: () => stage.outcomes.push('passed') },
  })
  return Object.assign(stage, { audit })
}

describe('an audit', () => {
  it('passes a member that has everything, and asks no more than a sample', async () => {
    using stage = openStage(1000)
    await stage.audit.audit(peer, never)
    assert.deepEqual(stage.outcomes, ['passed'])
    assert.equal(new Set(stage.asked.flat()).size, sampleBlocks)
  })

  it('asks for every block where there are few', async () => {
    using stage = openStage(20)
    await stage.audit.audit(peer, never)
    assert.deepEqual(new Set(stage.asked.flat()), new Set(stage.ids.map(bytesKey)))
  })

  it('fails a member that has other bytes, and one that has none', async () => {
    using stage = openStage(20)
    stage.theirs.set(bytesKey(present(stage.ids[3], 'an id')), testBytes(99, 40))
    stage.theirs.delete(bytesKey(present(stage.ids[7], 'an id')))
    await stage.audit.audit(peer, never)
    assert.deepEqual(stage.outcomes, [2])
  })

  it('asks twice, and forgives what was there the second time or is no longer claimed', async () => {
    using stage = openStage(20)
    const id = bytesKey(present(stage.ids[3], 'an id'))
    const bytes = present(stage.theirs.get(id), 'a block')
    stage.theirs.delete(id)
    const auditing = stage.audit.audit(peer, never)
    while (!stage.asked.flat().includes(id)) await Promise.resolve()
    stage.theirs.set(id, bytes)
    await auditing
    assert.deepEqual(stage.outcomes, ['passed'])
  })

  it('asks the same again of a member that did not answer', async () => {
    using stage = openStage(2000)
    stage.answers = false
    await assert.rejects(stage.audit.audit(peer, never), { code: 'CLOSED' })
    await assert.rejects(stage.audit.audit(peer, never), { code: 'CLOSED' })
    assert.deepEqual(stage.outcomes, [])
    stage.answers = true
    await stage.audit.audit(peer, never)
    const first = new Set(stage.asked.flat())
    stage.asked.length = 0
    await stage.audit.audit(peer, never)
    const second = new Set(stage.asked.flat())
    assert.equal(first.size, sampleBlocks)
    assert.ok(
      [...first].some((id) => !second.has(id)),
      'a new audit is a new sample',
    )
  })

  it('leaves a member alone for a while that did not answer, or of whose blocks none is here', async () => {
    for (const [answers, isHere] of [
      [false, true],
      [true, false],
    ] as const) {
      using stage = openStage(20)
      stage.answers = answers
      if (!isHere) stage.ours.clear()
      const ending = new AbortController()
      const running = stage.audit.run(ending.signal)
      for (let wakes = 0; wakes < 50; wakes++) {
        stage.audit.wake()
        for (let turns = 0; turns < 20; turns++) await Promise.resolve()
      }
      ending.abort()
      await assert.rejects(running, { code: 'ABORTED' })
      assert.ok(stage.tries <= 2, `${stage.tries} tries`)
    }
  })

  it('looks at a member again that claimed nothing as soon as it claims something', async () => {
    using stage = openStage(20)
    stage.claims = false
    const ending = new AbortController()
    const running = stage.audit.run(ending.signal)
    const turn = async (): Promise<void> => {
      stage.audit.wake()
      for (let turns = 0; turns < 40; turns++) await Promise.resolve()
    }
    await turn()
    stage.claims = true
    await turn()
    assert.deepEqual(stage.outcomes, [])
    stage.edition++
    await turn()
    assert.deepEqual(stage.outcomes, ['passed'])
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
    assert.deepEqual(stage.outcomes, ['passed'])
  })

  it('looks at a member again when a placement came that its receipt names', async () => {
    using stage = openStage(20)
    stage.claims = false
    const ending = new AbortController()
    const running = stage.audit.run(ending.signal)
    const turn = async (): Promise<void> => {
      for (let turns = 0; turns < 40; turns++) await Promise.resolve()
    }
    await turn()
    stage.claims = true
    stage.audit.claimsChanged()
    await turn()
    ending.abort()
    await assert.rejects(running, { code: 'ABORTED' })
    assert.deepEqual(stage.outcomes, ['passed'])
  })

  it('scenario T28: finds a member that lost one block in a hundred 99 times in a hundred', async () => {
    const rounds = 100
    let found = 0
    for (let round = 0; round < rounds; round++) {
      using stage = openStage(1500, `round ${round}`)
      const random = new SeededRandom(`lost ${round}`)
      const lost = new Set<number>()
      while (lost.size < 15) lost.add(random.bytes(2).reduce((number, byte) => number * 256 + byte, 0) % stage.ids.length)
      for (const at of lost) stage.theirs.delete(bytesKey(present(stage.ids[at], 'an id')))
      await stage.audit.audit(peer, never)
      if (stage.outcomes[0] !== 'passed') found++
    }
    assert.ok(found >= 0.98 * rounds, `found ${found} of ${rounds}`)
  })
})
