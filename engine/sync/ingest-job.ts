// Worker jobs that read changed paths: one for a batch of small ones, one for a window of a large file.

import { FilesError, type FilesFault, type FileStat, type OpenFile } from '../base/files.ts'
import { concatBytes } from '../base/bytes.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import { chooseClass, type ChunkClass } from '../chunk/limits.ts'
import { entryIdOf } from '../crypto/keys.ts'
import { sealMeta } from '../crypto/seal.ts'
import { BlockList } from '../model/block-list.ts'
import type { AuthorId } from '../model/ids.ts'
import { encodeMeta, type EntryKind, type Meta } from '../model/meta.ts'
import { normalisePath, parentOf, type RelativePath } from '../model/path.ts'
import { DirectoryChecks } from '../disk/parents.ts'
import { chunkClassNumber, gearOf, parseChunkClass, type JobKeys } from './job-keys.ts'
import { readBlocks } from './read-blocks.ts'

export interface IngestRequest {
  readonly path: RelativePath
  /** Packed block list of what is believed to be nearly the same content; empty when there is none. */
  readonly previousBlocks: Uint8Array
  /** 0 when there is none. */
  readonly previousClass: number
}

export interface IngestInput {
  readonly root: string
  readonly keys: JobKeys
  /** Goes into the sealed part as the content's editor. */
  readonly editor: AuthorId
  readonly requests: readonly IngestRequest[]
}

export type IngestFact =
  /** `blocks` and `sealed` are ranges of the output's two buffers; `sealed` holds for a change of content. */
  | {
      readonly kind: EntryKind
      readonly path: RelativePath
      readonly stat: FileStat
      readonly chunkClass: number
      readonly blocksFrom: number
      readonly blocksTo: number
      readonly sealedFrom: number
      readonly sealedTo: number
      readonly linkTarget: string | undefined
    }
  | { readonly kind: 'missing'; readonly path: RelativePath }
  /** Too large for a batch: to be read in windows. */
  | { readonly kind: 'large'; readonly path: RelativePath; readonly stat: FileStat }
  /** Written to while it was read: try again later. */
  | { readonly kind: 'changing'; readonly path: RelativePath }
  /** A FIFO, a socket, a device. */
  | { readonly kind: 'special'; readonly path: RelativePath }
  | { readonly kind: 'failed'; readonly path: RelativePath; readonly fault: FilesFault; readonly detail: string }

export interface IngestOutput {
  readonly facts: readonly IngestFact[]
  readonly blocks: Uint8Array
  readonly sealed: Uint8Array
}

/** Files over this are read window by window, so that no job takes long and memory stays bounded. */
export const largeFileBytesMin: number = 8 * 1024 * 1024

/** Reads a batch of paths. Never throws for one path: its fact says what happened. */
export function ingestBatch(input: IngestInput, world: JobWorld): JobResult<IngestOutput> {
  const output = new FactBuilder(input)
  const parents = new DirectoryChecks(world.files, input.root)
  for (const request of input.requests) {
    try {
      // Behind a symlink nothing belongs to the folder, whatever the index remembers.
      if (parents.check(parentOf(request.path) ?? '') !== 'ok') output.addMissing(request.path)
      else output.add(request, world)
    } catch (error) {
      output.addFailure(request.path, error)
    }
  }
  return output.finish()
}

class FactBuilder {
  readonly #input: IngestInput
  readonly #facts: IngestFact[] = []
  readonly #blocks: Uint8Array[] = []
  readonly #sealed: Uint8Array[] = []
  #blocksBytes = 0
  #sealedBytes = 0

  constructor(input: IngestInput) {
    this.#input = input
  }

  add(request: IngestRequest, { files }: JobWorld): void {
    const { path } = request
    const absolute = `${this.#input.root}/${path}`
    const stat = files.lstat(absolute)
    if (stat === undefined) this.#facts.push({ kind: 'missing', path })
    else if (stat.kind === 'other') this.#facts.push({ kind: 'special', path })
    else if (stat.kind === 'directory') this.#push(path, 'directory', stat, 0, BlockList.empty, undefined)
    else if (stat.kind === 'symlink') this.#push(path, 'symlink', stat, 0, BlockList.empty, files.readLink(absolute))
    else if (stat.sizeBytes > largeFileBytesMin) this.#facts.push({ kind: 'large', path, stat })
    else this.#addFile(request, files.open(absolute, 'read'))
  }

  addMissing(path: RelativePath): void {
    this.#facts.push({ kind: 'missing', path })
  }

  addFailure(path: RelativePath, error: unknown): void {
    if (!(error instanceof FilesError)) throw error
    if (error.fault === 'missing') this.#facts.push({ kind: 'missing', path })
    else if (error.fault === 'symlink') this.#facts.push({ kind: 'changing', path })
    else this.#facts.push({ kind: 'failed', path, fault: error.fault, detail: error.detail })
  }

