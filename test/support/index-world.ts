// Nodes reduced to an index in memory and a folder that they share: for tests of what is written to rows and sent between them.

import { present } from '../../engine/base/assert.ts'
import { EngineError } from '../../engine/base/errors.ts'
import { silentLog } from '../../engine/base/log.ts'
import { utf8 } from '../../engine/base/bytes.ts'
import { abortable } from '../../engine/base/queue.ts'
import { createIdentity } from '../../engine/crypto/identity.ts'
import { sealBlock, sealMeta } from '../../engine/crypto/seal.ts'
import { openIndex, type Index } from '../../engine/index/index-store.ts'
import { BlockList } from '../../engine/model/block-list.ts'
import type { Entry } from '../../engine/model/entry.ts'
import type { FolderId, PeerId } from '../../engine/model/ids.ts'
import { encodeMeta, type Meta } from '../../engine/model/meta.ts'
import { parseRelativePath, type RelativePath } from '../../engine/model/path.ts'
import { joinVectors, type VersionVector } from '../../engine/model/vector.ts'
import type { Channel } from '../../engine/net/network.ts'
import { blockRefsOf, writeEntries, type EntryDraft } from '../../engine/sync/author.ts'
import { checkEntries } from '../../engine/sync/check-entries-job.ts'
import { entryIdOfPath, openFolderHandle, type FolderHandle } from '../../engine/sync/folder-handle.ts'
import { itemOf } from '../../engine/sync/ingest-commit.ts'
import { packedKeys } from '../../engine/sync/ingest-job.ts'
import { FolderProblems } from '../../engine/sync/problems.ts'
import type { ReceiveParts } from '../../engine/sync/receive.ts'
import { testFolder } from './blocks.ts'
import { SeededRandom } from './seeded-random.ts'

export function pathOf(text: string): RelativePath {
  return present(parseRelativePath(text), 'a test path')
}

/** A node with one folder; the nodes of one folder have the same secrets. */
export class IndexNode implements Disposable {
  readonly index: Index
  readonly handle: FolderHandle
  readonly parts: ReceiveParts
  readonly problems: FolderProblems = new FolderProblems(() => undefined)
  readonly ownPasts: number[] = []
  #timeUs = 1

  constructor(number: number, folder: FolderId = testFolder(7), databasePath = ':memory:') {
    const identity = createIdentity(new Uint8Array(32).fill(number + 1))
    this.index = openIndex(databasePath, new SeededRandom(`index ${number}`))
    const known = this.index.folders.all().find((record) => record.name === 'notes')
    const secret = new Uint8Array(32).fill(9)
    const record =
      known ??
      this.index.transact(() =>
        this.index.folders.insert({
          id: folder,
          name: 'notes',
          path: '/notes',
          secrets: { accessSecret: secret, folderSecret: secret, epochs: [{ epoch: 1, secret }] },
          incarnation: new Uint8Array(8).fill(number + 1),
          createdMs: 0,
          targetCopies: 2,
        }),
      )
    this.handle = openFolderHandle(record, identity)
    this.parts = {
      index: this.index,
      handle: this.handle,
      jobs: { width: 1, run: async (_name, input) => await Promise.resolve(checkEntries(input).output) },
      membership: { mayWrite: () => true },
      log: silentLog,
      problems: this.problems,
      ownPastFound: (seq) => this.ownPasts.push(seq),
    }
  }

  get peer(): PeerId {
    return this.handle.identity.peerId
  }

  /** Writes a version of a path on top of all that is known of it; undefined deletes. */
  write(path: string, text: string | undefined): Entry {
    const entryId = entryIdOfPath(this.handle, pathOf(path))
    const base = this.index.entries
      .siblings(this.handle.row, entryId)
      .map((row) => row.entry.vector)
      .reduce(joinVectors, [])
    return this.writeOn(path, text, base)
  }

  writeOn(path: string, text: string | undefined, base: VersionVector): Entry {
    this.writeAll([{ path, text, base }])
    const entryId = entryIdOfPath(this.handle, pathOf(path))
    return present(this.index.entries.siblings(this.handle.row, entryId).at(-1), 'just written').entry
  }

  /** Several versions under one signature. */
  writeAll(versions: readonly { readonly path: string; readonly text: string | undefined; readonly base: VersionVector }[]): void {
    const drafts = versions.map(({ path, text, base }) => this.draft(path, text, base))
    this.index.transact(() => writeEntries(this.index, this.handle, drafts, 1_700_000_000_000))
    this.flush()
  }

