// Letting go: only what enough others prove to keep is handed on, and who lets go grants nothing meanwhile.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytesKey, equalBytes } from '../../engine/base/bytes.ts'
import type { Clock } from '../../engine/base/clock.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { silentLog } from '../../engine/base/log.ts'
import { abortable } from '../../engine/base/queue.ts'
import { createIdentity } from '../../engine/crypto/identity.ts'
import { blockProof } from '../../engine/crypto/block-proof.ts'
import { blockIdOf } from '../../engine/crypto/seal.ts'
import type { BlockId, PeerId } from '../../engine/model/ids.ts'
import { LetGo } from '../../engine/replicas/let-go.ts'
import { never, testBytes, testRandom } from '../support/blocks.ts'

const peerOf = (seed: number): PeerId => createIdentity(new Uint8Array(32).fill(seed)).peerId
const patient: Clock = { nowMs: () => 0, monotonicMs: () => 0, sleep: (_, signal) => abortable<void>(() => undefined, signal) }

/** Some nodes that can ask each other, each with blocks. */
class Circle {
  readonly nodes: Node[] = []
  needed = 2

  add(seed: number, blocks: readonly Uint8Array[]): Node {
    const node = new Node(this, peerOf(seed), blocks)
    this.nodes.push(node)
    return node
  }
}

class Node {
  readonly peer: PeerId
  readonly letGo: LetGo
  readonly blocks = new Map<string, Uint8Array>()
  readonly wanted: string[] = []
  /** What it does instead of answering. */
  answer: ((ids: readonly BlockId[]) => Promise<readonly (Uint8Array | undefined)[]>) | undefined
  strangers: readonly PeerId[] = []

  constructor(circle: Circle, peer: PeerId, blocks: readonly Uint8Array[]) {
    this.peer = peer
    for (const bytes of blocks) this.blocks.set(bytesKey(blockIdOf(bytes)), bytes)
    this.letGo = new LetGo({
      clock: patient,
      random: testRandom,
      log: silentLog,
      keepers: () => circle.nodes.filter((other) => other !== this).map((other) => other.peer),
      needed: () => circle.needed,
      own: async (ids) => await Promise.resolve(ids.map((id) => this.blocks.get(bytesKey(id)))),
      lease: async (to, ids, nonce) => {
        const other = circle.nodes.find((node) => node.peer === to)
        if (other?.answer !== undefined) return await other.answer(ids)
        await Promise.resolve()
        return other?.prove(this.peer, ids, nonce) ?? []
      },
      mayAsk: (from) => !this.strangers.includes(from),
      keeps: (ids) => ids,
      wanted: (ids) => this.wanted.push(...ids.map(bytesKey)),
    })
  }

  prove(from: PeerId, ids: readonly BlockId[], nonce: Uint8Array): readonly (Uint8Array | undefined)[] {
    const granted = this.letGo.grant(
      from,
      ids.filter((id) => this.blocks.has(bytesKey(id))),
    )
    return ids.map((id) => {
      const bytes = this.blocks.get(bytesKey(id))
      return bytes === undefined || !granted.some((kept) => equalBytes(kept, id)) ? undefined : blockProof(this.peer, nonce, bytes)
    })
  }

  async drop(ids: readonly BlockId[]): Promise<readonly BlockId[]> {
    return await this.letGo.letGo(
      ids,
      async (gone) => {
        for (const id of gone) this.blocks.delete(bytesKey(id))
        await Promise.resolve()
      },
      never,
    )
  }
}

const blocks = [1, 2, 3].map((seed) => testBytes(seed, 50 * seed))
const ids = blocks.map(blockIdOf)

describe('blocks go', () => {
  it('when enough others keep them, and those that too few keep stay', async () => {
    const circle = new Circle()
    const node = circle.add(1, blocks)
    circle.add(2, blocks)
    circle.add(3, blocks.slice(0, 2))
    assert.deepEqual(await node.drop(ids), ids.slice(0, 2))
    assert.deepEqual([...node.blocks.keys()], [bytesKey(blockIdOf(testBytes(3, 150)))])
    assert.ok(circle.nodes[2]?.wanted.includes(bytesKey(blockIdOf(testBytes(1, 50)))), 'who keeps one knows that it is wanted')
  })

  it('not by the word of who has other bytes, or none, or is gone', async () => {
    const circle = new Circle()
    const node = circle.add(1, blocks)
    circle.add(2, blocks)
    const liar = circle.add(3, [])
    for (const answer of [
      async (asked: readonly BlockId[]) => await Promise.resolve(asked.map(() => new Uint8Array(32))),
      async () => await Promise.resolve([]),
      async () => await Promise.reject(new EngineError('PEER_UNREACHABLE', 'it is gone')),
    ]) {
      liar.answer = answer
      assert.deepEqual(await node.drop(ids), [])
    }
  })

  it('on one node at a time: who asks grants nothing, so that two never rely on each other', async () => {
    const circle = new Circle()
    circle.needed = 1
    const [left, right] = [circle.add(1, blocks), circle.add(2, blocks)]
    const gone = await Promise.all([left.drop(ids), right.drop(ids)])
    assert.deepEqual(gone, [[], []], 'both ask, so neither grants')
    assert.deepEqual(await left.drop(ids), ids, 'one alone is granted what it asks for')
    assert.deepEqual(await right.drop(ids), [])
  })

  it('grants nothing of what is on its way out until it is gone', async () => {
    const circle = new Circle()
    circle.needed = 1
    const [left, right] = [circle.add(1, blocks), circle.add(2, blocks)]
    const removed = Promise.withResolvers<void>()
    const going = Promise.withResolvers<void>()
    const letting = left.letGo.letGo(
      ids,
      async () => {
        going.resolve()
        await removed.promise
      },
      never,
    )
    await going.promise
    assert.deepEqual(await right.drop(ids), [])
    removed.resolve()
    await letting
  })

  it('scenario T40: retain statement by a revoked member: rejected, so that it keeps nothing of the others from going', async () => {
    const circle = new Circle()
    circle.needed = 1
    const [left, right] = [circle.add(1, blocks), circle.add(2, blocks)]
    right.strangers = [left.peer]
    assert.deepEqual(await left.drop(ids), [])
    assert.deepEqual(right.wanted, [], 'nor does its word keep anything')
  })
})
