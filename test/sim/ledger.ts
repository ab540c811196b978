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

  /** Whether a person ever wrote this content as a whole. */
  isKnown(content: string): boolean {
    return this.#known.has(content)
  }

  owed(): readonly Owed[] {
    return [...this.#owed.values()]
  }

  /** A person made `content` be at `path`. */
  owe(owed: Owed): void {
    this.#known.add(owed.content)
    this.#owed.set(keyOf(owed.path, owed.content), owed)
  }

  /**
   * A person replaced or removed `content` at `path`, having it before them. What is owed under another path goes as well, unless it
   * is there on that person's machine (`isStillAt`): it may be what came here as a conflict copy or by somebody else's move. A conflict
   * copy stands for the content even while the name itself still shows it too: the winner is about to take that.
   */
  discharge(path: string, content: string, isStillAt: (path: string) => boolean): void {
    this.#owed.delete(keyOf(path, content))
    for (const [key, owed] of this.#owed) {
      if (owed.content === content && (!isStillAt(owed.path) || isConflictCopy(path, owed.path))) this.#owed.delete(key)
    }
  }
}

function keyOf(path: string, content: string): string {
  return `${content} ${path}`
}
