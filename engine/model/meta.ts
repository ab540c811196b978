// The sealed part of an entry: what only readers of the folder know.

import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { BlockList, sealOverheadBytes } from './block-list.ts'
import { parseVector, vectorMessage, type BlockRef } from './entry.ts'
import { parseAuthorId, type AuthorId } from './ids.ts'
import { parseRelativePath, type RelativePath } from './path.ts'
import type { VersionVector } from './vector.ts'
import { MetaSchema } from './wire/entry_pb.ts'

export type EntryKind = 'file' | 'directory' | 'symlink'

export interface Meta {
  readonly path: RelativePath
  readonly kind: EntryKind
  readonly sizeBytes: number
  /** Whole microseconds since 1970. */
  readonly mtimeUs: number
  readonly mode: number
  readonly chunkClass: number
  readonly blockKeys: Uint8Array
  readonly blockLengths: readonly number[]
  readonly linkTarget: string | undefined
  /** The version in which the content last changed, when later ones changed attributes only; undefined = this version. */
  readonly contentVector: VersionVector | undefined
  /** Who wrote the content; undefined = the only author of the version vector. */
  readonly editor: AuthorId | undefined
  /**
   * When the content was made, as conflicts count it: its first mtime, but later than what it replaced. A later change of the time alone
   * leaves it. Absent = `mtimeUs`.
   */
  readonly contentTimeUs?: number
}

const metaVersion = 1
const kindNumbers: Readonly<Record<EntryKind, number>> = { file: 1, directory: 2, symlink: 3 }
const kindNames: readonly (EntryKind | undefined)[] = [undefined, 'file', 'directory', 'symlink']
/** PATH_MAX of Linux; a link's target is data and may be anything else. */
const linkTargetBytesMax = 4096
const keyBytes = 32
const chunkClassMax = 3

export function encodeMeta(meta: Meta): Uint8Array {
  return toBinary(
    MetaSchema,
    create(MetaSchema, {
      version: metaVersion,
      path: meta.path,
      kind: kindNumbers[meta.kind],
      sizeBytes: BigInt(meta.sizeBytes),
      mtimeUs: BigInt(meta.mtimeUs),
      mode: meta.mode,
      chunkClass: meta.chunkClass,
      blockKeys: meta.blockKeys,
      blockLengths: [...meta.blockLengths],
      linkTarget: meta.linkTarget ?? '',
      contentVector: vectorMessage(meta.contentVector ?? []),
      editor: meta.editor ?? new Uint8Array(0),
      contentTimeUs: meta.contentTimeUs === undefined || meta.contentTimeUs === meta.mtimeUs ? 0n : BigInt(meta.contentTimeUs),
    }),
  )
}

/** undefined when the bytes are not a well-formed Meta that fits an entry with these blocks. */
export function decodeMeta(bytes: Uint8Array, blocks: readonly BlockRef[]): Meta | undefined {
  const message = tryDecode(bytes)
  if (message === undefined || message.version !== metaVersion || message.inlineContent.length > 0) return undefined
  const path = parseRelativePath(message.path)
  const kind = kindNames[message.kind]
  const sizeBytes = Number(message.sizeBytes)
  const mtimeUs = Number(message.mtimeUs)
  const contentTimeUs = Number(message.contentTimeUs)
  if (path === undefined || kind === undefined) return undefined
  if (!Number.isSafeInteger(sizeBytes) || !Number.isSafeInteger(mtimeUs)) return undefined
  if (!Number.isSafeInteger(contentTimeUs)) return undefined
  if (message.mode > 0o777 || message.chunkClass > chunkClassMax) return undefined
  if (message.linkTarget.length > linkTargetBytesMax || message.linkTarget.includes('\0')) return undefined
  if ((kind === 'symlink') !== message.linkTarget.length > 0) return undefined
  const contentVector = message.contentVector.length === 0 ? undefined : parseVector(message.contentVector)
  const editor = message.editor.length === 0 ? undefined : parseAuthorId(message.editor)
  if ((contentVector === undefined) !== (message.contentVector.length === 0)) return undefined
  if ((editor === undefined) !== (message.editor.length === 0)) return undefined
  if (!blocksFit(message.blockKeys, message.blockLengths, blocks, kind === 'file' ? sizeBytes : 0)) return undefined
  return {
    path,
    kind,
    sizeBytes,
    mtimeUs,
    mode: message.mode,
    chunkClass: message.chunkClass,
    blockKeys: message.blockKeys,
    blockLengths: message.blockLengths,
    linkTarget: kind === 'symlink' ? message.linkTarget : undefined,
    contentVector,
    editor,
    ...(contentTimeUs === 0 ? {} : { contentTimeUs }),
  }
}

function tryDecode(bytes: Uint8Array): ReturnType<typeof fromBinary<typeof MetaSchema>> | undefined {
  try {
    return fromBinary(MetaSchema, bytes)
  } catch {
    return undefined // malformed protobuf: the one thing this decoder throws
  }
}

function blocksFit(keys: Uint8Array, lengths: readonly number[], blocks: readonly BlockRef[], sizeBytes: number): boolean {
  if (keys.length !== blocks.length * keyBytes || lengths.length !== blocks.length) return false
  let total = 0
  for (const [at, block] of blocks.entries()) {
    const length = lengths[at] ?? 0
    if (length < 1 || length + sealOverheadBytes !== block.storedBytes) return false
    total += length
  }
  return total === sizeBytes
}

/** The packed list of a file's blocks: public ids joined with the keys and lengths of the sealed part. */
export function blockListOf(blocks: readonly BlockRef[], meta: Meta): BlockList {
  return BlockList.pack(
    blocks.map((block, at) => ({
      id: block.id,
      key: meta.blockKeys.subarray(at * keyBytes, (at + 1) * keyBytes),
      lengthBytes: meta.blockLengths[at] ?? 0,
    })),
  )
}
