// What a folder is careful about, as it is kept in the index: a restart forgets no question that was asked and no answer that was given.

/** Changes here that nobody is told of before a person has decided. */
export interface Hold {
  readonly deleted: number
  readonly rewritten: number
  /** Files of the folder before. */
  readonly files: number
  readonly sinceMs: number
  /** A few of the paths. */
  readonly examples: readonly string[]
}

export type Caution =
  | { readonly kind: 'none' }
  | { readonly kind: 'held'; readonly hold: Hold }
  /** The person said that it was meant: the next walk tells everything. */
  | { readonly kind: 'accepting' }
  /** The person wants the files back: the next walk takes losses and rewrites for accidents. */
  | { readonly kind: 'rejecting' }

const unknown: Caution = { kind: 'held', hold: { deleted: 0, rewritten: 0, files: 0, sinceMs: 0, examples: [] } }

export function encodeCaution(caution: Caution): string {
  return caution.kind === 'none' ? '' : JSON.stringify(caution)
}

/**
 * The index is trusted; where another version wrote what this one does not know, nothing is told before the next walk has counted what
 * there is, and a person is asked if that is anything.
 */
export function parseCaution(text: string): Caution {
  if (text === '') return { kind: 'none' }
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || !('kind' in value)) return unknown
  if (value.kind === 'accepting' || value.kind === 'rejecting') return { kind: value.kind }
  if (value.kind !== 'held' || !('hold' in value)) return unknown
  return { kind: 'held', hold: value.hold as Hold }
}
