// Ids: bytes whose first byte names the algorithm or version, so that a later one can live beside it.
// Only the parse functions make the branded types.

import { toBase32 } from '../base/bytes.ts'

declare const brand: unique symbol
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name }

/** 33 bytes: 0x01, then BLAKE3 of the sealed bytes. */
export type BlockId = Branded<Uint8Array, 'BlockId'>
/** 33 bytes: 0x01, then BLAKE3 keyed with the folder's name key, of the normalised path. */
export type EntryId = Branded<Uint8Array, 'EntryId'>
/** 33 bytes: 0x01, then BLAKE3 of the admin log's first entry: an id nobody else can claim. */
export type FolderId = Branded<Uint8Array, 'FolderId'>
/** 16 bytes: 0x01, then the first 15 of BLAKE3(node's public key, incarnation). */
export type AuthorId = Branded<Uint8Array, 'AuthorId'>
/** libp2p's text form of a node's Ed25519 identity, `12D3Koo…`. */
export type PeerId = Branded<string, 'PeerId'>

export const hashIdBytes = 33
export const authorIdBytes = 16
export const idVersion = 1

function isHashId(bytes: Uint8Array): boolean {
  return bytes.length === hashIdBytes && bytes[0] === idVersion
}

export function parseBlockId(bytes: Uint8Array): BlockId | undefined {
  return isHashId(bytes) ? (bytes as BlockId) : undefined
}

export function parseEntryId(bytes: Uint8Array): EntryId | undefined {
  return isHashId(bytes) ? (bytes as EntryId) : undefined
}

export function parseFolderId(bytes: Uint8Array): FolderId | undefined {
  return isHashId(bytes) ? (bytes as FolderId) : undefined
}

export function parseAuthorId(bytes: Uint8Array): AuthorId | undefined {
  return bytes.length === authorIdBytes && bytes[0] === idVersion ? (bytes as AuthorId) : undefined
}

/** Accepts the text form of Ed25519 peer ids only: that is what every node makes. */
export function parsePeerId(text: string): PeerId | undefined {
  return /^12D3Koo[1-9A-HJ-NP-Za-km-z]{45}$/.test(text) ? (text as PeerId) : undefined
}

/** Lower-case base32: what people see and type a prefix of. */
export function folderIdText(id: FolderId): string {
  return toBase32(id)
}