  finish(): JobResult<IngestOutput> {
    const blocks = concatBytes(this.#blocks)
    const sealed = concatBytes(this.#sealed)
    return { output: { facts: this.#facts, blocks, sealed }, transfer: [blocks.buffer, sealed.buffer] }
  }

  #addFile(request: IngestRequest, file: OpenFile): void {
    try {
      const stat = file.stat()
      const chunkClass = chooseClass(stat.sizeBytes, parseChunkClass(request.previousClass))
      const read = readBlocks({
        file,
        sizeBytes: stat.sizeBytes,
        offset: 0,
        windowBytes: stat.sizeBytes,
        chunkClass,
        gear: gearOf(this.#input.keys),
        sealKey: this.#input.keys.sealKey,
        previous: new BlockList(request.previousBlocks),
        previousAt: 0,
      })
      if (read === undefined || !isUnchanged(stat, file.stat())) this.#facts.push({ kind: 'changing', path: request.path })
      else this.#push(request.path, 'file', stat, chunkClassNumber(chunkClass), BlockList.pack(read.blocks), undefined)
    } finally {
      file.close()
    }
  }

  #push(path: RelativePath, kind: EntryKind, stat: FileStat, chunkClass: number, blocks: BlockList, linkTarget: string | undefined): void {
    const sealed = sealPathMeta(this.#input.keys, this.#input.editor, { path, kind, stat, chunkClass, blocks, linkTarget })
    this.#facts.push({
      kind,
      path,
      stat,
      chunkClass,
      blocksFrom: this.#blocksBytes,
      blocksTo: this.#blocksBytes + blocks.bytes.length,
      sealedFrom: this.#sealedBytes,
      sealedTo: this.#sealedBytes + sealed.length,
      linkTarget,
    })
    this.#blocks.push(blocks.bytes)
    this.#sealed.push(sealed)
    this.#blocksBytes += blocks.bytes.length
    this.#sealedBytes += sealed.length
  }
}

/** Same content as far as the file system tells. */
export function isUnchanged(before: FileStat, after: FileStat): boolean {
  return (
    before.sizeBytes === after.sizeBytes &&
    before.mtimeUs === after.mtimeUs &&
    before.ctimeUs === after.ctimeUs &&
    before.inode === after.inode
  )
}

interface PathFacts {
  readonly path: RelativePath
  readonly kind: EntryKind
  readonly stat: FileStat
  readonly chunkClass: number
  readonly blocks: BlockList
  readonly linkTarget: string | undefined
}

/** The sealed part for a version in which the content itself is new. */
export function sealPathMeta(keys: JobKeys, editor: AuthorId, facts: PathFacts, more: Pick<Meta, 'contentTimeUs'> = {}): Uint8Array {
  const meta = encodeMeta({
    path: normalisePath(facts.path),
    kind: facts.kind,
    sizeBytes: facts.kind === 'file' ? facts.stat.sizeBytes : 0,
    mtimeUs: facts.kind === 'directory' ? 0 : facts.stat.mtimeUs,
    mode: facts.kind === 'symlink' ? 0 : facts.stat.mode,
    chunkClass: facts.chunkClass,
    blockKeys: packedKeys(facts.blocks),
    blockLengths: Array.from({ length: facts.blocks.count }, (_, at) => facts.blocks.lengthBytes(at)),
    linkTarget: facts.linkTarget,
    contentVector: undefined,
    editor,
    ...more,
  })
  return sealMeta(keys.metaKey, entryIdOf(keys.nameKey, normalisePath(facts.path)), meta)
}

/** The keys of all blocks one after the other, as a Meta carries them. */
export function packedKeys(blocks: BlockList): Uint8Array {
  return concatBytes(Array.from({ length: blocks.count }, (_, at) => blocks.key(at)))
}

export interface WindowInput {
  readonly root: string
  readonly path: RelativePath
  readonly keys: JobKeys
  readonly chunkClass: ChunkClass
  readonly offset: number
  readonly previousBlocks: Uint8Array
  readonly previousAt: number
  /** What the file looked like at the first window. */
  readonly stat: FileStat
}

export type WindowOutput =
  | { readonly kind: 'read'; readonly blocks: Uint8Array; readonly nextOffset: number; readonly previousAt: number }
  | { readonly kind: 'changing' }

/** Several of the largest chunks: what one job reads of a large file. */
const windowBytes = 32 * 1024 * 1024

/** Reads the next window of a large file. Throws FilesError. */
export function ingestWindow(input: WindowInput, world: JobWorld): JobResult<WindowOutput> {
  const file = world.files.open(`${input.root}/${input.path}`, 'read')
  try {
    if (!isUnchanged(input.stat, file.stat())) return { output: { kind: 'changing' } }
    const read = readBlocks({
      file,
      sizeBytes: input.stat.sizeBytes,
      offset: input.offset,
      windowBytes,
      chunkClass: input.chunkClass,
      gear: gearOf(input.keys),
      sealKey: input.keys.sealKey,
      previous: new BlockList(input.previousBlocks),
      previousAt: input.previousAt,
    })
    if (read === undefined || !isUnchanged(input.stat, file.stat())) return { output: { kind: 'changing' } }
    return { output: { kind: 'read', blocks: BlockList.pack(read.blocks).bytes, nextOffset: read.nextOffset, previousAt: read.previousAt } }
  } finally {
    file.close()
  }
}
