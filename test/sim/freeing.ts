// What people say about which files are on a drive: free, fetch, keep.

import type { Controls } from '../../engine/api/controls.ts'
import type { Step } from './script.ts'

const { signal } = new AbortController()

export type FreeStep = Extract<Step, { readonly do: 'free' | 'fetch' | 'keep' }>

/** Whether anything came of it, and how many others have to hold what left the drive. */
export async function doFreeing(
  controls: Controls,
  folder: string,
  step: FreeStep,
): Promise<{ readonly isDone: boolean; readonly needed: number }> {
  switch (step.do) {
    case 'fetch': {
      const { fetching } = await controls.fetchFiles({ folder, paths: [step.path], wait: false }, signal)
      return { isDone: fetching > 0, needed: 0 }
    }
    case 'keep': {
      const { keep, patterns } = step
      const kept = await controls.keepFolder({ folder, keep, ...(patterns === undefined ? {} : { patterns }) }, signal)
      return { isDone: true, needed: kept.neededCopies }
    }
    default: {
      const { minCopies } = step
      const wanted = { folder, paths: [step.path], ...(minCopies === undefined ? {} : { minCopies }) }
      const { freed, neededCopies } = await controls.freeFiles(wanted, signal)
      return { isDone: freed > 0, needed: neededCopies }
    }
  }
}
