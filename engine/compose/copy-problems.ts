// What is to be told of files with too few copies, once that has lasted: while something is copied it is so for a moment all the time.

import type { Problem } from '../api/controls.ts'
import type { CopyShortage } from '../replicas/copy-count.ts'

export interface KeeperName {
  readonly name: string
  readonly isHere: boolean
}

export interface CopyTroubles {
  readonly folder: string
  readonly targetCopies: number
  readonly shortage: CopyShortage
  /** Members that are to hold all of the folder or a share of it. */
  readonly keepers: readonly KeeperName[]
  /** Names of members that do not count as a copy, because a person said so. */
  readonly retired: readonly string[]
}

export function copyProblems(troubles: CopyTroubles): readonly Problem[] {
  const { folder, targetCopies, shortage, keepers, retired } = troubles
  const { none, single, below } = shortage
  const problems: Problem[] = []
  if (none > 0) {
    problems.push({
      code: 'NO_COPY',
      severity: 'warning',
      folder,
      text: `${filesText(none)} no copy on any machine that counts`,
      next: "Start the machines that had them: whatever they still have is shared again by itself. 'holdfast copies --worst' lists what has no copy.",
    })
  }
  const one = single - none
  if (one > 0 && targetCopies > 1) {
    const text = `${filesText(one)} one copy to count on`
    problems.push({ code: 'ONE_COPY', severity: 'warning', folder, text, next: nextForOne(troubles) })
  }
  if (below > 0 && keepers.length < targetCopies) {
    const without = retired.length === 0 ? '' : `, ${retired.join(', ')} left out: retired`
    problems.push({
      code: 'TOO_FEW_MEMBERS',
      severity: 'info',
      folder,
      text: `there are to be ${targetCopies} copies, and ${machinesText(keepers.length)} all of it or a share${without}`,
      next: `${anotherMember}, or ask for fewer copies: 'holdfast folder set'.`,
    })
  }
  return problems
}

const anotherMember = "Let another machine join: 'holdfast share --role host' makes a link for one that only stores"

function nextForOne({ keepers }: CopyTroubles): string {
  const away = keepers.flatMap(({ name, isHere }) => (isHere ? [] : [name]))
  const which = "'holdfast copies --worst' lists them."
  if (keepers.length < 2) return `${anotherMember}. ${which}`
  if (away.length > 0) return `Start ${away.join(', ')}: copies are to be there. ${anotherMember}. ${which}`
  return `Nothing to do while members fetch, as 'holdfast members' shows it; what keeps one from it stands in the 'holdfast problems' of that machine. ${which}`
}

function filesText(files: number): string {
  return files === 1 ? 'one file has' : `${files} files have`
}

function machinesText(machines: number): string {
  if (machines === 0) return 'no machine keeps'
  return machines === 1 ? 'one machine keeps' : `${machines} machines keep`
}
