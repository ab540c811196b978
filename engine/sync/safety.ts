// When a folder's own changes look like an accident: over half of its files deleted or rewritten at once. Pure; change-guard.ts remembers,
// ingest.ts and folder-walk.ts obey. Nothing here looks at names or contents.

/** Smaller folders are never held: losing a few files is everyday work, and the other members keep what they replace. */
export const guardedFilesMin = 20
/** So few changes in one moment are a person's: they go out at once. */
export const burstFilesMax = 10
/** A burst is over when this long nothing was added to it. */
export const quietAfterMs = 400
/** A thin stream that never rests is let through after this long. */
const patienceMs = 30_000
/** What is under this share of the folder is thin. */
const thinShare = 0.1
/** Changes of this long count together: at once means that. A slow but large wave counts for longer. */
export const momentMs = 2000
export const waveMs = 10_000
export const waveFilesMin = 100

export interface MassChange {
  /** Files that are gone and have not turned up under another name, and files with other content. */
  readonly changed: number
  /** Files of the folder before. */
  readonly files: number
}

/** True when a person is to be asked before anybody else is told. */
export function isMassChange({ changed, files }: MassChange): boolean {
  return files >= guardedFilesMin && changed * 2 > files
}

export interface Burst {
  readonly files: number
  /** Deletions and rewrites seen and not told yet. */
  readonly gathered: number
  /** Hints not looked at yet, and losses that still wait for their other half: some may belong to it. */
  readonly coming: number
  /** What was told a moment ago. */
  readonly recent: number
  /** Since the last change was added. */
  readonly quietMs: number
  /** Since the first. */
  readonly ageMs: number
}

/** `walk`: it may be too much: the whole tree is looked at, since only that tells what merely moved. */
export type Pace = 'tell' | 'wait' | 'walk'

export function paceOf(burst: Burst): Pace {
  const { files, gathered, coming, recent, quietMs, ageMs } = burst
  if (files < guardedFilesMin) return 'tell'
  const isMass = isMassChange({ changed: gathered + recent, files })
  if (!isMass && gathered + coming <= burstFilesMax) return 'tell'
  if (quietMs >= quietAfterMs) return isMass ? 'walk' : 'tell'
  return ageMs >= patienceMs && gathered < files * thinShare ? 'tell' : 'wait'
}
