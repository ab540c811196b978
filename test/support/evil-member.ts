// A real member of a folder, with real keys, that says what it likes: the test makes its entries, signatures and blocks by hand.

import { createIdentity, type Identity } from '../../engine/crypto/identity.ts'
import { blake3 } from '../../engine/crypto/hash.ts'
import { deriveAccessKey, deriveEpochKeys, deriveFolderKeys, entryIdOf, type EpochKeys } from '../../engine/crypto/keys.ts'
import { sealBlock, sealMeta } from '../../engine/crypto/seal.ts'
import { concatBytes } from '../../engine/base/bytes.ts'
import { silentLog } from '../../engine/base/log.ts'
import { changeSetMessage, changeSetSigningBytes, type ChangeSet } from '../../engine/model/change-set.ts'
import { encodeEntry, type BlockRef } from '../../engine/model/entry.ts'
import type { AuthorId } from '../../engine/model/ids.ts'
import { encodeMeta, type Meta } from '../../engine/model/meta.ts'
import { parseRelativePath, type RelativePath } from '../../engine/model/path.ts'
import { openLibp2pNetwork } from '../../engine/net/libp2p-network.ts'
import type { Channel, Network } from '../../engine/net/network.ts'
import { askToJoin, type JoinedReader } from '../../engine/share/join.ts'
import { LogGraph } from '../../engine/share/log-graph.ts'
import { parseLink } from '../../engine/share/link.ts'
import { changeSetContext } from '../../engine/sync/author.ts'
import { indexProtocol, receiveIndexFrame, sendIndexFrame } from '../../engine/sync/exchange-frames.ts'
import { authorIdOf } from '../../engine/sync/folder-handle.ts'
import { blocksProtocol, receiveBlocksFrame, sendBlocksFrame, sendBlocksPart } from '../../engine/transfer/blocks-frames.ts'
import { proveMembership } from '../../engine/transfer/membership-proof.ts'
import { SeededRandom } from './seeded-random.ts'

type IndexKind = Parameters<typeof sendIndexFrame>[1]
export type EvilBatch = Extract<IndexKind, { case: 'batch' }>['value']

export interface EvilEntry {
  /** Anything: it is not checked here. */
  readonly path: string
  readonly content?: Uint8Array
  readonly kind?: 'file' | 'directory' | 'symlink'
  readonly linkTarget?: string
  /** What the entry claims, when that is not the truth. */
  readonly sizeBytes?: number
  readonly mode?: number
  /** The path its id is made from, when that is another. */
  readonly idPath?: string
}

export interface EvilWords {
  /** What a subscriber is sent, once for each subscription. */
  readonly batch: (member: EvilMember) => EvilBatch
  /** What is sent for a block; the true bytes are given. */
  readonly block?: (sealed: Uint8Array) => Uint8Array
}

const someTimeUs = 1_700_000_000_000_000

export class EvilMember implements AsyncDisposable {
  readonly identity: Identity
  readonly network: Network
  readonly #words: EvilWords
  readonly #random = new SeededRandom('evil')
  readonly #incarnation: Uint8Array
  readonly #blocks = new Map<string, Uint8Array>()
  readonly #signal = new AbortController()
  readonly #ready = Promise.withResolvers<JoinedReader>()
  #seq = 0
  /** Subscriptions that were served. */
  subscriptions = 0
  /** Blocks that were asked for. */
  asked = 0

  private constructor(identity: Identity, network: Network, words: EvilWords) {
    this.identity = identity
    this.network = network
    this.#words = words
    this.#incarnation = this.#random.bytes(8)
  }

