// What the system's refusals mean for a path that was to be changed: the reason why it is not in step, and the problem for a person.

import type { ErrorCode } from '../base/errors.ts'
import type { FilesFault } from '../base/files.ts'
import type { FlowProblem } from './problems.ts'
import type { NeedReason } from './reasons.ts'

export const faultReasons: Partial<Readonly<Record<FilesFault, NeedReason>>> = {
  noSpace: 'DISK_FULL',
  denied: 'DENIED',
  nameClash: 'NAME_CLASH',
  nameTooLong: 'NAME_NOT_POSSIBLE',
  unsupported: 'NAME_NOT_POSSIBLE',
  busy: 'FILE_BUSY',
  io: 'DISK_FAILED',
}

/** What the block store says when it cannot keep a content. */
export const storeReasons: Partial<Readonly<Record<ErrorCode, NeedReason>>> = {
  NO_SPACE: 'DISK_FULL',
  STORE_READ_ONLY: 'DISK_FAILED',
  STORE_OFFLINE: 'STORE_OFFLINE',
  STORE_IN_USE: 'STORE_OFFLINE',
  DISK_FAILED: 'DISK_FAILED',
}

const faultTexts: Partial<Readonly<Record<FilesFault, { readonly text: string; readonly next: string }>>> = {
  noSpace: { text: 'the disk is full', next: 'Free some space; it goes on by itself.' },
  denied: { text: 'permission was denied', next: 'Give the user that runs Holdfast permission to write there.' },
  nameClash: {
    text: 'another name there differs only in case or accents, and this drive takes both for one. Both are kept as they are',
    next: 'Rename one of the two on another member.',
  },
  unsupported: {
    text: 'this system cannot hold such a name. It is kept in the index, and elsewhere',
    next: 'Rename it on another member.',
  },
  nameTooLong: { text: 'the name is too long for this file system', next: 'Shorten it on another member.' },
  busy: { text: 'another program holds it open', next: 'Close it there; it goes on by itself.' },
  io: { text: 'the disk reported an error', next: 'Check the disk.' },
}

export function problemOfFault(path: string, fault: FilesFault, detail: string): FlowProblem {
  const text = faultTexts[fault] ?? { text: detail, next: 'See the log of Holdfast.' }
  return {
    code: fault === 'noSpace' ? 'DISK_FULL' : 'APPLY_FAILED',
    severity: 'error',
    text: `${path} could not be changed here: ${text.text}`,
    next: text.next,
    ...(fault === 'noSpace' ? {} : { path }),
  }
}
