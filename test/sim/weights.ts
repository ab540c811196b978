// What can happen in a simulated world, and how often.

import type { SetupOptions } from './setup.ts'

export type ActionName = FileActionName | TreeActionName | NodeActionName | HostActionName

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
  | 'free'
  | 'fetch'
  | 'keep'
  | 'stop'

/** On hosts, drawn from those that there are. */
export type HostActionName =
  | 'plant'
  | 'hostRestart'
  | 'hostStop'
  | 'hostKill'
  | 'hostCrash'
  | 'hostKillInCall'
  | 'hostCrashInCall'
  | 'hostStart'
  | 'hostPause'
  | 'hostResume'
  | 'hostTrouble'
  | 'hostRoom'
  | 'hostClock'
  | 'hostLoseDatabase'
  | 'hostBackUp'
  | 'hostRestore'
  | 'wipe'
  | 'rotStore'
  | 'hostJoin'
  | 'hostLose'
  | 'retire'
  | 'leave'
  | 'storage'
  | 'hostAway'
  | 'copies'

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
/** Nodes that do not keep everything; not drawn by themselves, so that what seeds draw stays as it was. */
export const elsewhereWeights: Weights = {
  ...fileWeights,
  ...treeWeights,
  restart: 1,
  kill: 1,
  crash: 1,
  crashInCall: 1,
  start: 8,
  heal: 4,
  partition: 1,
  free: 60,
  fetch: 10,
}

const hostWeights: Weights = {
  plant: 6,
  hostRestart: 2,
  hostKill: 2,
  hostCrash: 2,
  hostKillInCall: 1,
  hostCrashInCall: 2,
  hostStart: 12,
  hostPause: 1,
  hostResume: 3,
  hostTrouble: 2,
  hostRoom: 3,
  hostClock: 1,
  hostJoin: 3,
  hostStop: 1,
  retire: 1,
  leave: 2,
  storage: 3,
  hostAway: 2,
  copies: 1,
}
/** What takes stores away, with blocks that may be nowhere else when readers do not keep everything. */
const lossWeights: Weights = { hostLoseDatabase: 1, hostBackUp: 1, hostRestore: 1, wipe: 3, rotStore: 3, hostLose: 1 }
/** Where readers do not keep everything. */
const sparingWeights: Weights = { free: 5, fetch: 2, keep: 3 }

/** People work less there, and the nodes of those that read have the accidents that take nothing from their history. */
export const hostedWeights: Weights = {
  write: 14,
  replace: 5,
  append: 3,
  truncate: 1,
  edit: 3,
  renameFile: 4,
  removeFile: 4,
  chmod: 1,
  touch: 1,
  moveTree: 2,
  removeTree: 1,
  twoSided: 3,
  race: 2,
  restart: 1,
  kill: 1,
  crash: 1,
  crashInCall: 1,
  start: 5,
  partition: 3,
  heal: 8,
  cut: 2,
  join: 2,
  stop: 1,
  ...hostWeights,
}

export function weightsOf({ isSparing }: { readonly isSparing: boolean }): Weights {
  return { ...hostedWeights, ...(isSparing ? sparingWeights : lossWeights) }
}

/** The kinds of worlds that seeds are drawn from. */
export const allSetups: SetupOptions = { nodes: 3, mayJoinLate: true, names: { linux: 12, apple: 1, windows: 1, hfs: 1, mixed: 1 } }
/** For nodes that can do less. */
export const plainSetups: SetupOptions = { nodes: 3, mayJoinLate: false, names: { linux: 1 } }