  /** Joins as `write` member with a real link; says its words to whoever subscribes. */
  static async join(link: string, words: EvilWords): Promise<EvilMember> {
    const seed = new SeededRandom('evil identity').bytes(32)
    const listen = ['/ip4/127.0.0.1/tcp/0']
    const { signal } = new AbortController()
    const network = await openLibp2pNetwork({ identityKey: seed, listen, discovery: false, log: silentLog }, signal)
    const member = new EvilMember(createIdentity(seed), network, words)
    network.serve(indexProtocol, (channel) => void member.#serveIndex(channel).catch(() => channel.abort()))
    network.serve(blocksProtocol, (channel) => void member.#serveBlocks(channel).catch(() => channel.abort()))
    try {
      const joined = await askToJoin(network, parseLink(link), 'evil', signal)
      if (joined.role === 'host') throw new Error('an evil member wants to write')
      member.#ready.resolve(joined)
    } catch (error) {
      await network[Symbol.asyncDispose]()
      throw error
    }
    member.#joined = await member.#ready.promise
    return member
  }

  #joined: JoinedReader | undefined

  get joined(): JoinedReader {
    if (this.#joined === undefined) throw new Error('not joined yet')
    return this.#joined
  }

  get author(): AuthorId {
    return authorIdOf(this.identity.publicKey, this.#incarnation)
  }

  get #epochKeys(): EpochKeys {
    const secret = this.joined.secrets.epochs.at(-1)?.secret
    if (secret === undefined) throw new Error('a member has an epoch')
    return deriveEpochKeys(secret)
  }

  /** Encoded entries with true seals around whatever they claim, each under the next sequence number. */
  entries(claims: readonly EvilEntry[]): readonly Uint8Array[] {
    return claims.map((claim) => this.#entry(claim, ++this.#seq))
  }

  #entry(claim: EvilEntry, seq: number): Uint8Array {
    const { nameKey } = deriveFolderKeys(this.joined.secrets.folderSecret)
    const { kind = 'file', content = new Uint8Array(0) } = claim
    const refs: BlockRef[] = []
    const keys: Uint8Array[] = []
    if (content.length > 0) {
      const sealed = sealBlock(this.#epochKeys.sealKey, content)
      this.#blocks.set(sealed.id.join(), sealed.sealed)
      refs.push({ id: sealed.id, storedBytes: sealed.sealed.length })
      keys.push(sealed.key)
    }
    const entryId = entryIdOf(nameKey, claim.idPath ?? claim.path)
    const meta: Meta = {
      path: unchecked(claim.path),
      kind,
      sizeBytes: claim.sizeBytes ?? content.length,
      mtimeUs: someTimeUs,
      mode: claim.mode ?? 0o644,
      chunkClass: 1,
      blockKeys: concatBytes(keys),
      blockLengths: refs.length === 0 ? [] : [content.length],
      linkTarget: claim.linkTarget,
      contentVector: undefined,
      editor: undefined,
    }
    const sealed = sealMeta(this.#epochKeys.metaKey, entryId, encodeMeta(meta))
    const epoch = this.joined.secrets.epochs.at(-1)?.epoch ?? 0
    return encodeEntry({ entryId, vector: [{ author: this.author, seq }], deleted: false, blocks: refs, epoch, sealed })
  }

  /** A change set over these entries, truly signed. */
  changeSet(entries: readonly Uint8Array[]): ChangeSet {
    const firstSeq = this.#seq - entries.length + 1
    const hashes = concatBytes(entries.map((entry) => blake3(entry)))
    const unsigned = { nodeKey: this.identity.publicKey, incarnation: this.#incarnation, firstSeq, timeMs: someTimeUs / 1000, hashes }
    return { ...unsigned, signature: this.identity.sign(changeSetContext, changeSetSigningBytes(this.joined.folder, unsigned)) }
  }

  batch(entries: readonly Uint8Array[], set: ChangeSet): EvilBatch {
    return {
      sets: [changeSetMessage(set)],
      entries: entries.map((entry, position) => ({ set: 0, position, entry })),
      cursor: BigInt(this.#seq),
      caughtUp: true,
      heads: [{ author: this.author, seq: BigInt(this.#seq) }],
    }
  }

  /** A batch in which everything but the claims is true. */
  truthful(claims: readonly EvilEntry[]): EvilBatch {
    const entries = this.entries(claims)
    return this.batch(entries, this.changeSet(entries))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.abort()
    await this.network[Symbol.asyncDispose]()
  }

  async #serveIndex(channel: Channel): Promise<void> {
    const { signal } = this.#signal
    const hello = await receiveIndexFrame(channel, signal)
    if (hello?.case !== 'hello') return channel.abort()
    const joined = await this.#ready.promise
    const proof = this.#proof(joined, indexProtocol.name, channel, hello.value.nonce)
    const logHeads = LogGraph.of(joined.log).heads.map(({ hash }) => hash)
    await sendIndexFrame(channel, { case: 'welcome', value: { proof, logHeads, indexId: this.#random.bytes(16) } }, signal)
    for (;;) {
      const frame = await receiveIndexFrame(channel, signal)
      if (frame === undefined) return
      if (frame.case !== 'subscribe') continue
      await sendIndexFrame(channel, { case: 'batch', value: this.#words.batch(this) }, signal)
      this.subscriptions++
    }
  }

  async #serveBlocks(channel: Channel): Promise<void> {
    const { signal } = this.#signal
    const hello = await receiveBlocksFrame(channel, signal)
    if (hello?.case !== 'hello') return channel.abort()
    const joined = await this.#ready.promise
    const proof = this.#proof(joined, blocksProtocol.name, channel, hello.value.nonce)
    await sendBlocksFrame(channel, { case: 'welcome', value: { proof } }, signal)
    for (;;) {
      const frame = await receiveBlocksFrame(channel, signal)
      if (frame?.case !== 'getMany') return channel.abort()
      const { request, ids } = frame.value
      const count = ids.length / 33
      const pieces = Array.from({ length: count }, (_, at): Uint8Array => {
        const sealed = this.#blocks.get(ids.slice(at * 33, (at + 1) * 33).join())
        return sealed === undefined ? new Uint8Array(0) : (this.#words.block?.(sealed) ?? sealed)
      })
      this.asked += count
      await sendBlocksPart(channel, { request, lengths: pieces.map((piece) => piece.length), payload: concatBytes(pieces) }, signal)
    }
  }

  #proof(joined: JoinedReader, protocol: string, channel: Channel, nonce: Uint8Array): Uint8Array {
    const context = { protocol, prover: this.network.self, verifier: channel.peer, nonce }
    return proveMembership(deriveAccessKey(joined.secrets.accessSecret), context)
  }
}

/** A path that no parser would let through. */
function unchecked(text: string): RelativePath {
  return parseRelativePath(text) ?? (text as RelativePath)
}
