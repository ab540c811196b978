// Who is owed what: every content that a person wrote at a path must stay, until somebody who had it before them replaced or deleted it.
// Contents are told apart by hash; equal contents written by two people are one.

import { isConflictCopy } from './snapshot.ts'

export interface Owed {
  readonly path: string
  readonly content: string
  /** Who wrote it or gave it its present name, and when in virtual time. */
  readonly by: string
  readonly atUs: number
}

export class Ledger {
  readonly #known = new Set<string>()
  readonly #owed = new Map<string, Owed>()
  /** When each person last replaced or removed a content that they had at a path. */
  readonly #given = new Map<string, Map<string, number>>()
  /** Bytes that changed by themselves, and what they were written as. */
  readonly #decayed = new Map<string, string>()
  readonly #lastReceivedUs: (by: string, path: string) => number

  /** `lastReceivedUs`: when the node of `by` last changed something at a path for the others. */
  constructor(lastReceivedUs: (by: string, path: string) => number = () => 0) {
    this.#lastReceivedUs = lastReceivedUs
  }

  /** Whether a person ever wrote this content as a whole. */
  isKnown(content: string): boolean {
    return this.#known.has(content)
  }

  owed(): readonly Owed[] {
    return [...this.#owed.values()]
  }

  /** A person has it, who is not part of this yet. */
  know(content: string): void {
    this.#known.add(content)
  }

  /**
   * Nobody wrote `after`, which a file that held `before` holds now. Read before it was recorded, or moved, it is as good as written. Where
   * no other file holds `before` it is nobody's to ask for.
   */
  decay(before: string, after: string, isElsewhere: boolean): void {
    this.#known.add(after)
    this.#decayed.set(after, this.#decayed.get(before) ?? before)
    if (isElsewhere) return
    for (const [key, owed] of this.#owed) if (owed.content === before) this.#owed.delete(key)
  }

  get hasDecay(): boolean {
    return this.#decayed.size > 0
  }

  /** What bytes that changed by themselves had been written as; undefined for any other content. */
  writtenAs(content: string): string | undefined {
    return this.#decayed.get(content)
  }

  /**
   * A person made `content` be at `path`. When they only put back what was there, be it what they had moved away themselves, while
   * somebody else who had it as well has replaced it already, and that has not arrived, then all they did was to touch the file: nothing
   * new is owed.
   */
  owe(owed: Owed): void {
    this.#known.add(owed.content)
    const given = this.#given.get(keyOf(owed.path, owed.content)) ?? new Map<string, number>()
    const receivedUs = this.#lastReceivedUs(owed.by, owed.path)
    const isTouch = [...given].some(([by, atUs]) => by !== owed.by && receivedUs < atUs)
    if (!isTouch) this.#owed.set(keyOf(owed.path, owed.content), owed)
  }

  /**
   * A person replaced or removed `content` at `path`, having it before them. What is owed under another path goes as well, unless it
   * is there on that person's machine (`isStillAt`): it may be what came here as a conflict copy or by somebody else's move. A conflict
   * copy stands for the content even while the name itself still shows it too: the winner is about to take that. Whoever replaces or
   * removes a file whose bytes changed by themselves gives up what had been written there.
   */
  discharge(loss: Owed, contentAt: (path: string) => string | undefined): void {
    const { path, content } = loss
    const key = keyOf(path, content)
    this.#owed.delete(key)
    this.#given.set(key, (this.#given.get(key) ?? new Map<string, number>()).set(loss.by, loss.atUs))
    for (const [name, owed] of this.#owed) {
      if (owed.content === content && (contentAt(owed.path) !== content || isConflictCopy(path, owed.path))) this.#owed.delete(name)
    }
    const written = this.#decayed.get(content)
    if (written !== undefined) this.discharge({ ...loss, content: written }, contentAt)
  }
}

function keyOf(path: string, content: string): string {
  return `${content} ${path}`
}
