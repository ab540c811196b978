// Frames of the three protocols, damaged: a receiver throws what it promises, and lives. Damaged batches store nothing but what authors
// signed. FUZZ_SEED picks the seed, FUZZ_RUNS how many.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { create, toBinary } from '@bufbuild/protobuf'

import { EngineError } from '../../engine/base/errors.ts'
import { changeSetMessage } from '../../engine/model/change-set.ts'
import { encodeEntry } from '../../engine/model/entry.ts'
import { BlocksFrameSchema, IndexFrameSchema, JoinAnswerSchema, JoinRequestSchema } from '../../engine/model/wire/exchange_pb.ts'
import type { Channel } from '../../engine/net/network.ts'
import { receiveJoinAnswer, receiveJoinRequest } from '../../engine/share/join-frames.ts'
import { announceTo, FolderNews } from '../../engine/sync/announce.ts'
import { receiveIndexFrame } from '../../engine/sync/exchange-frames.ts'
import { receiveBatch } from '../../engine/sync/receive.ts'
import { receiveBlocksFrame } from '../../engine/transfer/blocks-frames.ts'
import { never, stillClock } from '../support/blocks.ts'
import { channelPair, IndexNode } from '../support/index-world.ts'
import { changeSet, fileEntry, firstIdentity, secondIdentity } from '../support/model-values.ts'
import { mutate, mutateMuch } from '../support/mutations.ts'
import { SeededRandom } from '../support/seeded-random.ts'

const seed = process.env['FUZZ_SEED'] ?? '1'
const runs = Number(process.env['FUZZ_RUNS'] ?? 1500)

const batch = {
  sets: [changeSetMessage(changeSet)],
  entries: [{ set: 0, position: 1, entry: encodeEntry(fileEntry) }],
  cursor: 7n,
  caughtUp: true,
  heads: [{ author: new Uint8Array(16).fill(1), seq: 4n }],
}
const hello = { version: 1, nonce: new Uint8Array(16), proof: new Uint8Array(32), logHeads: [new Uint8Array(32)] }

interface Receiver {
  readonly name: string
  readonly samples: readonly Uint8Array[]
  readonly receive: (channel: Channel, signal: AbortSignal) => Promise<unknown>
}

const receivers: readonly Receiver[] = [
  {
    name: 'the index protocol',
    samples: [
      toBinary(IndexFrameSchema, create(IndexFrameSchema, { kind: { case: 'batch', value: batch } })),
      toBinary(IndexFrameSchema, create(IndexFrameSchema, { kind: { case: 'hello', value: hello } })),
      toBinary(
        IndexFrameSchema,
        create(IndexFrameSchema, { kind: { case: 'subscribe', value: { indexId: new Uint8Array(16), cursor: 5n, heads: batch.heads } } }),
      ),
    ],
    receive: receiveIndexFrame,
  },
  {
    name: 'the blocks protocol',
    samples: [
      toBinary(
        BlocksFrameSchema,
        create(BlocksFrameSchema, { kind: { case: 'part', value: { request: 1, lengths: [3, 0, 4], payload: new Uint8Array(7) } } }),
      ),
      toBinary(BlocksFrameSchema, create(BlocksFrameSchema, { kind: { case: 'getMany', value: { request: 1, ids: new Uint8Array(66) } } })),
    ],
    receive: receiveBlocksFrame,
  },
  {
    name: 'a request to join',
    samples: [
      toBinary(
        JoinRequestSchema,
        create(JoinRequestSchema, { version: 1, linkId: new Uint8Array(8), proof: new Uint8Array(32), nodeName: 'desk' }),
      ),
    ],
    receive: receiveJoinRequest,
  },
  {
    name: 'an answer to a joiner',
    samples: [toBinary(JoinAnswerSchema, create(JoinAnswerSchema, { kind: { case: 'refused', value: { code: 'BAD_LINK' } } }))],
    receive: receiveJoinAnswer,
  },
]

describe('a damaged frame', () => {
  for (const { name, samples, receive } of receivers) {
    it(`of ${name} is read or refused as the peer's doing`, async () => {
      const random = new SeededRandom(`${seed} ${name}`)
      for (let run = 0; run < runs; run++) {
        const { left, right } = channelPair(firstIdentity.peerId, secondIdentity.peerId, 'test')
        await left.send([mutateMuch(random.pick(samples) ?? new Uint8Array(0), random)], never)
        try {
          await receive(right, never)
        } catch (error) {
          assert.ok(error instanceof EngineError && error.code === 'PEER_MISBEHAVED', String(error))
        }
      }
    })
  }

  it('with a batch stores what its author signed, or nothing', async () => {
    using author = new IndexNode(0)
    for (const [path, text] of [
      ['a', 'one'],
      ['b', 'two'],
      ['c', undefined],
    ] as const)
      author.write(path, text)
    const frame = await sentBy(author)
    const signed = new Set(author.print().split('\n'))
    const random = new SeededRandom(`${seed} batches`)
    for (let run = 0; run < Math.min(runs, 300); run++) {
      using receiver = new IndexNode(1)
      const { left, right } = channelPair(author.peer, receiver.peer, 'test')
      await left.send([mutate(frame, random)], never)
      try {
        const kind = await receiveIndexFrame(right, never)
        if (kind?.case === 'batch') await receiveBatch(receiver.parts, author.peer, author.index.indexId, kind.value, never)
      } catch (error) {
        assert.ok(error instanceof EngineError && ['PEER_MISBEHAVED', 'BAD_SIGNATURE'].includes(error.code), String(error))
        assert.equal(receiver.print(), '', 'a refused batch leaves nothing')
      }
      for (const entry of receiver.print().split('\n')) assert.ok(entry === '' || signed.has(entry))
    }
  })
})

async function sentBy(author: IndexNode): Promise<Uint8Array> {
  const ending = new AbortController()
  const { left, right } = channelPair(author.peer, author.peer, 'test')
  const subscribe = {
    $typeName: 'holdfast.v1.Subscribe' as const,
    indexId: new Uint8Array(16),
    cursor: 0n,
    heads: [],
    layoutMark: new Uint8Array(0),
  }
  const announcement = {
    index: author.index,
    folderRow: author.handle.row,
    self: author.handle.authorId,
    clock: stillClock,
    news: new FolderNews(),
    others: () => [],
  }
  const announcing = announceTo(left, announcement, subscribe, ending.signal).catch((error: unknown) => error)
  const frame = await right.receive(never)
  ending.abort()
  await announcing
  assert.ok(frame !== undefined)
  return frame
}
