// Whether a folder's directory can be believed: that it is there, that it is this folder, and what it says is to be ignored.

import { EngineError } from '../base/errors.ts'
import type { Jobs } from '../base/jobs.ts'
import type { inspectRoot } from '../disk/folder-jobs.ts'
import { parseIgnoreRules, type IgnoreRules } from '../disk/ignore.ts'
import { ignoreFileName } from '../disk/limits.ts'
import type { RootState } from '../disk/marker.ts'
import type { SessionFile } from '../disk/session.ts'
import type { readSettings } from '../disk/read-settings.ts'
import { folderIdText } from '../model/ids.ts'
import type { FolderHandle } from './folder-handle.ts'
import type { FolderProblems } from './problems.ts'

export interface FolderRootParts {
  readonly jobs: Jobs<{ readonly inspectRoot: typeof inspectRoot; readonly readSettings: typeof readSettings }>
  readonly handle: FolderHandle
  readonly problems: FolderProblems
  /** What the folder's work began with; undefined before that. */
  readonly session: () => SessionFile | undefined
  /** Other rules are in force: other paths are ignored. */
  readonly rulesChanged: () => void
}

export class FolderRoot {
  readonly #parts: FolderRootParts
  #rules: IgnoreRules = defaultRules()
  /** What the rules in force were made from; undefined = the built-in ones alone. */
  #rulesText: string | undefined
  #hasRules = false

  constructor(parts: FolderRootParts) {
    this.#parts = parts
  }

  get rules(): IgnoreRules {
    return this.#rules
  }

  /** Throws `FOLDER_STOPPED` unless the root is there and is this folder: nothing is believed about any other directory. */
  async check(signal: AbortSignal): Promise<void> {
    const { jobs, handle, session } = this.#parts
    const known = session()
    const input = { root: handle.root, folder: folderIdText(handle.record.id), session: known }
    const state = await jobs.run('inspectRoot', input, { signal })
    if (state === 'replaced' && session() !== known) return this.check(signal) // by this node: a new session began
    if (state !== 'ok') throw new EngineError('FOLDER_STOPPED', rootTexts[state](handle.root, handle.record.name))
  }

  /** Throws `FOLDER_STOPPED` while there never were rules that can be used. */
  async readRules(signal: AbortSignal): Promise<void> {
    const { jobs, handle, problems } = this.#parts
    const text = await jobs.run('readSettings', { root: handle.root, name: ignoreFileName }, { signal })
    if (text.kind === 'unreadable') return this.#refuseRules(text.detail)
    const rulesText = text.kind === 'present' ? text.text : undefined
    const parsed = parseIgnoreRules(rulesText)
    if (parsed.kind === 'refused') return this.#refuseRules(parsed.problem)
    problems.clear('IGNORE_RULES', ignoreFileName)
    this.#hasRules = true
    if (rulesText === this.#rulesText) return
    this.#rules = parsed.rules
    this.#rulesText = rulesText
    this.#parts.rulesChanged()
  }

  /** Without any rules the folder waits: sharing what somebody wanted ignored cannot be taken back. Throws `FOLDER_STOPPED` then. */
  #refuseRules(reason: string): void {
    if (!this.#hasRules) {
      throw new EngineError(
        'FOLDER_STOPPED',
        `the rules in ${ignoreFileName} cannot be used: ${reason}. Nothing is synced until they can; mend ${ignoreFileName}`,
      )
    }
    this.#parts.problems.note({
      code: 'IGNORE_RULES',
      severity: 'warning',
      path: ignoreFileName,
      text: `the rules in ${ignoreFileName} cannot be used: ${reason}. The rules before it stay in force.`,
      next: `Mend ${ignoreFileName}.`,
    })
  }
}

function defaultRules(): IgnoreRules {
  const parsed = parseIgnoreRules(undefined)
  if (parsed.kind === 'ok') return parsed.rules
  throw new EngineError('INTERNAL', `the built-in ignore rules do not parse: ${parsed.problem}`)
}

const rootTexts: Readonly<Record<Exclude<RootState, 'ok'>, (root: string, name: string) => string>> = {
  rootMissing: (root, name) =>
    `the folder's directory ${root} is not there: connect its drive or bring it back; nothing is deleted anywhere meanwhile. If it is gone for good: holdfast reject "${name}" makes it anew and brings the files from the other members`,
  markerMissing: (root, name) =>
    `${root} has no .holdfast/folder.json, so it may be an empty mount point: connect the drive. If this is a new place for the folder: holdfast reject "${name}" brings the files here from the other members`,
  markerForeign: (root) => `${root} belongs to another folder: bring the right directory back, or remove this folder here`,
  replaced: (root) =>
    `the files in ${root} were replaced while the folder was open, as when a backup is restored: they are looked at anew, and what is old there is not told to anybody`,
  unreadable: (root) => `${root} cannot be read: give the user that runs Holdfast permission`,
}
