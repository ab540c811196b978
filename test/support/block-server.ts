// Members that serve blocks, and a network between them and who fetches.

import assert from 'node:assert/strict'

import { present } from '../../engine/base/assert.ts'
import { utf8 } from '../../engine/base/bytes.ts'
import { MemoryBlockStore } from '../../engine/blocks/memory-store.ts'
import { blockIdOf } from '../../engine/crypto/seal.ts'
import type { BlockRef } from '../../engine/model/entry.ts'
import type { PeerId } from '../../engine/model/ids.ts'
import type { Channel, Network } from '../../engine/net/network.ts'
import { blocksProtocol, receiveBlocksFrame, sendBlocksFrame } from '../../engine/transfer/blocks-frames.ts'
import { proveMembership } from '../../engine/transfer/membership-proof.ts'
import { sealRanges, type SealRangesInput, type SealRangesOutput } from '../../engine/transfer/seal-ranges-job.ts'
import type { HeldParts } from '../../engine/transfer/held-blocks.ts'
import { serveBlocks } from '../../engine/transfer/serve.ts'
import { entryIdOfPath } from '../../engine/sync/folder-handle.ts'
import { never, stillClock } from './blocks.ts'
import { CrashFiles } from './crash-files.ts'
import { channelPair, IndexNode, pathOf } from './index-world.ts'
import { secondIdentity } from './model-values.ts'

export const accessKey: Uint8Array = new Uint8Array(32).fill(3)

export interface Server extends Disposable {
  readonly node: IndexNode
  readonly parts: HeldParts
  readonly stale: string[]
  /** Paths that were brought to the device. */
  readonly flushed: string[]
  /** Paths that cannot be. */
  readonly unflushable: Set<string>
  /** Content by path: what the disk holds, whatever the index says. */
  readonly disk: Map<string, string>
  addFile(path: string, text: string): BlockRef
  addStored(bytes: Uint8Array): Promise<BlockRef>
}

export function openServer(): Server {
  const node = new IndexNode(0)
  const store = new MemoryBlockStore()
  const disk = new Map<string, string>()
  const stale: string[] = []
  const { sealKey } = node.handle.jobKeys
  const run = async (_name: string, input: SealRangesInput): Promise<SealRangesOutput> => {
    const files = new CrashFiles()
    for (const [path, text] of disk) {
      if (!input.ranges.some((range) => range.path === path)) continue
      const file = files.open(`${input.root}/${path}`, 'create')
      file.write(utf8(text), 0)
      file.close()
    }
    return await Promise.resolve(sealRanges(input, { files }).output)
  }
  const unflushable = new Set<string>()
  const flushed: string[] = []
  const files = {
    flush: async (paths: readonly string[]) => {
      flushed.push(...paths)
      return await Promise.resolve(unflushable.intersection(new Set(paths)))
    },
    isUnflushed: () => false,
  }
  const parts: HeldParts = {
    index: node.index,
    store,
    folder: node.handle.record,
    tree: { jobs: { width: 1, run }, root: node.handle.root, sealKey, onStale: (path) => stale.push(path), files },
  }
  return {
    node,
    parts,
    stale,
    flushed,
    unflushable,
    disk,
    addFile: (path, text) => {
      disk.set(path, text)
      const blocks = node.blocksOf(text)
      const stat = {
        kind: 'file' as const,
        sizeBytes: text.length,
        mtimeUs: 1,
        ctimeUs: 1,
        inode: 1,
        mode: 0o644,
        chunkClass: 1,
        isLeftover: false,
        sinceMs: 0,
      }
      const item = {
        ...stat,
        path: pathOf(path),
        vector: [{ author: node.handle.authorId, seq: 1 }],
        blocks,
        linkTarget: undefined,
        contentVector: undefined,
      }
      node.index.transact(() => node.index.items.put(node.handle.row, entryIdOfPath(node.handle, pathOf(path)), item, undefined))
      return { id: blocks.id(0), storedBytes: text.length + 16 }
    },
    addStored: async (bytes) => {
      const id = blockIdOf(bytes)
      await store.put([{ folder: node.handle.record.id, id, bytes }])
      return { id, storedBytes: bytes.length }
    },
    [Symbol.dispose]: () => node[Symbol.dispose](),
  }
}

/** A network whose peers are functions that are handed the other end of a channel. */
export function networkOf(peers: ReadonlyMap<PeerId, (channel: Channel) => Promise<void>>): {
  readonly network: Network
  readonly opened: PeerId[]
} {
  const opened: PeerId[] = []
  const refuse = (): never => {
    throw new Error('fetching only opens channels')
  }
  const self = secondIdentity.peerId
  const network: Network = {
    self,
    addresses: refuse,
    connectedPeers: refuse,
    peerAddresses: () => ['/ip4/127.0.0.1/tcp/1'],
    connect: refuse,
    disconnect: refuse,
    serve: refuse,
    onEvent: refuse,
    traffic: refuse,
    open: async (peer) => {
      opened.push(peer)
      const { left, right } = channelPair(self, peer, blocksProtocol.name)
      const answer = present(peers.get(peer), 'a known peer')
      void answer(right).catch(() => right.abort())
      return await Promise.resolve(left)
    },
    [Symbol.asyncDispose]: async () => await Promise.resolve(),
  }
  return { network, opened }
}

/** What router.ts does before it serves. */
export async function welcome(channel: Channel, self: PeerId, key: Uint8Array = accessKey): Promise<void> {
  const hello = await receiveBlocksFrame(channel, never)
  assert.ok(hello?.case === 'hello')
  const proof = proveMembership(key, { protocol: blocksProtocol.name, prover: self, verifier: channel.peer, nonce: hello.value.nonce })
  await sendBlocksFrame(channel, { case: 'welcome', value: { proof } }, never)
}

export function honest(server: Server, self: PeerId): (channel: Channel) => Promise<void> {
  return async (channel) => {
    await welcome(channel, self)
    await serveBlocks(channel, server.parts, { self, clock: stillClock }, never)
  }
}
