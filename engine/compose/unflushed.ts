// Which files of a tree nobody has flushed since they were found: their names while they are few enough to be known, else the tree as a whole.

/** Of one moment: what was noted up to it, and nothing since. */
export interface UnflushedNow {
  readonly mark: number
  /** Undefined: there are more than were named, any file may be one of them. */
  readonly paths: readonly string[] | undefined
}

export class Unflushed {
  readonly #namesMax: number
  /** When each was noted last. */
  readonly #marks = new Map<string, number>()
  #mark = 1
  /** Any file may have been noted up to this mark; 0 = none but the named. */
  #allMark: number

  /** `isAll`: it is not known which they are. */
  constructor(isAll: boolean, namesMax: number) {
    this.#namesMax = namesMax
    this.#allMark = isAll ? this.#mark : 0
  }

  /** Files were found as somebody else wrote them. */
  note(paths: readonly string[]): void {
    for (const path of paths) this.#marks.set(path, ++this.#mark)
    if (this.#marks.size <= this.#namesMax) return
    this.#marks.clear()
    this.#allMark = this.#mark
  }

  get isEmpty(): boolean {
    return this.#allMark === 0 && this.#marks.size === 0
  }

  /** Any file may be unflushed. */
  get isAll(): boolean {
    return this.#allMark > 0
  }

  has(path: string): boolean {
    return this.isAll || this.#marks.has(path)
  }

  now(): UnflushedNow {
    return { mark: this.#mark, paths: this.isAll ? undefined : [...this.#marks.keys()] }
  }

  /** What was noted up to then is on the device, but for these. */
  flushed({ mark, paths }: UnflushedNow, failed: ReadonlySet<string>): void {
    if (paths === undefined && this.#allMark <= mark) this.#allMark = 0
    for (const path of paths ?? [...this.#marks.keys()]) {
      if (!failed.has(path) && (this.#marks.get(path) ?? Number.POSITIVE_INFINITY) <= mark) this.#marks.delete(path)
    }
    this.note([...failed].filter((path) => !this.#marks.has(path)))
  }
}
