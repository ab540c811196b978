// What is to be told of hosts of a folder that have no room for more of it.

import type { Problem } from '../api/controls.ts'

export interface FullFolder {
  /** Hosts that take blocks. */
  readonly hostsWithRoom: number
  /** Files with fewer copies than there are to be. */
  readonly below: number
}

export function fullProblems(
  folder: string,
  full: readonly { readonly peer: string; readonly name: string }[],
  { hostsWithRoom, below }: FullFolder,
): readonly Problem[] {
  const lacking = below === 0 ? '' : `; ${below === 1 ? 'one file has' : `${below} files have`} fewer copies than wanted now`
  return full.map(({ peer, name }): Problem => {
    const hasHelp = hostsWithRoom > 0
    return {
      code: 'HOST_FULL',
      severity: hasHelp ? 'info' : 'warning',
      folder,
      path: peer,
      text: hasHelp
        ? `${name} has no room for more of this folder: what it has stays, and other hosts take what it cannot${lacking}`
        : `${name} has no room for more of this folder, and there is no other host that has${lacking}`,
      next: hasHelp
        ? `Nothing to do while others have room. To use it again, make room there, or raise its --capacity or the folder's grant.`
        : `Make room there, raise its --capacity or the folder's grant, or let another host join ('holdfast share ${folder} --role host').`,
    }
  })
}