  /** A file of the folder as ingest records it; its name is its content. */
  putFile(path: string): void {
    const { entryId, vector } = this.write(path, path)
    const blocks = this.blocksOf(path)
    const sizeBytes = blocks.totalBytes()
    const stat = { kind: 'file' as const, sizeBytes, mtimeUs: 1, ctimeUs: 1, mode: 0o644, inode: 1, device: 1, links: 1 }
    const found = { kind: 'file' as const, stat, chunkClass: 1, blocks, linkTarget: undefined, sealed: new Uint8Array(0) }
    const item = itemOf(pathOf(path), found, vector, undefined, { editor: this.handle.authorId, timeUs: 1 }, 1)
    this.index.transact(() => this.index.items.put(this.handle.row, entryId, item, undefined))
  }

  /** As the flusher does a little after every commit: only what is flushed is told to others. */
  flush(): void {
    this.index.entries.noteFlushed(this.index.entries.lastRowSeq)
  }

  draft(path: string, text: string | undefined, base: VersionVector): EntryDraft {
    const entryId = entryIdOfPath(this.handle, pathOf(path))
    const blocks = text === undefined || text === '' ? BlockList.empty : this.blocksOf(text)
    const meta: Meta = {
      path: pathOf(path),
      kind: 'file',
      sizeBytes: blocks.totalBytes(),
      mtimeUs: text === undefined ? 0 : this.#timeUs++,
      mode: text === undefined ? 0 : 0o644,
      chunkClass: text === undefined ? 0 : 1,
      blockKeys: packedKeys(blocks),
      blockLengths: Array.from({ length: blocks.count }, (_, at) => blocks.lengthBytes(at)),
      linkTarget: undefined,
      contentVector: undefined,
      editor: this.handle.authorId,
    }
    const sealed = sealMeta(this.handle.jobKeys.metaKey, entryId, encodeMeta(meta))
    return { entryId, base, kind: 'change', deleted: text === undefined, blocks: blockRefsOf(blocks), sealed }
  }

  blocksOf(text: string): BlockList {
    const plaintext = utf8(text)
    const { id, key } = sealBlock(this.handle.jobKeys.sealKey, plaintext)
    return BlockList.pack([{ id, key, lengthBytes: plaintext.length }])
  }

  /** Every current entry as text, sorted: what two nodes that agree print alike. */
  print(): string {
    this.flush()
    const rows = this.index.entries.after(this.handle.row, 0, 100_000)
    return rows
      .map(({ bytes }) => Buffer.from(bytes).toString('hex'))
      .toSorted()
      .join('\n')
  }

  [Symbol.dispose](): void {
    this.index[Symbol.dispose]()
  }
}

/** Two ends of a channel in memory. Frames are copied, as a network would. `cut` breaks it for both. */
export function channelPair(
  left: PeerId,
  right: PeerId,
  protocol: string,
): { readonly left: Channel; readonly right: Channel; cut(): void } {
  const [toRight, toLeft] = [new Pipe(), new Pipe()]
  const cut = (): void => {
    toRight.break()
    toLeft.break()
  }
  const end = (peer: PeerId, incoming: Pipe, outgoing: Pipe): Channel => ({
    peer,
    protocol,
    send: async (parts, signal) => {
      const frame = new Uint8Array(Buffer.concat(parts))
      await outgoing.push(frame, signal)
    },
    receive: async (signal) => await incoming.pull(signal),
    limitFrames: (bytesMax) => incoming.limit(bytesMax),
    close: async () => {
      outgoing.end()
      await Promise.resolve()
    },
    abort: cut,
  })
  return { left: end(right, toLeft, toRight), right: end(left, toRight, toLeft), cut }
}

class Pipe {
  #frames: Uint8Array[] = []
  #state: 'open' | 'ended' | 'broken' = 'open'
  #waiters: (() => void)[] = []
  #frameBytesMax = Number.POSITIVE_INFINITY

  limit(bytesMax: number): void {
    this.#frameBytesMax = bytesMax
  }

  async push(frame: Uint8Array, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw new EngineError('ABORTED', 'aborted')
    if (this.#state !== 'open') throw new EngineError('CLOSED', 'the channel is closed')
    this.#frames.push(frame)
    this.#wake()
    await Promise.resolve()
  }

  async pull(signal: AbortSignal): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#state === 'broken') throw new EngineError('CLOSED', 'the channel broke')
      const frame = this.#frames.shift()
      if (frame !== undefined && frame.length > this.#frameBytesMax)
        throw new EngineError('FRAME_TOO_LARGE', `a frame of ${frame.length} bytes`)
      if (frame !== undefined) return frame
      if (this.#state === 'ended') return undefined
      await abortable<void>((resolve) => this.#waiters.push(() => resolve()), signal)
    }
  }

  end(): void {
    this.#state = 'ended'
    this.#wake()
  }

  break(): void {
    this.#state = 'broken'
    this.#frames = []
    this.#wake()
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter()
  }
}
