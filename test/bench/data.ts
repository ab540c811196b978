// The benchmark's data sets, the same bytes on every machine: an AES-CTR key stream is the source of content and sizes,
// so nothing compresses and nothing is stored in the repository.

import { createCipheriv, createHash, type Cipheriv } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { SetName } from './options.ts'

export interface DataSet {
  readonly name: SetName
  readonly title: string
  readonly path: string
  readonly files: number
  readonly bytes: number
}

/** The one file of the set `big`. */
export const bigFileName = 'video.bin'

interface Shape {
  readonly title: string
  readonly folders: number
  readonly filesPerFolder: number
  readonly sizeBytesMin: number
  readonly sizeBytesMax: number
  folderPath(index: number): string
  fileName(index: number): string
}

const gibibyte = 1 << 30
const quickDivisor = 10
const writeBytes = 4 << 20

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0')
}

function shapeOf(name: SetName, isQuick: boolean): Shape {
  const divisor = isQuick ? quickDivisor : 1
  switch (name) {
    case 'big': {
      const sizeBytes = Math.floor(gibibyte / divisor)
      const title = isQuick ? 'one file of 102 MiB' : 'one 1 GiB file'
      return {
        title,
        folders: 1,
        filesPerFolder: 1,
        sizeBytesMin: sizeBytes,
        sizeBytesMax: sizeBytes,
        folderPath: () => '.',
        fileName: () => bigFileName,
      }
    }
    case 'small':
      return {
        title: `${isQuick ? '2,000' : '20,000'} files of 0.5–32 KiB`,
        folders: 200 / divisor,
        filesPerFolder: 100,
        sizeBytesMin: 512,
        sizeBytesMax: 32_768,
        folderPath: (index) => `dir${pad(index, 3)}`,
        fileName: (index) => `file${pad(index, 3)}.dat`,
      }
    case 'tiny':
      return {
        title: `${isQuick ? '10,000' : '100,000'} files of 16–600 B`,
        folders: 1000 / divisor,
        filesPerFolder: 100,
        sizeBytesMin: 16,
        sizeBytesMax: 600,
        folderPath: (index) => `d${pad(Math.floor(index / 32), 2)}/e${pad(index, 4)}`,
        fileName: (index) => `f${pad(index, 2)}.txt`,
      }
  }
}

class KeyStream {
  readonly #cipher: Cipheriv
  readonly #zeros: Buffer = Buffer.alloc(writeBytes)

  constructor(seed: string) {
    this.#cipher = createCipheriv('aes-256-ctr', createHash('sha256').update(seed).digest(), Buffer.alloc(16))
  }

  bytes(count: number): Buffer {
    return this.#cipher.update(this.#zeros.subarray(0, count))
  }

  /** Between both, inclusive. The bias of the modulus is of no account at these sizes. */
  integer(min: number, max: number): number {
    return min + (this.bytes(4).readUInt32LE() % (max - min + 1))
  }
}

/** Incompressible bytes that no data set holds, the same in every run of this `seed`. */
export function freshBytes(seed: string, count: number): Buffer {
  const stream = new KeyStream(`holdfast bench fresh ${seed}`)
  const bytes = Buffer.alloc(count)
  for (let at = 0; at < count; at += writeBytes) bytes.set(stream.bytes(Math.min(writeBytes, count - at)), at)
  return bytes
}

/** Makes the set below `parent`, or takes the one that is there already from an earlier run with --keep. */
export function makeDataSet(parent: string, name: SetName, isQuick: boolean): DataSet {
  const shape = shapeOf(name, isQuick)
  const path = join(parent, isQuick ? `${name}-quick` : name)
  const unfinished = `${path}.unfinished`
  const isThere = existsSync(path)
  const stream = new KeyStream(`holdfast bench ${name}`)
  rmSync(unfinished, { recursive: true, force: true })
  let bytes = 0
  for (let folder = 0; folder < shape.folders; folder++) {
    const folderPath = join(unfinished, shape.folderPath(folder))
    if (!isThere) mkdirSync(folderPath, { recursive: true })
    for (let file = 0; file < shape.filesPerFolder; file++) {
      const sizeBytes = stream.integer(shape.sizeBytesMin, shape.sizeBytesMax)
      bytes += sizeBytes
      if (!isThere) writeContent(join(folderPath, shape.fileName(file)), stream, sizeBytes)
      else if (shape.folders > 1) stream.bytes(sizeBytes)
    }
  }
  // A set appears under its name only when whole, so that a run that was stopped leaves nothing half made to trust.
  if (!isThere) renameSync(unfinished, path)
  return { name, title: shape.title, path, files: shape.folders * shape.filesPerFolder, bytes }
}

function writeContent(path: string, stream: KeyStream, sizeBytes: number): void {
  if (sizeBytes <= writeBytes) return writeFileSync(path, stream.bytes(sizeBytes))
  const descriptor = openSync(path, 'w')
  try {
    for (let left = sizeBytes; left > 0; left -= writeBytes) writeSync(descriptor, stream.bytes(Math.min(left, writeBytes)))
  } finally {
    closeSync(descriptor)
  }
}
