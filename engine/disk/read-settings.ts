// A job that reads one small text file at the root of a folder, the ignore rules for example.

import { fromUtf8 } from '../base/bytes.ts'
import { FilesError } from '../base/files.ts'
import type { JobResult, JobWorld } from '../base/jobs.ts'

export interface ReadSettingsInput {
  readonly root: string
  /** A name directly below the root. */
  readonly name: string
}

export type SettingsText =
  | { readonly kind: 'present'; readonly text: string }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unreadable'; readonly detail: string }

/** Reads one byte more than the parser takes, so that a file that is too long is seen to be. */
const settingsBytesMax = 64 * 1024 + 1

export function readSettings(input: ReadSettingsInput, { files }: JobWorld): JobResult<SettingsText> {
  try {
    const file = files.open(`${input.root}/${input.name}`, 'read')
    try {
      const bytes = new Uint8Array(Math.min(file.stat().sizeBytes, settingsBytesMax))
      const text = fromUtf8(bytes.subarray(0, file.read(bytes, 0)))
      return { output: text === undefined ? { kind: 'unreadable', detail: 'it is not valid UTF-8' } : { kind: 'present', text } }
    } finally {
      file.close()
    }
  } catch (error) {
    if (!(error instanceof FilesError)) throw error
    return { output: error.fault === 'missing' ? { kind: 'missing' } : { kind: 'unreadable', detail: error.message } }
  }
}
