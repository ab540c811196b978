// Worker job that reads a stretch of one segment from front to back and says which records are whole. It decides nothing: what is found is
// looked at again by the store, which knows what of it is still in use, and where.

import { equalBytes } from '../base/bytes.ts'
import { FilesError, type Files, type OpenFile } from '../base/files.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'
import { blockIdOf } from '../crypto/seal.ts'
import { recordTypes } from './record.ts'
import { scanRecords, type ScanEvent } from './scan.ts'

export interface ScrubSegmentInput {
  readonly path: string
  readonly storeId: Uint8Array
  readonly segment: number
  /** Where a record begins, or anything: the next whole one is found. */
  readonly fromBytes: number
  /** The end of what was acknowledged. */
  readonly toBytes: number
  /** To stop at the first end of a record behind so many. */
  readonly stepBytes: number
}

export interface FoundRecord {
  readonly folder: Uint8Array
  readonly id: Uint8Array
  readonly offset: number
}

export interface ScrubSegmentOutput {
  readonly whole: readonly FoundRecord[]
  /** Whose header is whole and whose payload is not. */
  readonly damaged: readonly FoundRecord[]
  /** Where no record could be read: what stood there has no names here. */
  readonly gaps: readonly { readonly fromBytes: number; readonly toBytes: number }[]
  /** Where to go on; `toBytes` at the end. */
  readonly nextBytes: number
}

/** What is skipped of a disk that does not give it. */
const unreadableBytes = 1024 * 1024

/** Throws FilesError when the file cannot be opened. */
export function scrubSegment(input: ScrubSegmentInput, { files }: JobWorld): JobResult<ScrubSegmentOutput> {
  return { output: scrub(input, files) }
}

function scrub(input: ScrubSegmentInput, files: Files): ScrubSegmentOutput {
  const file = files.open(input.path, 'read')
  try {
    return scrubFile(input, file)
  } finally {
    file.close()
  }
}

/** What a job does, of a file that is open. Reads no further than the first end of a record behind `stepBytes`. */
export function scrubFile(
  { fromBytes, toBytes, stepBytes, ...segment }: Omit<ScrubSegmentInput, 'path'>,
  file: OpenFile,
): ScrubSegmentOutput {
  const whole: FoundRecord[] = []
  const damaged: FoundRecord[] = []
  const gaps: { fromBytes: number; toBytes: number }[] = []
  let at = fromBytes
  try {
    for (const event of scanRecords(file, { ...segment, fromBytes, toBytes })) {
      if (event.kind === 'end') {
        if (event.offset < toBytes) gaps.push({ fromBytes: event.offset, toBytes })
        return { whole, damaged, gaps, nextBytes: toBytes }
      }
      const { header } = event
      const endBytes = event.offset + event.sizeBytes
      if (header === undefined) gaps.push({ fromBytes: event.offset, toBytes: endBytes })
      else if (header.type === recordTypes.put) {
        const { folder, id } = header
        ;(isWhole(event, id) ? whole : damaged).push({ folder, id, offset: event.offset })
      }
      at = endBytes
      if (at - fromBytes >= stepBytes) break
    }
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    const nextBytes = Math.min(toBytes, at + unreadableBytes)
    gaps.push({ fromBytes: at, toBytes: nextBytes })
    return { whole, damaged, gaps, nextBytes }
  }
  return { whole, damaged, gaps, nextBytes: at }
}

function isWhole(event: Exclude<ScanEvent, { readonly kind: 'end' }>, id: Uint8Array): boolean {
  return event.kind === 'record' && equalBytes(blockIdOf(event.payload), id)
}
