// What is to be told of members that are away for too long, and of many that went at once.

import type { Problem } from '../api/controls.ts'
import type { CopySummary } from '../replicas/copy-count.ts'

export interface AbsentName {
  readonly peer: string
  readonly name: string
  readonly degree: 'overdue' | 'lost'
  /** Until it has been heard of, hosts let go of nothing that was deleted or replaced. */
  readonly isWaitedFor: boolean
}

/** Of one folder: who is gone, and what is at risk meanwhile. */
export function absenceProblems(folder: string, absent: readonly AbsentName[], summary: CopySummary | undefined): readonly Problem[] {
  const few = (summary?.single ?? 0) === 0 ? '' : `; ${atRisk(summary?.single ?? 0)} meanwhile`
  return absent.map(({ peer, name, degree, isWaitedFor }): Problem => {
    const isLost = degree === 'lost'
    const more = `${few}${isWaitedFor ? '; until it has been heard of, hosts give no room back of what was deleted or replaced' : ''}`
    return {
      code: isLost ? 'MEMBER_LOST' : 'MEMBER_OVERDUE',
      severity: 'warning',
      folder,
      path: peer,
      text: isLost
        ? `${name} has been away for so long that it is taken for lost: what it held is copied anew by the others${more}`
        : `${name} has been away for longer than is normal for it: what has fewer than two copies without it gets another${more}`,
      next: isLost
        ? `If it is gone for good, say so with 'holdfast member retire'. If not, start it: it has its part again at once.`
        : `Start it, or, if it is gone for good, say so with 'holdfast member retire'.`,
    }
  })
}

function atRisk(single: number): string {
  return single === 1 ? 'one file has one copy or none' : `${single} files have one copy or none`
}

/** More members went at once than are left: nothing is counted against them, and a person should know. */
export function doubtProblems(doubted: number, here: number): readonly Problem[] {
  if (doubted < 2) return []
  return [
    {
      code: 'LINK_DOUBTED',
      severity: 'info',
      text: `${doubted} members went at the same time, and ${here === 0 ? 'none is' : `${here} ${here === 1 ? 'is' : 'are'}`} left: it may be this node that is cut off, so nothing is copied anew`,
      next: "Check this machine's network. Members that are gone for good can be retired with 'holdfast member retire'.",
    },
  ]
}
