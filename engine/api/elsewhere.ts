// What can be asked about where a folder's files are: a node that reads a folder need not have every file of it.

/** What a member holds of a folder: a share is for hosts, selected files or none for those that read it. */
export type Keep = 'all' | 'share' | 'selected' | 'none'

/** A file that had to stay on the disk. */
export interface RefusedFile {
  readonly path: string
  /** NOT_PROVEN, CHANGED_HERE, NOT_IN_STEP, IN_CONFLICT or FAILED. */
  readonly reason: string
  /** Copies at other members that were proven now. */
  readonly copies: number
  /** What is the matter, and what to do. */
  readonly text: string
}

export interface FreedFiles {
  readonly freed: number
  readonly freedBytes: number
  /** The first of them. */
  readonly refused: readonly RefusedFile[]
  readonly refusedCount: number
  /** So many copies had to be proven at other members. */
  readonly neededCopies: number
}

export interface FetchedFiles {
  /** Asked for now, and on their way. */
  readonly fetching: number
  readonly fetchingBytes: number
}

export interface KeptFiles extends FreedFiles, FetchedFiles {
  readonly keep: Keep
  readonly patterns: readonly string[]
  /** Of the refused ones: tried again when others have proven more. */
  readonly toFree: number
}

export interface ListedFile {
  readonly path: string
  readonly bytes: number
  /** As `copies` counts them. */
  readonly copies: number
  readonly verified: number
  readonly zones: number
  readonly holders: readonly string[]
  /** 'coming': asked for, or changed elsewhere and not here yet. */
  readonly state: 'here' | 'elsewhere' | 'coming'
}

export interface FileList {
  readonly files: readonly ListedFile[]
  readonly total: number
  /** Files of the folder that are not here, and not on their way. */
  readonly elsewhere: { readonly files: number; readonly bytes: number }
}

export interface ElsewhereControls {
  /**
   * Which files of the folder this node keeps; what does not fit any more is freed as `freeFiles` does, what fits now is fetched. Without
   * `keep` nothing changes. Throws `BAD_ARGUMENT`, `NOT_ALLOWED`, `FOLDER_STOPPED`.
   */
  keepFolder(
    request: { readonly folder: string; readonly keep?: Keep; readonly patterns?: readonly string[] },
    signal: AbortSignal,
  ): Promise<KeptFiles>
  /**
   * Removes files from this disk that enough other members have proven to hold just now: as many as the folder is to have copies, at least
   * two, or `minCopies`. Throws `UNKNOWN_PATH`, `BAD_PATH`, `NOT_ALLOWED`, `FOLDER_STOPPED`.
   */
  freeFiles(
    request: { readonly folder: string; readonly paths: readonly string[]; readonly minCopies?: number },
    signal: AbortSignal,
  ): Promise<FreedFiles>
  /** Brings files here again; with `wait` it resolves once they are. Throws `UNKNOWN_PATH`, `BAD_PATH`, `NOT_ALLOWED`. */
  fetchFiles(
    request: { readonly folder: string; readonly paths: readonly string[]; readonly wait: boolean },
    signal: AbortSignal,
  ): Promise<FetchedFiles>
  /** Every file at or below a path, also those that are not here. Throws `UNKNOWN_PATH`. */
  files(
    request: { readonly folder: string; readonly path?: string | undefined; readonly limit: number },
    signal: AbortSignal,
  ): Promise<FileList>
}
