// The layout that an owner published last, from which everybody lays out: 12 KiB for three copies, so it is no fact of the admin log, which is
// kept for ever, but a record beside the receipts, of which only the last one counts (decision 0046).

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { compareBytes, equalBytes } from '../base/bytes.ts'
import { blake3 } from '../crypto/hash.ts'
import { peerIdOf, publicKeyOf } from '../crypto/identity.ts'
import { verify, type Signer } from '../crypto/sign.ts'
import type { FolderId, PeerId } from '../model/ids.ts'
import { LayoutBodySchema, PublishedLayoutSchema } from '../model/wire/exchange_pb.ts'
import { present } from '../base/assert.ts'
import type { KeptLayout } from './kept-layout.ts'
import { encodeTable, layoutDigest, parseTable } from './layout-bytes.ts'
import { holdersByPartition } from './layout.ts'

export interface PublishedLayout {
  readonly publisher: PeerId
  /** 1, 2, …: each starts from the one before. */
  readonly step: number
  /** What of folder and members it was computed from: `placementFacts`. */
  readonly facts: Uint8Array
  readonly layout: KeptLayout
  /** Of the signed body, 32 bytes. */
  readonly hash: Uint8Array
  /** As it was signed. */
  readonly bytes: Uint8Array
}

const layoutContext = 'layout'
const layoutVersion = 1
const keyBytes = 32
const factsBytes = 32
/** That of a table for 255 members and 16 copies is 73 KiB. */
const recordBytesMax = 512 * 1024
const everywhereMax = 4096

export function signLayout(
  signer: Signer,
  folder: FolderId,
  { step, facts, layout }: Pick<PublishedLayout, 'step' | 'facts' | 'layout'>,
  timeMs: number,
): Uint8Array {
  const everywhere = layout.everywhere.map((peer) => present(publicKeyOf(peer), 'a peer id holds its key'))
  const body = toBinary(
    LayoutBodySchema,
    create(LayoutBodySchema, {
      version: layoutVersion,
      folderId: folder,
      nodeKey: signer.publicKey,
      step: BigInt(step),
      facts,
      everywhere,
      table: encodeTable(layout),
      timeMs: BigInt(timeMs),
    }),
  )
  return toBinary(PublishedLayoutSchema, create(PublishedLayoutSchema, { body, signature: signer.sign(layoutContext, body) }))
}

/** undefined when it is malformed, over its bounds, of a newer format, of another folder or not signed by the node that it names. */
export function parsePublishedLayout(bytes: Uint8Array, folder: FolderId): PublishedLayout | undefined {
  if (bytes.length > recordBytesMax) return undefined
  try {
    const { body: encoded, signature } = fromBinary(PublishedLayoutSchema, bytes)
    const body = fromBinary(LayoutBodySchema, encoded)
    const step = Number(body.step)
    if (body.version !== layoutVersion || !equalBytes(body.folderId, folder) || !Number.isSafeInteger(step) || step < 1) return undefined
    if (body.facts.length !== factsBytes || body.everywhere.length > everywhereMax) return undefined
    if (body.everywhere.some((key) => key.length !== keyBytes)) return undefined
    if (!verify(body.nodeKey, layoutContext, encoded, signature)) return undefined
    const table = parseTable(body.table)
    if (table === undefined) return undefined
    const everywhere = body.everywhere.map((key) => peerIdOf(key))
    const digest = layoutDigest(folder, everywhere, table)
    const layout = { digest, everywhere, ...table, holders: holdersByPartition(everywhere, table) }
    return { publisher: peerIdOf(body.nodeKey), step, facts: body.facts, layout, hash: blake3(encoded), bytes }
  } catch {
    return undefined // malformed protobuf
  }
}

/** The same for everybody, in whatever order the two came: the higher step, and of two published at once the lower hash. */
export function replaces(fresh: PublishedLayout, known: PublishedLayout): boolean {
  return fresh.step === known.step ? compareBytes(fresh.hash, known.hash) < 0 : fresh.step > known.step
}

/** One after the other, but a person who sets up five hosts is to see each of them used at once. */
const ownPauseMs = 15_000
/** Another owner is left the time to notice what this one noticed, or to go on seeing it otherwise: two must not undo each other's all day. */
const othersPauseMs = 10 * 60_000

/**
 * How long an owner waits before it publishes its layout of now, milliseconds; undefined when it is not to: nobody keeps a share, or what is
 * published was computed from what it sees. `ageMs`: since the last one came.
 */
export function publishesInMs(
  published: Pick<PublishedLayout, 'publisher' | 'facts'> | undefined,
  now: { readonly self: PeerId; readonly facts: Uint8Array; readonly copies: number },
  ageMs: number,
): number | undefined {
  if (now.copies === 0 || (published !== undefined && equalBytes(published.facts, now.facts))) return undefined
  if (published === undefined) return 0
  return Math.max(0, (published.publisher === now.self ? ownPauseMs : othersPauseMs) - ageMs)
}
