// The problems of one folder as people and programs see them.

import type { Problem } from '../api/controls.ts'
import type { Index } from '../index/index-store.ts'
import type { FolderRecord } from '../model/folder.ts'
import type { FolderProblems } from '../sync/problems.ts'

export interface TroubledFolder {
  readonly record: Pick<FolderRecord, 'name' | 'row'>
  readonly problems: Pick<FolderProblems, 'all'>
  readonly pull: { readonly isBusy: boolean }
}

/** What is wrong with one folder, for people: what its flows noted, and what its rows show. */
export function describeProblems(index: Index, runtime: TroubledFolder): readonly Problem[] {
  const folder = runtime.record.name
  const problems = runtime.problems.all().map((problem): Problem => ({ ...problem, folder }))
  const copies = index.items.countConflictCopies(runtime.record.row)
  if (copies > 0) problems.push(conflictsProblem(folder, copies))
  if (runtime.pull.isBusy) return problems // and the look at every need is saved while there may be many
  const waiting = index.needs.reasons(runtime.record.row).find(({ reason }) => reason === 'NO_SOURCE')
  if (waiting === undefined) return problems
  return [
    ...problems,
    {
      code: 'NO_SOURCE',
      severity: 'warning',
      folder,
      text: `${waiting.paths} ${waiting.paths === 1 ? 'path waits' : 'paths wait'} for content that no member reachable now has`,
      next: 'Start the machine that has it, or wait until it has finished its own transfer.',
    },
  ]
}

function conflictsProblem(folder: string, copies: number): Problem {
  return {
    code: 'CONFLICTS',
    severity: 'warning',
    folder,
    text: `${copies === 1 ? 'one conflict copy stands' : `${copies} conflict copies stand`} beside files that were changed in two places at once`,
    next: "'holdfast conflicts' shows both versions, 'holdfast resolve' decides.",
  }
}
