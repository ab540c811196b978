// What can happen in a simulated world, and how often.

import type { SetupOptions } from './setup.ts'

export type ActionName = FileActionName | TreeActionName | NodeActionName

export type FileActionName =
  | 'write'
  | 'replace'
  | 'append'
  | 'truncate'
  | 'edit'
  | 'renameFile'
  | 'removeFile'
  | 'chmod'
  | 'touch'
  | 'symlink'
type TreeActionName =
  | 'moveTree'
  | 'removeTree'
  | 'mkdir'
  | 'changeType'
  | 'swap'
  | 'rotate'
  | 'caseRename'
  | 'twoSided'
  | 'race'
  | 'ignored'
type NodeActionName =
  | 'pause'
  | 'resume'
  | 'restart'
  | 'kill'
  | 'crash'
  | 'killInCall'
  | 'crashInCall'
  | 'start'
  | 'trouble'
  | 'partition'
  | 'heal'
  | 'cut'
  | 'clock'
  | 'room'
  | 'join'
  | 'loseDatabase'
  | 'backUp'
  | 'restore'
  | 'rot'

/** In proportion; what is left out never happens. */
export type Weights = Readonly<Partial<Record<ActionName, number>>>

export const fileWeights: Weights = {
  write: 20,
  replace: 8,
  append: 6,
  truncate: 3,
  edit: 6,
  renameFile: 8,
  removeFile: 6,
  chmod: 3,
  touch: 3,
}
export const treeWeights: Weights = {
  symlink: 3,
  moveTree: 4,
  removeTree: 2,
  mkdir: 3,
  changeType: 2,
  swap: 2,
  rotate: 1,
  caseRename: 2,
  twoSided: 4,
  race: 4,
  ignored: 2,
}
/** Processes, power, links and clocks. `killInCall` and `crashInCall` strike before some disk call to come, in the middle of a job. */
export const accidentWeights: Weights = {
  pause: 1,
  resume: 2,
  restart: 1,
  kill: 1,
  crash: 1,
  killInCall: 1,
  crashInCall: 1,
  start: 5,
  partition: 2,
  heal: 4,
  cut: 2,
  clock: 1,
  join: 2,
  loseDatabase: 0.5,
  backUp: 1,
  restore: 0.5,
}
/** Calls on the folder that fail a few times, and drives that fill up. */
export const troubleWeights: Weights = { trouble: 2, room: 2 }
export const allWeights: Weights = { ...fileWeights, ...treeWeights, ...accidentWeights, ...troubleWeights }

/** The kinds of worlds that seeds are drawn from. */
export const allSetups: SetupOptions = { nodes: 3, mayJoinLate: true, names: { linux: 12, apple: 1, windows: 1, hfs: 1, mixed: 1 } }
/** For nodes that can do less. */
export const plainSetups: SetupOptions = { nodes: 3, mayJoinLate: false, names: { linux: 1 } }
